package block_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestDiskNames has names of disks in the answers of several QEMUs.
func TestDiskNames(t *testing.T) {
	blocks := []qemu.BlockInfo{
		{Device: "virtio0", Qdev: new("/machine/peripheral-anon/device[0]/virtio-backend")},
		{Device: "root", Qdev: new("/machine/peripheral/vda/virtio-backend")},
		{Qdev: new("/machine/peripheral-anon/device[12]/virtio-backend")},
		{Qdev: new("data1")},
		{Device: "ide1-cd0", Qdev: new("/machine/unattached/device[24]")},
		{Device: "unused"},
		{Device: "vda", Qdev: new("/machine/peripheral-anon/device[1]")}, // the ID of another device
		{Qdev: new("/machine/unattached/device[3]")},
		{Qdev: new("/machine/peripheral-anon/device[3")},
	}
	require.Equal(t, []string{"virtio0", "vda", "anon12", "data1", "ide1-cd0", "", "", "", ""}, hotplug.DiskNames(blocks))
	require.Equal(t, "vda", hotplug.DiskID(&blocks[1]))
	require.Empty(t, hotplug.DiskID(&blocks[0]))
}

// TestDisksWithoutID does the operations on disks whose devices have no ID: drives with a name, with QEMU's name, and none.
func TestDisksWithoutID(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		files := &machine{qemu: q, dir: t.TempDir()}
		m := startMachine(t, q, files.dir,
			"-drive", "if=virtio,format=raw,file="+files.raw(t, "virtio0.img", 1),
			"-drive", "if=virtio,id=root,format=raw,file="+files.raw(t, "root.img", 1),
			"-drive", "if=ide,format=raw,file="+files.raw(t, "ide0-hd0.img", 1),
			"-blockdev", "driver=file,node-name=n0,filename="+files.raw(t, "node.img", 1), "-device", "scsi-hd,drive=n0", "-drive", "if=ide,index=2,media=cdrom")
		ctx := within(t)
		all, err := m.disks.Disks(ctx)
		require.NoError(t, err)
		tested := 0
		for _, d := range all {
			if len(d.Layers) == 0 {
				continue // a drive of the machine
			}
			tested++
			require.Empty(t, d.ID)
			id, base := d.Name, d.Layers[0].File
			to := func(name string) block.Target {
				return block.Target{Backend: hotplug.File{Path: m.path(id + name), Format: "qcow2"}, Create: true}
			}
			done := func(kept []hotplug.Kept, err error) {
				t.Helper()
				require.NoError(t, err, id)
				require.Empty(t, kept, id)
			}
			require.NoError(t, m.disks.SetThrottle(ctx, id, block.Throttle{Bytes: block.Limit{Rate: 1 << 30}}), id)
			limits, err := m.disks.Throttle(ctx, id)
			require.NoError(t, err)
			require.Equal(t, id, limits.Group)
			done(m.disks.Copy(ctx, id, to(".copy"), nil))
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: id, Target: to(".o1")}}, nil), id)
			m.write(t, d.Path, 7, 0, 1<<20)
			done(m.disks.Commit(ctx, id, nil))
			m.read(t, d.Path, 7, 0, 1<<20)
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: id, BackingFile: base, Target: to(".o2")}}, nil), id)
			done(m.disks.Backup(ctx, []block.BackupDisk{{ID: id, Bitmap: "b", Target: to(".full")}}, nil))
			m.write(t, d.Path, 8, 0, 1<<20)
			done(m.disks.Backup(ctx, []block.BackupDisk{{ID: id, Bitmap: "b", Incremental: true, Target: to(".inc")}}, nil))
			done(m.disks.AbortBackups(ctx, id))
			require.NoError(t, m.disks.RemoveBitmap(ctx, id, "b"))
			done(m.disks.Stream(ctx, id, nil))
			require.NoError(t, m.disks.CreateInternalSnapshot(ctx, id, "s1"), id)
			require.NoError(t, m.disks.DeleteInternalSnapshot(ctx, id, "s1"), id)
			done(m.disks.Move(ctx, id, to(".moved"), nil))
			require.NoError(t, m.plug.ResizeDisk(ctx, id, 2*imageSize), id)
			socket := qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd")}}
			require.NoError(t, m.disks.Export(ctx, id, &block.ExportOptions{Server: &qemu.NBDServerOptions{Addr: socket}}), id)
			now, err := m.disks.Disk(ctx, id)
			require.NoError(t, err)
			require.Len(t, now.Exports, 1)
			require.EqualValues(t, 2*imageSize, now.Size())
			require.NoError(t, m.disks.Unexport(ctx, id, &block.UnexportOptions{Hard: q.AtLeast(6, 0), StopServer: true}), id)
			done(m.disks.Clean(ctx, id))
			_, err = m.plug.RemoveDisk(ctx, id)
			require.ErrorIs(t, err, hotplug.ErrNoID)
			require.ErrorContains(t, err, "device_del with id=/machine/")
			m.read(t, d.Path, 8, 0, 1<<20)
			m.read(t, d.Path, 1, 1<<20, imageSize-1<<20)
			now, err = m.disks.Disk(ctx, id)
			require.NoError(t, err)
			require.Empty(t, now.Left)
			require.Empty(t, now.Jobs)
			require.Equal(t, m.path(id+".moved"), now.Layers[0].Path)
		}
		require.Equal(t, 4, tested)
		require.ErrorIs(t, m.plug.ResizeDisk(ctx, "anon9", imageSize), qmp.ErrDeviceNotFound)
		require.ErrorIs(t, m.plug.ResizeDisk(ctx, "ide1-cd0", imageSize), hotplug.ErrNotDisk)
	})
}
