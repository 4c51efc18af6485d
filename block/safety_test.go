package block_test

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A meddlingConn does something just before the first command with a name.
type meddlingConn struct {
	qmp.Conn
	command string
	meddle  func()
}

func (c *meddlingConn) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == c.command && c.meddle != nil {
		meddle := c.meddle
		c.meddle = nil
		meddle()
	}
	return c.Conn.Execute(ctx, call)
}

// TestWhileStopped does operations while the machine does not run. QEMU 5.2 and 7.2 keep descriptors then.
func TestWhileStopped(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		for _, id := range []string{"data1", "data2"} {
			m.plugged(t, id, 1)
		}
		require.NoError(t, qemu.Stop{}.Do(ctx, m))
		check := func(what string, kept []hotplug.Kept, err error) {
			t.Helper()
			require.NoError(t, err, what)
			for _, k := range kept {
				require.ErrorIs(t, k.Err, hotplug.ErrDescriptorsKept, what)
			}
		}
		to := func(name string) block.Target {
			return block.Target{Backend: hotplug.File{Path: m.path(name), Format: "qcow2"}, Create: true}
		}
		check("create", nil, m.disks.CreateImage(ctx, "data9", block.Image{Backend: hotplug.File{Path: m.path("created"), Format: "qcow2"}, Size: imageSize}))
		kept, err := m.disks.Copy(ctx, "data1", to("copy"), nil)
		check("copy", kept, err)
		kept, err = m.disks.Move(ctx, "data1", to("moved"), nil)
		check("move", kept, err)
		err = m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", BackingFile: m.path("moved"), Target: to("o1")}, {Disk: "data2", BackingFile: m.path("data2.img"), Target: to("o2")}}, nil)
		check("snapshot", nil, err)
		kept, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Target: to("full")}}, nil)
		check("backup", kept, err)
		kept, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "b", Incremental: true, Target: to("inc")}}, nil)
		check("increment", kept, err)
		kept, err = m.disks.Commit(ctx, "data1", nil)
		check("commit", kept, err)
		kept, err = m.disks.Stream(ctx, "data2", nil)
		check("stream", kept, err)
		require.NoError(t, qemu.Cont{}.Do(ctx, m))
		for _, id := range []string{"data1", "data2"} {
			m.read(t, id, 1, 0, imageSize)
			kept, err := m.disks.Clean(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept)
			require.Empty(t, m.disk(t, id).Left)
			_, err = m.plug.RemoveDisk(ctx, id)
			require.NoError(t, err)
		}
		_, err = m.plug.RemoveDisk(ctx, "data9") // the descriptors of the image
		require.NoError(t, err)
		m.clean(t)
	})
}

// TestChainOfOthers begins a backup when another one has begun a moment before.
func TestChainOfOthers(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		conn := &meddlingConn{m.Client, "transaction", func() {
			require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "nightly.next"}.Do(ctx, m))
		}}
		target := block.Target{Backend: hotplug.File{Path: m.path("full"), Format: "qcow2"}, Create: true}
		_, err := block.New(conn).Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "nightly", Target: target}}, &block.BackupOptions{Direct: true})
		require.ErrorIs(t, err, block.ErrFrozen)
		require.NotEmpty(t, m.disk(t, "data1").Bitmaps, "of the other backup")
	})
}

// TestUserBitmapNext has a bitmap of a user whose name ends with ".next".
func TestUserBitmapNext(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.File{Path: m.qcow2(t, "q", ""), Format: "qcow2"}}))
		require.ErrorContains(t, m.disks.AddBitmap(ctx, "data1", "weekly.next", nil), "backups use the names")
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "weekly.next", Persistent: new(true)}.Do(ctx, m))
		target := block.Target{Backend: hotplug.File{Path: m.path("full"), Format: "qcow2"}, Create: true}
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "nightly", Target: target}}, nil)
		require.NoError(t, err)
		_, err = m.disks.AbortBackups(ctx, "data1")
		require.NoError(t, err)
		found := false
		for _, b := range m.disk(t, "data1").Bitmaps {
			found = found || *b.Name == "weekly.next"
		}
		require.True(t, found)
	})
}

// TestRawIncrement refuses an increment in an image that cannot tell what it has.
func TestRawIncrement(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		target := block.Target{Backend: hotplug.File{Path: m.path("full"), Format: "qcow2"}, Create: true}
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "nightly", Target: target}}, nil)
		require.NoError(t, err)
		target = block.Target{Backend: hotplug.File{Path: m.path("inc")}, Create: true}
		_, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Bitmap: "nightly", Incremental: true, Target: target}}, nil)
		require.ErrorContains(t, err, "use qcow2")
	})
}

// TestSnapshotWhileResized resizes a disk just before the snapshot.
func TestSnapshotWhileResized(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		conn := &meddlingConn{m.Client, "blockdev-create", func() {
			require.NoError(t, m.plug.ResizeDisk(ctx, "data1", 2*imageSize))
			m.write(t, "data1", 5, imageSize, imageSize)
		}}
		target := block.Target{Backend: hotplug.File{Path: m.path("o1"), Format: "qcow2"}, Create: true}
		err := block.New(conn).Snapshot(ctx, []block.Overlay{{Disk: "data1", BackingFile: m.path("data1.img"), Target: target}}, nil)
		require.ErrorIs(t, err, block.ErrSize)
		require.EqualValues(t, 2*imageSize, m.disk(t, "data1").Size())
		m.read(t, "data1", 5, imageSize, imageSize)
	})
}

// TestSnapshotOfPart takes a snapshot of a disk that is a part of a file.
func TestSnapshotOfPart(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.raw(t, "part", 1)
		m.add(t, "part", "raw", qmp.Args{"offset": 1 << 20, "file": qmp.Args{"driver": "file", "filename": m.path("part")}})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "part"}}))
		target := block.Target{Backend: hotplug.File{Path: m.path("o1"), Format: "qcow2"}, Create: true}
		err := m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", Target: target}}, nil)
		require.ErrorContains(t, err, "BackingFile is empty")
	})
}

// TestCreateImageInUse creates an image in a file while another program does that.
func TestCreateImageInUse(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if runtime.GOOS != "linux" {
			t.Skip("no locks that belong to an open file")
		}
		ctx := within(t)
		file := hotplug.File{Path: m.path("new"), Format: "qcow2"}
		image := block.Image{Backend: file, Size: imageSize}
		for _, command := range []string{"add-fd", "blockdev-create", "job-dismiss", "remove-fd"} {
			conn := &meddlingConn{m.Client, command, func() {
				require.ErrorIs(t, m.disks.CreateImage(ctx, "data2", image), hotplug.ErrInUse)
			}}
			require.NoError(t, block.New(conn).CreateImage(ctx, "data1", image))
			require.ErrorIs(t, m.disks.CreateImage(ctx, "data2", image), block.ErrNotEmpty)
			require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: file}))
			require.ErrorIs(t, m.disks.CreateImage(ctx, "data2", image), hotplug.ErrInUse)
			m.removed(t, "data1")
			require.NoError(t, os.Remove(file.Path))
		}
	})
}

// TestCommitIntoShared commits a disk into an image that another disk uses. If both use one set of descriptors, QEMU would
// terminate.
func TestCommitIntoShared(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		base := m.raw(t, "base", 1)
		shared := m.fdset(t, m.open(t, base, os.O_RDONLY), m.open(t, base, os.O_RDWR))
		for _, id := range []string{"data1", "data2"} {
			m.add(t, "base-"+id, "file", qmp.Args{"filename": shared, "read-only": true, "auto-read-only": true})
			m.add(t, id, "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, id, "")}, "backing": "base-" + id})
			require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.Node{Name: id}}))
		}
		m.write(t, "data1", 7, 0, 1<<20)
		_, err := m.disks.Commit(ctx, "data1", &block.CommitOptions{BaseFile: &qemu.BlockdevOptions{
			Driver: "file", NodeName: new("base-data1"), AutoReadOnly: new(true), Branch: &qemu.BlockdevOptionsFile{Filename: shared},
		}})
		require.ErrorIs(t, err, hotplug.ErrInUse)
		m.read(t, "data2", 1, 0, imageSize)
		m.read(t, "data1", 7, 0, 1<<20)
	})
}

// TestMoveOntoOld moves a disk onto a raw image that is not empty.
func TestMoveOntoOld(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 0)
		kept, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.raw(t, "old", 9)}}, nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		m.read(t, "data1", 0, 0, imageSize)
	})
}

// TestCommitIntoSharedPath is TestCommitIntoShared with an image that QEMU opened by its name.
func TestCommitIntoSharedPath(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		base := m.raw(t, "base", 1)
		for _, id := range []string{"data1", "data2"} {
			m.add(t, id, "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, id, "")}, "backing": qmp.Args{"driver": "raw", "node-name": "base-" + id, "read-only": true, "auto-read-only": true, "file": qmp.Args{"driver": "file", "filename": base}}})
			require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.Node{Name: id}}))
		}
		m.write(t, "data1", 7, 0, 1<<20)
		_, err := m.disks.Commit(ctx, "data1", nil)
		require.ErrorIs(t, err, hotplug.ErrInUse)
		m.read(t, "data2", 1, 0, imageSize)
		m.read(t, "data1", 7, 0, 1<<20)
	})
}

// TestMoveOntoItself moves a disk to its own image, and to that of another disk: QEMU's locks prevent it.
func TestMoveOntoItself(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		m.plugged(t, "data2", 2)
		for _, file := range []string{"data1.img", "data2.img"} {
			_, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path(file)}}, nil)
			require.Error(t, err)
			_, err = m.disks.Copy(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path(file)}}, nil)
			require.Error(t, err)
			_, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Target: block.Target{Backend: hotplug.File{Path: m.path(file)}}}}, nil)
			require.Error(t, err)
		}
		m.read(t, "data1", 1, 0, imageSize)
		m.read(t, "data2", 2, 0, imageSize)
		require.Empty(t, m.disk(t, "data1").Left)
	})
}

// TestNilBackends gives operations pointers that are nil.
func TestNilBackends(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "cd1", Driver: "scsi-cd", Backend: hotplug.File{Path: m.raw(t, "cd1", 1), ReadOnly: true}}))
		_, err := m.disks.ChangeMedium(ctx, "cd1", (*hotplug.File)(nil), nil)
		require.ErrorContains(t, err, "it must be a File")
		err = m.disks.CreateImage(ctx, "data1", block.Image{Backend: (*hotplug.File)(nil), Size: imageSize})
		require.ErrorContains(t, err, "CreateImage needs a File")
		m.read(t, "cd1", 1, 0, imageSize)
	})
}
