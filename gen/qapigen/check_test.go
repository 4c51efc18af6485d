package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

func TestCheck(t *testing.T) {
	var good []string
	for _, main := range schema.Mains {
		good = append(good, filepath.Join(snapshots, main))
	}
	var out, errs strings.Builder
	require.Zero(t, run(append([]string{"check"}, good...), &out, &errs))
	require.Empty(t, out.String()+errs.String())

	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.json": "{ 'command': 'x', 'data': 'Nowhere' }\n{ 'event': 'Y', 'dat': {} }\n",
		"b.json": "{ 'struct': 'Aa' ",
	})
	a, b, c := filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json"), filepath.Join(dir, "c.json")
	require.Equal(t, exitFailure, run([]string{"check", a, good[0], b, c}, &out, &errs))
	require.Empty(t, out.String())
	require.Equal(t, []string{
		a + ":2: event 'Y': event has unknown key 'dat'; valid keys are 'boxed', 'data', 'event', 'features', 'if'",
		b + ":1:18: expected ',' or '}'",
		"qapigen: can't read schema file '" + c + "': no such file or directory",
	}, strings.Split(strings.TrimSpace(errs.String()), "\n"))
	require.Equal(t, exitUsage, run([]string{"check"}, &out, &errs))
}
