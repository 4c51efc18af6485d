package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// TestRecord records a command, prints and explains the recording, and sends it again.
func TestRecord(t *testing.T) {
	vm := qemutest.Get(t, "11.1").Start(t, qemutest.Config{Args: []string{"-name", "vm1"}})
	file := filepath.Join(t.TempDir(), "talk")
	status, _, stderr := runShell(t, "query-name\nobject-add qom-type=secret id=s1 data=geheim\n", "-record", file, vm.Socket())
	require.Equal(t, exitOK, status, stderr)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(text), "geheim")

	status, stdout, stderr := runShell(t, "", "fmt", file)
	require.Equal(t, exitOK, status, stderr)
	require.Contains(t, stdout, "> query-name\n")
	status, stdout, stderr = runShell(t, string(text), "explain")
	require.Equal(t, exitOK, status, stderr)
	require.Contains(t, stdout, "query-name: command of ")
	status, stdout, stderr = runShell(t, "", "replay", file, vm.Socket())
	require.Equal(t, exitOK, status, stderr)
	require.Contains(t, stdout, "same      query-name\n")
	require.Contains(t, stdout, "skipped   object-add")
	require.Contains(t, stdout, "skipped   query-qmp-schema: schemas are compared by qapigen diff\n")
	status, stdout, stderr = runShell(t, "", "replay", "-json", file, vm.Socket())
	require.Equal(t, exitOK, status, stderr)
	require.NotContains(t, stdout, "\n\n")

	status, _, stderr = runShell(t, "", "fmt", file+"x")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "no such file")
}

// TestFormat prints a log with a refusal: a JSON object a line, and each fault once for people.
func TestFormat(t *testing.T) {
	log := `{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":7},"package":""},"capabilities":[]}}{"execute":"change","arguments":{"device":"d","target":"t"},"id":1}{"error":{"class":"CommandNotFound","desc":"no"},"id":1}`
	status, stdout, stderr := runShell(t, log, "fmt", "-json")
	require.Equal(t, exitOK, status, stderr)
	require.Equal(t, 3, strings.Count(stdout, "\n"), stdout)
	status, stdout, stderr = runShell(t, log, "explain")
	require.Equal(t, exitOK, status, stderr)
	require.Equal(t, 1, strings.Count(stdout, "does not have it: removed in QEMU 6.0"), stdout)
}
