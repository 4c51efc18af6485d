package qmpschema_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// TestCheckedServesAll: other packages work with a CheckedClient, which has the client's events.
func TestCheckedServesAll(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		dir := t.TempDir()
		image := filepath.Join(dir, "image")
		require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
		c := qmpschema.Checked(q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}}).Dial(t))
		require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), hotplug.Disk{ID: "disk", Backend: hotplug.File{Path: image, Direct: true}}))
		_, err := qmp.AwaitEvent[qemu.ResumeEvent](t.Context(), c, nil, qemu.Cont{})
		require.NoError(t, err)
		_, err = migration.Run(t.Context(), c, migration.URI("exec:cat >/dev/null"), nil)
		require.NoError(t, err)

		err = qemu.BlockdevMirror{Device: "disk", Target: "t", Sync: qemu.MirrorSyncModeFull, TargetIsZero: new(true)}.Do(t.Context(), c)
		require.Equal(t, !q.AtLeast(10, 1), errors.Is(err, qmp.ErrNotSent), err)
	})
}
