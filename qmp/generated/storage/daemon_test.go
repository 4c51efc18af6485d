package storage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/storage"
)

// TestDaemons talks to real storage daemons.
func TestDaemons(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		ctx := t.Context()
		c := q.StartStorage(t).Dial(t)
		version, err := storage.QueryVersion{}.Do(ctx, c)
		require.NoError(t, err)
		require.Equal(t, int64(q.Major), version.QEMU.Major)

		require.NoError(t, storage.BlockdevAdd{
			NodeName: new("disk0"), Driver: storage.BlockdevDriverNullCo,
			Branch: &storage.BlockdevOptionsNull{Size: new(int64(1 << 20))},
		}.Do(ctx, c))
		nodes, err := storage.QueryNamedBlockNodes{}.Do(ctx, c)
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.EqualValues(t, 1<<20, nodes[0].Image.VirtualSize)

		// A job, whose end an event tells.
		require.NoError(t, storage.BlockdevAdd{
			NodeName: new("disk1"), Driver: storage.BlockdevDriverNullCo,
			Branch: &storage.BlockdevOptionsNull{Size: new(int64(1 << 20))},
		}.Do(ctx, c))
		changes := qmp.Subscribe[storage.JobStatusChangeEvent](c)
		defer changes.Close()
		require.NoError(t, storage.BlockdevMirror{
			JobID: new("copy"), Device: "disk0", Target: "disk1", Sync: storage.MirrorSyncModeFull,
		}.Do(ctx, c))
		for {
			e, err := changes.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, "copy", e.Data.ID)
			if e.Data.Status == storage.JobStatusReady {
				break
			}
		}
		require.NoError(t, storage.JobComplete{ID: "copy"}.Do(ctx, c))
		for {
			e, err := changes.Next(ctx)
			require.NoError(t, err)
			if e.Data.Status == storage.JobStatusNull {
				break
			}
		}
		require.NoError(t, storage.BlockdevDel{NodeName: "disk1"}.Do(ctx, c))
		require.ErrorIs(t, storage.BlockdevDel{NodeName: "disk2"}.Do(ctx, c), qmp.ErrGeneric)
		_, err = qmp.Raw{Command: "device_add"}.Do(ctx, c)
		require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	})
}
