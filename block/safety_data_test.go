package block_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
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

// TestBitmapsOfChangedDisk changes a disk without a write of the guest: the bitmaps do not notice it.
func TestBitmapsOfChangedDisk(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.add(t, "inner", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "inner", "")}})
		m.add(t, "filter", "throttle", qmp.Args{"throttle-group": m.throttleGroup(t), "file": "inner"})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "filtered", Driver: "scsi-hd", Backend: hotplug.Node{Name: "filter"}}))
		a := m.shadowed(t, "data1")
		a.write(t, 1, 0, imageSize)
		saves := m.qemu.AtLeast(6, 0)
		if saves {
			require.NoError(t, m.disks.SaveMachine(ctx, "s", nil))
		}
		for _, id := range []string{"data1", "filtered"} {
			_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: id, Bitmap: "b", Target: m.into(id + ".full")}}, nil)
			require.NoError(t, err)
			require.ErrorIs(t, m.plug.ResizeDisk(ctx, id, 4<<20), block.ErrHasBitmaps)
			require.NoError(t, m.plug.ResizeDisk(ctx, id, imageSize))
			if saves { // QEMU would leave the machine stopped
				require.ErrorIs(t, m.disks.LoadMachine(ctx, "s", nil), block.ErrHasBitmaps)
				status, err := qemu.QueryStatus{}.Do(ctx, m)
				require.NoError(t, err)
				require.True(t, status.Running)
			}
			require.NoError(t, m.disks.RemoveBitmap(ctx, id, "b"))
		}
		if saves {
			require.NoError(t, m.disks.LoadMachine(ctx, "s", nil))
		}
		if m.qemu.AtLeast(7, 1) {
			view, err := m.disks.OpenView(ctx, []block.ViewDisk{{ID: "data1"}}, m.served())
			require.NoError(t, err)
			require.ErrorIs(t, m.plug.ResizeDisk(ctx, "data1", 4<<20), block.ErrBusy)
			_, err = view.Discard(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, m.plug.ResizeDisk(ctx, "data1", 4<<20))
		require.NoError(t, m.plug.ResizeDisk(ctx, "data1", imageSize))
		clear(a.holds[4<<20:])
		m.read(t, "data1", 0, 4<<20, 4<<20)
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Target: m.into("new")}}, nil)
		require.NoError(t, err)
		m.restored(t, a.holds, "new")
	})
}

// TestCommitResized commits overlays that were resized. The guest's disk does not change its size.
func TestCommitResized(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a := m.shadowed(t, "data1")
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Target: m.into("full")}}, nil)
		require.NoError(t, err)
		overlay := func(name string) {
			t.Helper()
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", BackingFile: m.path("data1.qcow2"), Target: m.into(name)}}, nil))
		}
		overlay("o1")
		require.NoError(t, m.plug.ResizeDisk(ctx, "data1", 12<<20))
		a.holds = append(a.holds, make([]byte, 4<<20)...)
		a.write(t, 2, 7<<20, 4<<20)
		kept, err := m.disks.Commit(ctx, "data1", nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		_, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Incremental: true, Target: m.into("inc")}}, nil)
		require.NoError(t, err)
		m.restored(t, a.holds, "full", "inc")
		require.NoError(t, m.disks.RemoveBitmap(ctx, "data1", "b"))
		overlay("o2")
		require.NoError(t, m.plug.ResizeDisk(ctx, "data1", 4<<20))
		_, err = m.disks.Commit(ctx, "data1", nil)
		require.ErrorIs(t, err, block.ErrSize)
		require.EqualValues(t, 4<<20, m.disk(t, "data1").Size())
	})
}

// TestMoveOntoOldBitmap moves a disk onto an image that has an old bitmap with the name of a bitmap that cannot move. The
// next increment must not use the old one.
func TestMoveOntoOldBitmap(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		target := block.Target{Backend: hotplug.File{Path: m.used(t, "old", 9, 0, imageSize, "b"), Format: "qcow2"}}
		m.shadowed(t, "data1")
		require.NoError(t, m.disks.AddBitmap(ctx, "data1", "b", &block.BitmapOptions{Disabled: true}))
		require.NoError(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Server: m.served().Server, Bitmaps: []string{"b"}}))
		kept, err := m.disks.Move(ctx, "data1", target, nil)
		require.NoError(t, err)
		require.NotEmpty(t, kept)
		for _, b := range m.disk(t, "data1").Bitmaps {
			require.NotEqual(t, "b", *b.Name)
		}
	})
}

// TestCreateRawInUse creates a raw image in an empty file that a QEMU uses.
func TestCreateRawInUse(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if runtime.GOOS != "linux" {
			t.Skip("no locks that belong to an open file")
		}
		ctx := within(t)
		require.NoError(t, os.WriteFile(m.path("empty"), nil, 0o600))
		m.add(t, "user", "file", qmp.Args{"filename": m.path("empty")})
		require.NoError(t, m.plug.AddDevice(ctx, hotplug.Device{ID: "data1", Driver: "scsi-hd", Props: qmp.Args{"drive": "user"}}))
		err := m.disks.CreateImage(ctx, "data2", block.Image{Backend: hotplug.File{Path: m.path("empty")}, Size: imageSize})
		require.ErrorIs(t, err, hotplug.ErrInUse)
		require.Zero(t, m.disk(t, "data1").Size())
		require.NoError(t, m.disks.CreateImage(ctx, "data2", block.Image{Backend: hotplug.File{Path: m.path("other")}, Size: imageSize}))
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data2", Driver: "scsi-hd", Backend: hotplug.File{Path: m.path("other")}}))
	})
}

// TestSnapshotOfEncrypted takes a snapshot of an encrypted disk. The overlay would not be encrypted.
func TestSnapshotOfEncrypted(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, qemu.ObjectAdd{ID: "key", QOMType: "secret", Branch: &qemu.RawBranch{Members: qmp.Args{"data": "a key"}}}.Do(ctx, m))
		image := block.Image{
			Backend: hotplug.File{Path: m.path("luks"), Format: "luks"}, Size: imageSize, Key: []byte("a key"), KeyTime: time.Millisecond,
		}
		require.NoError(t, m.disks.CreateImage(ctx, "data1", image))
		m.add(t, "data1", "luks", qmp.Args{"key-secret": "key", "file": qmp.Args{"driver": "file", "filename": m.path("luks")}})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "data1"}}))
		require.True(t, m.disk(t, "data1").Layers[0].Encrypted)
		overlay := block.Overlay{Disk: "data1", Target: m.into("o")}
		require.ErrorIs(t, m.disks.Snapshot(ctx, []block.Overlay{overlay}, nil), block.ErrEncrypted)
		require.Len(t, m.disk(t, "data1").Layers, 1)
		overlay.Unencrypted = true
		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{overlay}, nil))
		require.False(t, m.disk(t, "data1").Layers[0].Encrypted)
	})
}
