package main

import (
	"os"
	"path/filepath"
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

	status, _, stderr = runShell(t, "", "fmt", file+"x")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "no such file")
}
