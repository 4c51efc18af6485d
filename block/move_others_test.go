package block_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// fdset gives QEMU a file as another program does, and returns the name of the set.
func (m *machine) fdset(t *testing.T, files ...*os.File) string {
	t.Helper()
	set, err := qmpfd.AddSet(within(t), m, "of-another-program", files...)
	require.NoError(t, err)
	return set.Path()
}

// TestMoveDisksOfOthers moves disks that the command line or another program has made. Their nodes and sets go, if nothing
// else uses them.
func TestMoveDisksOfOthers(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		m := &machine{qemu: q, dir: t.TempDir()}
		base := m.raw(t, "base", 1)
		m = startMachine(t, q, m.dir,
			"-drive", "if=none,id=drv,format=qcow2,file="+m.qcow2(t, "overlay", base), "-device", "scsi-hd,drive=drv,id=of-drive",
			"-blockdev", "file,node-name=new-file,filename="+m.raw(t, "new", 1), "-blockdev", "raw,node-name=new,file=new-file",
			"-device", "virtio-blk-pci,drive=new,id=of-blockdev",
		)
		ctx := within(t)

		// As Incus does it.
		m.add(t, "incus_root", "file", qmp.Args{"filename": m.fdset(t, m.open(t, m.raw(t, "incus", 1), os.O_RDWR))})
		require.NoError(t, m.plug.AddDevice(ctx, hotplug.Device{ID: "dev-incus_root", Driver: "scsi-hd", Props: qmp.Args{"drive": "incus_root"}}))

		// Two disks on one image, whose nodes come from one set.
		shared := m.fdset(t, m.open(t, base, os.O_RDONLY))
		for _, id := range []string{"one", "two"} {
			m.add(t, "base-"+id, "file", qmp.Args{"filename": shared, "read-only": true})
			m.add(t, id, "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, id, "")}, "backing": "base-" + id})
			require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.Node{Name: id}}))
		}

		for _, id := range []string{"of-drive", "of-blockdev", "dev-incus_root", "one", "two"} {
			g := m.guestOf(t, id, 1)
			g.work(t)
			kept, err := m.disks.Move(ctx, id, block.Target{Backend: hotplug.File{Path: m.path(id + ".new"), Format: "qcow2"}, Create: true},
				&block.MoveOptions{Progress: g.works(t)})
			require.NoError(t, err, id)
			if id == "one" {
				require.Len(t, kept, 1)
				require.Equal(t, "fdset", kept[0].What)
				require.ErrorIs(t, kept[0].Err, hotplug.ErrInUse)
				m.read(t, "two", 1, 0, imageSize)
			} else {
				require.Empty(t, kept, id)
			}
			g.work(t)
			g.holds(t, "qcow2", m.path(id+".new"))
			m.onlyUses(t, id, m.disk(t, id).Layers[0].Node)
		}
		for _, id := range []string{"dev-incus_root", "one", "two"} {
			kept, err := m.plug.RemoveDisk(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		for _, id := range []string{"of-drive", "of-blockdev"} {
			node := m.disk(t, id).Layers[0].Node
			require.Regexp(t, "^"+id+`\.[a-z2-7]{6}$`, node)
		}
		sets, err := qemu.QueryFDSets{}.Do(ctx, m)
		require.NoError(t, err)
		require.Len(t, sets, 2, "of the disks that are still there")
		nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, m)
		require.NoError(t, err)
		require.Len(t, nodes, 4, "with their files")
	})
}

// TestMoveReadOnly moves the medium of a CD-ROM, and only the overlay of a disk of -drive, whose nodes have no names.
func TestMoveReadOnly(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		m := &machine{qemu: q, dir: t.TempDir()}
		base := m.raw(t, "base", 1)
		m = startMachine(t, q, m.dir,
			"-drive", "if=none,id=drv,format=qcow2,file="+m.qcow2(t, "overlay", base), "-device", "scsi-hd,drive=drv,id=of-drive",
			"-object", "iothread,id=thread", "-device", "virtio-scsi-pci,id=scsi-thread,iothread=thread",
		)
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "cd", Driver: "scsi-cd", Backend: hotplug.File{Path: m.raw(t, "cd", 2), ReadOnly: true}}))
		kept, err := m.disks.Move(ctx, "cd", m.ofTarget(t), nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		m.onlyUses(t, "cd", m.disk(t, "cd").Layers[0].Node)
		m.read(t, "cd", 2, 0, imageSize)
		_, err = m.plug.RemoveDisk(ctx, "cd")
		require.NoError(t, err)

		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "threaded", Driver: "scsi-hd", Bus: "scsi-thread.0", Backend: hotplug.File{Path: m.raw(t, "threaded", 3)}}))
		target := m.ofTarget(t)
		kept, err = m.disks.Move(ctx, "threaded", target, nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		m.onlyUses(t, "threaded", m.disk(t, "threaded").Layers[0].Node)
		m.read(t, "threaded", 3, 0, imageSize)
		_, err = m.plug.RemoveDisk(ctx, "threaded")
		require.NoError(t, err)

		g := m.guestOf(t, "of-drive", 1)
		g.work(t)
		below := m.disk(t, "of-drive").Layers[1].Node
		kept, err = m.disks.Move(ctx, "of-drive", block.Target{Backend: hotplug.File{Path: m.path("top"), Format: "qcow2"}, Create: true},
			&block.MoveOptions{Top: true, Progress: g.works(t)})
		require.NoError(t, err)
		require.Empty(t, kept)
		g.work(t)
		g.holds(t, "qcow2", m.path("top"))
		m.onlyUses(t, "of-drive", m.disk(t, "of-drive").Layers[0].Node, below)
	})
}
