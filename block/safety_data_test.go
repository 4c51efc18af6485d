package block_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
)

// used makes a qcow2 image with a byte in a part of it, and with a bitmap if its name is not empty.
func (m *machine) used(t *testing.T, name string, pattern byte, offset, length int64, bitmap string) string {
	t.Helper()
	path := m.qcow2(t, name, "")
	require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: "writer", Driver: "scsi-hd", Backend: hotplug.File{Path: path, Format: "qcow2"}}))
	if length > 0 {
		m.write(t, "writer", pattern, offset, length)
	}
	if bitmap != "" {
		require.NoError(t, m.disks.AddBitmap(within(t), "writer", bitmap, nil))
	}
	_, err := m.plug.RemoveDisk(within(t), "writer")
	require.NoError(t, err)
	return path
}

// TestTargetWithOldData has targets with data that the operation would leave: the guest would read it after a Move with Top,
// and the restored disk would have it after an increment.
func TestTargetWithOldData(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		base := m.raw(t, "base", 1)
		m.add(t, "base", "file", qmp.Args{"filename": base, "read-only": true})
		m.add(t, "data1", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "overlay", base)}, "backing": "base"})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "data1"}}))
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Target: m.into("full")}}, nil)
		require.NoError(t, err)
		old := func(name string, pattern byte, offset, length int64, bitmap string) block.Target {
			return block.Target{Backend: hotplug.File{Path: m.used(t, name, pattern, offset, length, bitmap), Format: "qcow2"}}
		}
		for _, target := range []block.Target{old("first", 9, 0, 65536, ""), old("last", 9, imageSize-512, 512, ""), old("bitmap", 0, 0, 0, "b")} {
			_, err = m.disks.Move(ctx, "data1", target, &block.MoveOptions{Top: true})
			require.ErrorIs(t, err, block.ErrNotEmpty)
			_, err = m.disks.Copy(ctx, "data1", target, &block.CopyOptions{Top: true})
			require.ErrorIs(t, err, block.ErrNotEmpty)
			_, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Incremental: true, Target: target}}, nil)
			require.ErrorIs(t, err, block.ErrNotEmpty)
		}
		_, err = m.disks.Move(ctx, "data1", old("whole", 9, 0, imageSize, "b"), nil) // it overwrites everything
		require.NoError(t, err)
		m.read(t, "data1", 1, 0, imageSize)
		m.onlyUses(t, "data1", m.disk(t, "data1").Layers[0].Node)
	})
}
