package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPage writes the page with our own facts and with those of a user.
func TestPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "qmp.html")
	stdout, stderr := output(t, exitOK, "page", "-out", file)
	require.Empty(t, stdout+stderr)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, server := range []string{`"key":"qemu"`, `"key":"storage"`, `"key":"guest"`, `"qemu-storage-daemon"`} {
		require.Contains(t, string(text), server)
	}
	stdout, _ = output(t, exitOK, "page")
	require.Equal(t, string(text), stdout, "standard output")

	stdout, _ = output(t, exitOK, "page", "-server", "guest")
	require.Contains(t, stdout, `"guest-exec"`)
	require.False(t, strings.Contains(stdout, `"query-block"`))

	own := filepath.Join(t.TempDir(), "own.facts")
	require.NoError(t, os.WriteFile(own, []byte("sources 4.2 5.2\ncommand of-our-own module=misc since=4.2:4.2\n\targ-type q_empty\n"), 0o666))
	stdout, _ = output(t, exitOK, "page", "-facts", own)
	require.Contains(t, stdout, "of-our-own")
	require.Contains(t, stdout, `"releases":["4.2","5.0","5.1","5.2"]`)
	require.False(t, strings.Contains(stdout, `"key":"storage"`))
	stdout, _ = output(t, exitOK, "page", "-facts", own, "-server", "storage")
	require.Contains(t, stdout, `"key":"storage"`)

	for want, args := range map[string][]string{
		"-out is empty: want the `FILE` to write to":    {"page", "-out", ""},
		"page takes flags only":                         {"page", "qmp.html"},
		"-server pc: it is qemu, storage or guest":      {"page", "-server", "pc"},
		"-server pc: it is qemu, storage or guest\nRun": {"page", "-server", "pc", "-facts", own},
	} {
		_, stderr = output(t, exitUsage, args...)
		require.Contains(t, stderr, want)
	}
	_, stderr = output(t, exitFailure, "page", "-facts", "none-such")
	require.Contains(t, stderr, "-facts none-such: no such file")
	_, stderr = output(t, exitFailure, "page", "-out", filepath.Join(own, "qmp.html"))
	require.Contains(t, stderr, "give -out a place that you may write to")
}
