package block_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// add adds a node as other programs do: by path.
func (m *machine) add(t *testing.T, name string, driver qemu.BlockdevDriver, members qmp.Args) {
	t.Helper()
	require.NoError(t, qemu.BlockdevAdd{Driver: driver, NodeName: new(name), Branch: &qemu.RawBranch{Members: members}}.Do(within(t), m))
}

// qcow2 makes an image, on top of another one if backing is not empty.
func (m *machine) qcow2(t *testing.T, name, backing string) string {
	t.Helper()
	args := []string{"create", "-f", "qcow2"}
	if backing != "" {
		args = append(args, "-b", backing, "-F", "raw")
	}
	out, err := m.image(append(args, m.path(name), "8M")...)
	require.NoError(t, err, out)
	return m.path(name)
}

// disk looks at a disk.
func (m *machine) disk(t *testing.T, id string) *block.Disk {
	t.Helper()
	d, err := m.disks.Disk(within(t), id)
	require.NoError(t, err)
	return d
}

// nodesOf lists the nodes of the layers of a disk.
func nodesOf(d *block.Disk) (names []string) {
	for _, l := range d.Layers {
		names = append(names, l.Node)
	}
	return names
}

// TestDiskOfOthers describes disks that the command line or another program has made.
func TestDiskOfOthers(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		m := &machine{qemu: q, dir: t.TempDir()}
		base := m.raw(t, "base", 1)
		overlay := m.qcow2(t, "overlay", base)
		m = startMachine(t, q, m.dir,
			"-drive", "if=none,id=drv,format=qcow2,file="+overlay, "-device", "scsi-hd,drive=drv,id=old",
			"-blockdev", "file,node-name=new-file,filename="+m.raw(t, "new", 2), "-blockdev", "raw,node-name=new,file=new-file",
			"-device", "virtio-blk-pci,drive=new,id=virtio",
			"-drive", "if=none,id=lonely,format=raw,file="+m.raw(t, "lonely", 3),
			"-device", "scsi-cd,id=cd", "-device", "scsi-cd",
		)
		old := m.disk(t, "old")
		require.Len(t, old.Layers, 2)
		require.Equal(t, []string{overlay, base}, []string{old.Layers[0].File, old.Layers[1].File})
		require.Equal(t, qemu.BlockdevDriverQcow2, old.Layers[0].Driver)
		require.Regexp(t, "^#block", old.Layers[0].Node)
		require.EqualValues(t, imageSize, old.Size())
		require.Equal(t, "drv", old.Drive)

		virtio := m.disk(t, "virtio")
		require.Equal(t, []string{"new"}, nodesOf(virtio))
		require.Equal(t, "/machine/peripheral/virtio/virtio-backend", virtio.Path)
		require.Empty(t, virtio.Drive)

		cd := m.disk(t, "cd")
		require.Empty(t, cd.Layers)
		require.Zero(t, cd.Size())
		_, err := m.disks.Move(within(t), "cd", block.Target{Backend: hotplug.File{Path: m.path("x")}, Create: true}, nil)
		require.ErrorIs(t, err, block.ErrNoDisk)

		all, err := m.disks.Disks(within(t))
		require.NoError(t, err)
		require.Len(t, all, 5)
		for _, d := range all {
			if d.ID == "" {
				continue
			}
			require.Equal(t, m.disk(t, d.ID), d)
		}

		// A disk as Incus makes it: the descriptor has a node, and the device has another.
		m.add(t, "incus_root", "throttle", qmp.Args{"throttle-group": m.throttleGroup(t), "file": qmp.Args{
			"driver": "qcow2", "node-name": "inner", "backing": nil, "file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "i", "")},
		}})
		require.NoError(t, m.plug.AddDevice(within(t), hotplug.Device{ID: "dev-incus_root", Driver: "scsi-hd", Props: qmp.Args{"drive": "incus_root"}}))
		d := m.disk(t, "dev-incus_root")
		require.Equal(t, []string{"incus_root", "inner"}, nodesOf(d))
		require.True(t, d.Layers[0].Filter())
		require.False(t, d.Layers[1].Filter())
		require.Equal(t, m.path("i"), d.Layers[1].File)
		require.Empty(t, d.Left)
	})
}

// throttleGroup makes the group of a throttle without limits.
func (m *machine) throttleGroup(t *testing.T) string {
	t.Helper()
	require.NoError(t, qemu.ObjectAdd{ID: "group", QOMType: "throttle-group", Branch: &qemu.RawBranch{}}.Do(within(t), m))
	return "group"
}

// TestDiskWithJobs describes a disk while jobs with and without named filters work on it.
func TestDiskWithJobs(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		base := m.raw(t, "base", 1)
		m.add(t, "base", "file", qmp.Args{"filename": base})
		m.add(t, "mid", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "mid", base)}, "backing": "base"})
		m.add(t, "top", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "top", base)}, "backing": "mid"})
		m.add(t, "data1", "throttle", qmp.Args{"throttle-group": m.throttleGroup(t), "file": "top"})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "data1"}}))
		m.plugged(t, "data2", 2)
		m.add(t, "t1", "file", qmp.Args{"filename": m.raw(t, "t1", 0)})
		require.NoError(t, qemu.NBDServerStart{Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd")}}}.Do(ctx, m))
		require.NoError(t, qemu.BlockExportAdd{ID: "export", NodeName: "top", Branch: &qemu.BlockExportOptionsNBD{}}.Do(ctx, m))
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "top", Name: "changes"}.Do(ctx, m))

		want := []string{"data1", "top", "mid", "base"}
		check := func(what string, want []string, jobs ...string) {
			t.Helper()
			d := m.disk(t, "data1")
			require.Equal(t, want, nodesOf(d), what)
			var ids []string
			for _, j := range d.Jobs {
				ids = append(ids, j.ID)
			}
			require.ElementsMatch(t, jobs, ids, what)
			require.Len(t, d.Exports, 1, what)
			require.Equal(t, "export", d.Exports[0].ID)
			require.Empty(t, m.disk(t, "data2").Jobs, what)
			if len(jobs) > 0 {
				_, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path("x")}, Create: true}, nil)
				require.ErrorIs(t, err, block.ErrBusy)
				busy, ok := err.(interface{ Unwrap() error })
				require.True(t, ok)
				require.Equal(t, &block.BusyError{Jobs: ids}, busy.Unwrap())
			}
		}
		check("no job", want)
		for _, filter := range []*string{nil, new("filter")} {
			name := "nameless filter"
			above := []string{"data1", "top"}
			if filter != nil {
				name, above = "filter", []string{"filter", "data1", "top"}
			}
			j, err := job.Start(ctx, m, "a-mirror", qemu.BlockdevMirror{Device: "data1", Replaces: new("top"), Target: "t1", Sync: "full", FilterNodeName: filter})
			require.NoError(t, err)
			require.NoError(t, j.WaitReady(ctx, nil))
			check(name, append(above, "mid", "base"), "a-mirror")
			require.NoError(t, j.Cancel(ctx))
			check(name, want)

			j, err = job.Start(ctx, m, "a-commit", qemu.BlockCommit{Device: "data1", TopNode: new("mid"), BaseNode: new("base"),
				AutoFinalize: new(false), FilterNodeName: filter})
			require.NoError(t, err)
			require.NoError(t, j.WaitPending(ctx, nil))
			d := m.disk(t, "data1")
			require.Len(t, d.Jobs, 1)
			require.Equal(t, "a-commit", d.Jobs[0].ID)
			require.Subset(t, nodesOf(d), want)
			require.NoError(t, j.Cancel(ctx))

			if filter == nil || m.qemu.AtLeast(7, 2) {
				backup := qemu.BlockdevBackup{Device: "top", Target: "t1", Sync: "none", FilterNodeName: filter}
				j, err = job.Start(ctx, m, "a-backup", backup)
				require.NoError(t, err)
				d = m.disk(t, "data1")
				require.Len(t, d.Jobs, 1, name)
				require.Subset(t, nodesOf(d), want)
				require.NoError(t, j.Cancel(ctx))
			}
			check(name, want)
		}
		d := m.disk(t, "data1")
		require.Empty(t, d.Bitmaps, "of the filter")
	})
}

// TestDiskWhileItMoves describes a disk again and again while it moves. Each answer is of one moment.
func TestDiskWhileItMoves(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx, cancel := context.WithCancel(within(t))
		m.plugged(t, "data1", 1)
		looked := make(chan error)
		go func() {
			for n := 0; ; n++ {
				d, err := m.disks.Disk(ctx, "data1")
				switch {
				case ctx.Err() != nil:
					looked <- nil
					return
				case err != nil:
				case len(d.Layers) != 1:
					err = fmt.Errorf("layers %v", d.Layers)
				case strings.HasPrefix(d.Layers[0].Node, "q") != (d.Layers[0].Driver == "qcow2"):
					err = fmt.Errorf("node %q with driver %q", d.Layers[0].Node, d.Layers[0].Driver)
				}
				if err != nil {
					looked <- err
					return
				}
			}
		}()
		for i, format := range []qemu.BlockdevDriver{"qcow2", "raw", "qcow2", "raw", "qcow2", "raw"} {
			name := string(format[0]) + strconv.Itoa(i)
			kept, err := m.disks.Move(ctx, "data1", block.Target{NodeName: name, Backend: hotplug.File{Path: m.path(name), Format: format}, Create: true}, nil)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		cancel()
		require.NoError(t, <-looked)
		m.removed(t, "data1")
	})
}
