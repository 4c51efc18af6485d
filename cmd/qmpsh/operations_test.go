package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// TestOperations adds, shows and removes a disk by the lines that a person types.
func TestOperations(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}})
		image := filepath.Join(t.TempDir(), "data.img")
		require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
		run := func(want int, args ...string) (out, errs string) {
			t.Helper()
			status, out, errs := runShell(t, "", append([]string{vm.Socket()}, args...)...)
			require.Equal(t, want, status, "%q: %s%s", args, out, errs)
			return out, errs
		}
		out, _ := run(0, "add", "disk", "data1", image, "-n")
		require.Contains(t, out, "device_add {")
		out, _ = run(0, "-json", "query-named-block-nodes")
		require.NotContains(t, out, "data1")

		run(0, "add", "disk", "data1", image)
		out, _ = run(0, "query-block")
		require.Contains(t, out, "data1")
		out, _ = run(0, "resize", "disk", "data1", "2M")
		require.Contains(t, out, "2 MiB")

		_, errs := run(2, "add", "disk", "data2", image, "nonsense=on")
		require.Contains(t, errs, "nonsense")
		run(1, "add", "disk", "data1", image)
		out, _ = run(0, "help", "operations")
		require.Contains(t, out, "\n  add disk ")
		out, _ = run(0, "help", "add", "disk")
		require.Contains(t, out, "driver")
	})
}
