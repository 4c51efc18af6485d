package block_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestBitmaps adds, changes, merges and removes bitmaps of a qcow2 image and of a raw one.
func TestBitmaps(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a := m.shadowed(t, "data1")
		m.plugged(t, "raw1", 0)
		state := func(disk, name string) qemu.BlockDirtyInfo {
			t.Helper()
			d, err := m.disks.Disk(ctx, disk)
			require.NoError(t, err)
			for _, b := range d.Bitmaps {
				if *b.Name == name {
					return b
				}
			}
			require.Fail(t, "no bitmap "+name)
			return qemu.BlockDirtyInfo{}
		}
		require.NoError(t, m.disks.AddBitmap(ctx, "data1", "one", nil))
		require.NoError(t, m.disks.AddBitmap(ctx, "data1", "two", &block.BitmapOptions{Granularity: 4096, Volatile: true, Disabled: true}))
		require.NoError(t, m.disks.AddBitmap(ctx, "raw1", "one", nil))
		require.ErrorIs(t, m.disks.AddBitmap(ctx, "data1", "one", nil), hotplug.ErrExists)
		a.write(t, 1, 0, 1<<16)
		one, two := state("data1", "one"), state("data1", "two")
		require.Equal(t, []any{int64(1 << 16), true, true}, []any{one.Count, one.Recording, one.Persistent})
		require.Equal(t, []any{int64(0), false, false, uint32(4096)}, []any{two.Count, two.Recording, two.Persistent, two.Granularity})
		require.False(t, state("raw1", "one").Persistent)

		require.NoError(t, m.disks.EnableBitmap(ctx, "data1", "two"))
		require.NoError(t, m.disks.DisableBitmap(ctx, "data1", "one"))
		a.write(t, 1, 1<<20, 4096)
		require.Equal(t, int64(1<<16), state("data1", "one").Count)
		require.Equal(t, int64(4096), state("data1", "two").Count)
		require.NoError(t, m.disks.MergeBitmaps(ctx, "data1", "one", qemu.BlockDirtyBitmap{Name: "two"}))
		require.Equal(t, int64(2<<16), state("data1", "one").Count)
		require.NoError(t, m.disks.MergeBitmaps(ctx, "raw1", "one", qemu.BlockDirtyBitmap{Node: "data1", Name: "one"}))
		require.Equal(t, int64(2<<16), state("raw1", "one").Count)
		require.NoError(t, m.disks.ClearBitmap(ctx, "data1", "one"))
		require.Zero(t, state("data1", "one").Count)

		require.ErrorContains(t, m.disks.MergeBitmaps(ctx, "data1", "one"), "no bitmap to merge is given") // which terminates QEMU
		require.ErrorIs(t, m.disks.MergeBitmaps(ctx, "data1", "none", qemu.BlockDirtyBitmap{Name: "two"}), block.ErrNoBitmap)
		require.ErrorIs(t, m.disks.MergeBitmaps(ctx, "data1", "one", qemu.BlockDirtyBitmap{Name: "none"}), block.ErrNoBitmap)
		require.ErrorIs(t, m.disks.MergeBitmaps(ctx, "none", "one", qemu.BlockDirtyBitmap{Name: "two"}), block.ErrNoDisk)
		require.ErrorIs(t, m.disks.ClearBitmap(ctx, "data1", "none"), block.ErrNoBitmap)
		require.ErrorIs(t, m.disks.RemoveBitmap(ctx, "none", "one"), block.ErrNoDisk)
		require.NoError(t, m.disks.RemoveBitmap(ctx, "data1", "one"))
		require.ErrorIs(t, m.disks.RemoveBitmap(ctx, "data1", "one"), block.ErrNoBitmap)

		address := qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd.sock")}}
		require.NoError(t, qemu.NBDServerStart{Addr: address}.Do(ctx, m))
		require.NoError(t, m.disks.DisableBitmap(ctx, "data1", "two"))
		export := &qemu.BlockExportOptionsNBD{Bitmaps: []qemu.BlockDirtyBitmapOrStr{{Local: new("two")}}}
		require.NoError(t, qemu.BlockExportAdd{ID: "e", NodeName: "data1", Branch: export}.Do(ctx, m))
		require.ErrorIs(t, m.disks.RemoveBitmap(ctx, "data1", "two"), block.ErrBitmapBusy)
		disk := block.BackupDisk{ID: "data1", Target: m.into("never"), Bitmap: "two"}
		_, err := m.disks.Backup(ctx, []block.BackupDisk{disk}, nil)
		require.ErrorIs(t, err, block.ErrBitmapBusy)
		require.NoFileExists(t, m.path("never"))
	})
}
