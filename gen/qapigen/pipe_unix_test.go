//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPipe reads from a pipe, which may have an answer in it but no schema.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	ask := func(text, path string) (int, string) {
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(pipe, []byte(text), 0) }()
		var out, errs strings.Builder
		status := run([]string{"query", pipe, path}, &out, &errs)
		require.NoError(t, <-written)
		return status, errs.String()
	}
	status, stderr := ask(`[{"name": "x", "meta-type": "builtin", "json-type": "int"}]`, "stop")
	require.Equal(t, exitHasNot, status, stderr)
	status, stderr = ask("{ 'command': 'stop' }", "stop")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, pipe+": this is not an answer to query-qmp-schema; give a schema as a regular file")
}
