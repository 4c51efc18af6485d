package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestQuery asks a schema, an answer, a reply and a server.
func TestQuery(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const answer = `[{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0", "features": ["f"]},
		{"name": "0", "meta-type": "object", "members": []}]`
	for _, source := range []string{
		write("schema.json", "# a comment\n{ 'command': 'stop', 'features': [ 'f' ] }\n"),
		write("answer.json", answer),
		write("reply.json", ` { "return": `+answer+`, "id": 1 }`),
	} {
		for _, c := range []struct {
			path, out string
			status    int
		}{
			{"stop/$f", "true\n", exitHas},
			{"stop/$g", "false\n", exitHasNot},
			{"cont", "false\n", exitHasNot},
			{"stop/ arg-type", "true\n", exitHas},
			{"stop/*arg-type", "false\n", exitHasNot},
			{"stop/!ret-type/$f/x", "false\n", exitHasNot}, // and no error: nothing is behind !ret-type
			{"stop//x", "", exitFailed},
		} {
			var out, errs strings.Builder
			require.Equal(t, c.status, run([]string{"query", source, c.path}, &out, &errs), errs.String())
			require.Equal(t, c.out, out.String())
			require.Equal(t, c.status == exitFailed, errs.Len() > 0)
		}
	}
}

func TestQueryErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte("{ 'command': 'x', 'data': 'Nowhere' }\n"), 0o600))
	half := filepath.Join(t.TempDir(), "half.json")
	require.NoError(t, os.WriteFile(half, []byte("["), 0o600))
	for source, want := range map[string]string{
		"nowhere.json":      "no such file",
		"unix:/nowhere/qmp": "no such file",
		"tcp:nowhere":       "missing port in address",
		bad:                 bad + ":1: command 'x': ",
		half:                "introspect: ",
	} {
		var out, errs strings.Builder
		require.Equal(t, exitFailed, run([]string{"query", source, "x"}, &out, &errs))
		require.Contains(t, errs.String(), want)
		require.Empty(t, out.String())
	}
	var out, errs strings.Builder
	require.Equal(t, exitUsage, run([]string{"query", "x"}, &out, &errs))
}

// TestQueryServer asks one that is running.
func TestQueryServer(t *testing.T) {
	s := qemutest.Get(t, "").Start(t, qemutest.Config{})
	for _, source := range []string{s.Socket(), "unix:" + s.Socket()} {
		var out, errs strings.Builder
		status := run([]string{"query", source, "blockdev-add/arg-type/+file/$dynamic-auto-read-only"}, &out, &errs)
		require.Zero(t, status, errs.String())
		require.Equal(t, "true\n", out.String())
	}
	c, err := qmp.Dial(t.Context(), s.Socket(), nil)
	require.NoError(t, err, "qapigen has let go of the monitor")
	c.Close()
}
