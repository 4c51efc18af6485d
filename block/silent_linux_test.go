package block_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
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
