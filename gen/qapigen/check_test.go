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
		"qapigen: " + c + ": no such file or directory; " + wantMain + "; a server's address begins with \"unix:\", \"tcp:\" or \"vsock:\"",
	}, strings.Split(strings.TrimSpace(errs.String()), "\n"))
	require.Equal(t, exitUsage, run([]string{"check"}, &out, &errs))
}

func TestCheckDialect(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.json": "##\n# @stop:\n#\n# It stops. For good.\n##\n{ 'command': 'stop' }\n"})
	a := filepath.Join(dir, "a.json")
	for _, dialect := range []string{"any", "5.2", "7.2", "10.0"} {
		var out, errs strings.Builder
		require.Equal(t, exitOK, run([]string{"check", "-dialect", dialect, a}, &out, &errs), errs.String())
		require.Empty(t, out.String()+errs.String())
	}
	var out, errs strings.Builder
	require.Equal(t, exitFailure, run([]string{"check", "-dialect=10.2", a}, &out, &errs))
	require.Equal(t, a+":4:12: use two spaces between sentences\n", errs.String())
	errs.Reset()
	require.Equal(t, exitUsage, run([]string{"check", "-dialect", "9.0", a}, &out, &errs))
	require.Contains(t, errs.String(), "unknown dialect '9.0': want one of any, 5.2, 7.2, 10.0, 10.2")
	require.Empty(t, out.String())
}
