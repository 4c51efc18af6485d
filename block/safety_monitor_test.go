package block_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestStopWithSilentServer does operations that stop the machine, while another disk moves to a server that does not answer.
// QEMU would execute no command until it answers.
func TestStopWithSilentServer(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if !m.qemu.AtLeast(7, 1) {
			t.Skip("no operation stops the machine")
		}
		m.shadowed(t, "data1")
		m.shadowed(t, "data2")
		m.plugged(t, "data3", 1)
		require.NoError(t, m.disks.SaveMachine(within(t), "s", &block.MachineOptions{Disks: []string{"data1"}}))
		server, nbd := m.nbdServer(t, m.raw(t, "served", 0))
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		started, moved := make(chan bool), make(chan error)
		start := sync.OnceFunc(func() { close(started) })
		go func() {
			_, err := m.disks.Move(ctx, "data3", block.Target{Backend: hotplug.Blockdev{Options: nbd}}, &block.MoveOptions{
				Speed: 1 << 20, Progress: func(job.Progress) { start() },
			})
			moved <- err
		}()
		<-started
		require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGSTOP))
		m.write(t, "data3", 2, 0, imageSize)
		check := func(err error) {
			t.Helper()
			busy, ok := errors.AsType[*block.BusyError](err)
			require.True(t, ok, err)
			require.Equal(t, []string{"data3.move"}, busy.Jobs)
		}
		backup := []block.BackupDisk{{ID: "data1", Target: m.into("b1")}, {ID: "data2", Target: m.into("b2")}}
		_, err := m.disks.Backup(within(t), backup, nil)
		check(err)
		if !m.qemu.AtLeast(10, 0) {
			_, err = m.disks.Backup(within(t), backup[:1], nil)
			check(err)
			_, err = m.disks.OpenView(within(t), []block.ViewDisk{{ID: "data1"}}, m.served())
			check(err)
			check(m.disks.Snapshot(within(t), []block.Overlay{{Disk: "data1", BackingFile: m.path("data1.qcow2"), Target: m.into("o1")}}, nil))
		} else {
			_, err = m.disks.Backup(within(t), []block.BackupDisk{{ID: "data1", Bitmap: "b", Target: m.into("b3")}}, nil)
			require.NoError(t, err)
			require.NoError(t, m.disks.RemoveBitmap(within(t), "data1", "b"))
		}
		only := &block.MachineOptions{Disks: []string{"data1"}}
		check(m.disks.SaveMachine(within(t), "t", only))
		check(m.disks.LoadMachine(within(t), "s", only))
		cancel()
		require.ErrorIs(t, <-moved, context.Canceled)
		require.NoError(t, m.disks.LoadMachine(within(t), "s", only))
		m.read(t, "data3", 2, 0, imageSize)
		m.onlyUses(t, "data1", "data1")
	})
}

// TestCleanSilentServer removes the node of a server that does not answer, which an interrupted operation has left. If an
// export uses the node, its connection stays.
func TestCleanSilentServer(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if !m.qemu.AtLeast(6, 0) {
			t.Skip("QEMU has no yank")
		}
		m.plugged(t, "data1", 1)
		server, nbd := m.nbdServer(t, m.raw(t, "served", 7))
		add := func(name string) {
			t.Helper()
			nbd.NodeName = new(name)
			require.NoError(t, m.plug.AddNode(within(t), hotplug.Disk{ID: "data1", NodeName: name, Backend: hotplug.Blockdev{Options: nbd}}))
		}
		add("data1.used")
		require.NoError(t, m.disks.Export(within(t), "data1", &block.ExportOptions{Node: "data1.used", Server: m.served().Server}))
		add("data1.left")
		require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGSTOP))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := m.disks.Clean(ctx, "data1") // it waits for the export
		require.ErrorIs(t, err, context.DeadlineExceeded)
		nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(within(t), m)
		require.NoError(t, err)
		require.False(t, slices.ContainsFunc(nodes, func(n qemu.BlockStats) bool { return qmp.Value(n.NodeName) == "data1.left" }))
		require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGCONT))
		out, err := m.image("convert", "-f", "raw", "-O", "raw", "nbd+unix:///data1.used?socket="+m.path("nbd.sock"), m.path("read"))
		require.NoError(t, err, out)
		require.NoError(t, m.disks.Unexport(within(t), "data1", &block.UnexportOptions{StopServer: true}))
		m.removed(t, "data1")
	})
}

// TestExportInThread exports disks with an iothread. If QEMU would terminate when the client leaves, the error says so.
func TestExportInThread(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startMachine(t, q, t.TempDir(), "-object", "iothread,id=t1", "-object", "iothread,id=t2", "-device", "virtio-scsi-pci,id=hba,iothread=t2", "-device", "virtio-scsi-pci,id=plain")
		ctx := within(t)
		add := func(d hotplug.Disk) {
			t.Helper()
			d.Backend = hotplug.File{Path: m.raw(t, d.ID, 1)}
			require.NoError(t, m.plug.AddDisk(ctx, d))
		}
		add(hotplug.Disk{ID: "data1"})
		add(hotplug.Disk{ID: "data2", Props: qmp.Args{"iothread": "t1"}})
		add(hotplug.Disk{ID: "data3", Driver: "scsi-hd", Bus: "hba.0"})
		add(hotplug.Disk{ID: "data4", Driver: "scsi-hd", Bus: "plain.0"})
		terminates := q.AtLeast(6, 0) && !q.AtLeast(8, 2)
		for _, id := range []string{"data1", "data2", "data3", "data4"} {
			err := m.disks.Export(ctx, id, &block.ExportOptions{Server: m.served().Server})
			if terminates && (id == "data2" || id == "data3") {
				require.ErrorIs(t, err, errors.ErrUnsupported)
				_, err = m.disks.OpenView(ctx, []block.ViewDisk{{ID: id}}, m.served())
				require.ErrorIs(t, err, errors.ErrUnsupported)
				continue
			}
			require.NoError(t, err)
			out, err := m.image("convert", "-f", "raw", "-O", "raw", "nbd+unix:///"+id+"?socket="+m.path("nbd.sock"), m.path("read"))
			require.NoError(t, err, out)
		}
		m.read(t, m.disk(t, "data1").Path, 1, 0, imageSize)
	})
}

// TestExportOfView exports a disk while a frozen view of it is open. The view can end first.
func TestExportOfView(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if !m.qemu.AtLeast(7, 1) {
			t.Skip("QEMU has no frozen views")
		}
		ctx := within(t)
		a := m.shadowed(t, "data1")
		view, err := m.disks.OpenView(ctx, []block.ViewDisk{{ID: "data1", Bitmap: "b"}}, m.served())
		require.NoError(t, err)
		require.ErrorIs(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Name: "now", Writable: true}), block.ErrFrozen)
		require.NoError(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Name: "now"}))
		a.write(t, 2, 0, 1<<20)
		_, err = view.Finish(ctx)
		require.NoError(t, err)
		a.write(t, 3, 0, 1<<19)
		m.pulledAs(t, "now", a.holds)
		require.NoError(t, m.disks.Unexport(ctx, "data1", &block.UnexportOptions{StopServer: true}))
		m.unused(t, "data1", "b")
	})
}

// TestElsewhere takes internal snapshots in a machine that waits for a migration, and in a machine that was migrated. QEMU 5.2
// would terminate.
func TestElsewhere(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		for _, args := range [][]string{{"-incoming", "defer"}, nil} {
			m := startMachine(t, q, t.TempDir(), args...)
			ctx := within(t)
			m.qcow2Disk(t, "data1")
			status, err := qemu.QueryStatus{}.Do(ctx, m)
			require.NoError(t, err)
			if status.Running {
				require.NoError(t, m.disks.CreateInternalSnapshot(ctx, "data1", "s"))
				require.NoError(t, qemu.Migrate{URI: new("exec:cat >" + m.path("state"))}.Do(ctx, m))
				for status.Status != qemu.RunStatePostmigrate {
					status, err = qemu.QueryStatus{}.Do(ctx, m)
					require.NoError(t, err)
				}
				require.ErrorIs(t, m.disks.DeleteInternalSnapshot(ctx, "data1", "s"), qmp.ErrNotSent)
			}
			require.ErrorIs(t, m.disks.CreateInternalSnapshot(ctx, "data1", "t"), qmp.ErrNotSent)
			m.disk(t, "data1")
		}
	})
}

// TestSnapshotInsideImage takes a snapshot of a disk whose qcow2 image begins inside its file.
func TestSnapshotInsideImage(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		image, err := os.ReadFile(m.qcow2(t, "q", ""))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(m.path("part"), append(make([]byte, 1<<20), image...), 0o600))
		m.add(t, "part", "qcow2", qmp.Args{"file": qmp.Args{"driver": "raw", "offset": 1 << 20, "file": qmp.Args{"driver": "file", "filename": m.path("part")}}})
		require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "part"}}))
		err = m.disks.Snapshot(within(t), []block.Overlay{{Disk: "data1", Target: m.into("o1")}}, nil)
		require.ErrorContains(t, err, "BackingFile is empty")
	})
}

// TestCleanCreation removes what a CreateImage has left whose process has ended. The disk does not exist.
func TestCleanCreation(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		file := m.open(t, m.path("new"), os.O_RDWR|os.O_CREATE)
		require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{ID: "data1", NodeName: "data1.x", Backend: hotplug.Descriptor{File: file}}))
		require.NoError(t, qemu.BlockdevCreate{JobID: "data1.create", Options: qemu.BlockdevCreateOptions{Branch: &qemu.BlockdevCreateOptionsQcow2{
			File: qemu.BlockdevRef{Reference: new("data1.x")}, Size: imageSize,
		}}}.Do(ctx, m))
		for ended := false; !ended; {
			jobs, err := job.List(ctx, m)
			require.NoError(t, err)
			ended = jobs[0].Status == qemu.JobStatusConcluded
		}
		_, err := m.disks.Clean(ctx, "data1")
		require.ErrorIs(t, err, block.ErrNoDisk)
		m.removed(t, "data1")
	})
}
