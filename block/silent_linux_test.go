package block_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestSilentTarget: the server of the target stops answering. The guest notices nothing, and the backup ends with ctx. The
// server is at a TCP address: yank has no effect on a write to a UNIX socket whose buffer is full.
func TestSilentTarget(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if m.Version().Major < 7 {
			t.Skip("QEMU has no frozen views, and no yank")
		}
		a := m.shadowed(t, "data1")
		a.write(t, 1, 0, imageSize)
		daemon := m.qemu.StartStorage(t)
		d := daemon.Dial(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		host, port, _ := net.SplitHostPort(l.Addr().String())
		require.NoError(t, l.Close())
		address := qemu.SocketAddressLegacy{Branch: &qemu.InetSocketAddress{Host: host, Port: port}}
		require.NoError(t, qemu.NBDServerStart{Addr: address}.Do(within(t), d))
		node := qemu.BlockdevOptions{Driver: "file", NodeName: new("t"), Branch: &qemu.BlockdevOptionsFile{Filename: m.raw(t, "t", 0)}}
		require.NoError(t, qemu.BlockdevAdd(node).Do(within(t), d))
		require.NoError(t, qemu.BlockExportAdd{ID: "t", NodeName: "t", Writable: new(true), Branch: &qemu.BlockExportOptionsNBD{}}.Do(within(t), d))
		target := hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNBD{
			Server: qemu.SocketAddress{Branch: &qemu.InetSocketAddress{Host: host, Port: port}}, Export: new("t"),
		}}}
		ctx, cancel := context.WithCancel(within(t))
		stop := sync.OnceFunc(func() {
			require.NoError(t, syscall.Kill(daemon.Pid(), syscall.SIGSTOP))
			t.Cleanup(func() { _ = syscall.Kill(daemon.Pid(), syscall.SIGCONT) })
			time.AfterFunc(1500*time.Millisecond, cancel)
		})
		opts := &block.BackupOptions{Speed: 1 << 20, Progress: func(string, job.Progress) {
			stop()
			a.write(t, 2, 0, imageSize)
		}}
		begin := time.Now()
		_, err = m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Target: block.Target{Backend: target}}}, opts)
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, time.Since(begin), 20*time.Second)
		m.read(t, "data1", 2, 0, imageSize)
		m.unused(t, "data1")
	})
}

// TestMoveToSilentServer has an NBD server that stops answering.
func TestMoveToSilentServer(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		g := m.guestOf(t, "data1", 1)
		server, nbd := m.nbdServer(t, m.raw(t, "served", 0))
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		begin := time.Now()
		_, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.Blockdev{Options: nbd}}, &block.MoveOptions{
			Speed: 1 << 20, Progress: func(job.Progress) {
				require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGSTOP))
				g.work(t)
				cancel()
			}})
		require.Less(t, time.Since(begin), 5*time.Second)
		require.ErrorIs(t, err, job.ErrCancelled)
		require.ErrorIs(t, err, context.Canceled)
		g.work(t)
		if m.qemu.AtLeast(6, 0) {
			require.NotErrorAs(t, err, new(*hotplug.RollbackError))
		} else { // the monitor must not wait for the server
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.Len(t, m.disk(t, "data1").Left, 1)
			require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGCONT))
			kept, err := m.disks.Clean(within(t), "data1")
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		m.onlyUses(t, "data1", "data1")
		g.holds(t, "raw", m.path("data1.img"))
		m.removed(t, "data1")
	})
}

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
