package block_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nbdAt returns the options for an NBD server at a UNIX socket.
func (m *machine) nbdAt(path string) *qemu.NBDServerOptions {
	return &qemu.NBDServerOptions{Addr: qemu.SocketAddress{Type: "unix", Branch: &qemu.UnixSocketAddress{Path: m.path(path)}}}
}

// serves reports whether an NBD server listens at a socket.
func (m *machine) serves(path string) bool {
	conn, err := net.Dial("unix", m.path(path))
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// TestExport reads a disk from NBD, also after it has moved, and ends the exports.
func TestExport(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		m.plugged(t, "data2", 2)
		read := func(name string, fill byte) {
			t.Helper()
			out, err := m.image("compare", "-f", "raw", "-F", "raw", "nbd+unix:///"+name+"?socket="+m.path("nbd"), m.raw(t, "content", fill))
			require.NoError(t, err, out)
		}
		require.NoError(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Server: m.nbdAt("nbd")}))
		read("data1", 1)
		// The server runs already.
		require.NoError(t, m.disks.Export(ctx, "data2", &block.ExportOptions{Server: m.nbdAt("other"), ID: "e2", Name: "two"}))
		require.False(t, m.serves("other"))
		read("two", 2)
		d, err := m.disks.Disk(ctx, "data2")
		require.NoError(t, err)
		require.Len(t, d.Exports, 1)
		require.Equal(t, "e2", d.Exports[0].ID)

		_, err = m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path("moved"), Format: "qcow2"}, Create: true}, nil)
		require.NoError(t, err)
		m.write(t, "data1", 3, 0, imageSize)
		read("data1", 3)
		d, err = m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Len(t, d.Exports, 1)

		require.NoError(t, m.disks.Unexport(ctx, "data1", &block.UnexportOptions{StopServer: true}))
		require.True(t, m.serves("nbd"))
		require.NoError(t, m.disks.Unexport(ctx, "data1", nil))
		require.NoError(t, m.disks.Unexport(ctx, "data2", &block.UnexportOptions{ID: "e2", StopServer: true}))
		require.False(t, m.serves("nbd"))
		require.NoError(t, m.disks.Unexport(ctx, "data2", &block.UnexportOptions{ID: "e2", StopServer: true}))
		for _, id := range []string{"data1", "data2"} {
			kept, err := m.plug.RemoveDisk(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		m.clean(t)
	})
}

// TestExportWritable writes to a disk over NBD, before a job and while it runs, and shows a bitmap. It adds no writable export
// while a job runs: QEMU 10.0 and 11.1 would lose what a client writes, because that does not pass the job's filter.
func TestExportWritable(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{
			ID: "data1", Driver: "scsi-hd", Props: qmp.Args{"share-rw": true}, Backend: hotplug.File{Path: m.raw(t, "data1", 1)},
		}))
		for _, name := range []string{"changed", "other"} {
			require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: name}.Do(ctx, m))
		}
		write := func(fill byte) {
			t.Helper()
			out, err := m.image("convert", "-n", "-f", "raw", "-O", "raw", m.raw(t, "new", fill), "nbd+unix:///data1?socket="+m.path("nbd"))
			require.NoError(t, err, out)
		}
		opts := &block.ExportOptions{Server: m.nbdAt("nbd"), Writable: true, Bitmaps: []string{"changed", "other"}}
		require.NoError(t, m.disks.Export(ctx, "data1", opts))
		write(6)
		m.read(t, "data1", 6, 0, imageSize)
		out, err := m.image("map", "--output=json", "--image-opts",
			"driver=nbd,server.type=unix,server.path="+m.path("nbd")+",export=data1,x-dirty-bitmap=qemu:dirty-bitmap:changed")
		require.NoError(t, err, out)
		require.Contains(t, out, `"data": false`) // as qemu-img shows what is dirty

		require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{ID: "data1", NodeName: "t1", Backend: hotplug.File{Path: m.raw(t, "t1", 2)}}))
		j, err := job.Start(ctx, m, "data1.copy", qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: "full"})
		require.NoError(t, err)
		require.NoError(t, j.WaitReady(ctx, nil))
		require.ErrorIs(t, m.disks.Export(ctx, "data1", &block.ExportOptions{ID: "e2", Writable: true}), block.ErrBusy)
		require.NoError(t, m.disks.Export(ctx, "data1", &block.ExportOptions{ID: "e2", Name: "e2"}))
		write(7)
		require.NoError(t, j.Complete(ctx))
		m.read(t, "data1", 7, 0, imageSize)
		write(8)
		m.read(t, "data1", 8, 0, imageSize)
		out, err = m.image("compare", "-f", "raw", "-F", "raw", "nbd+unix:///e2?socket="+m.path("nbd"), m.path("new"))
		require.NoError(t, err, out)
		m.same(t, "raw", m.path("t1"), m.path("new"))
		for _, id := range []string{"", "e2"} {
			require.NoError(t, m.disks.Unexport(ctx, "data1", &block.UnexportOptions{ID: id, Hard: true, StopServer: true}))
		}
		require.False(t, m.serves("nbd"))
	})
}

// TestUnexportInUse ends an export that a client uses: not without Hard.
func TestUnexportInUse(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.NoError(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Server: m.nbdAt("nbd")}))
		m.qemu.StartStorage(t, "--blockdev", "driver=nbd,node-name=n,read-only=on,export=data1,server.type=unix,server.path="+m.path("nbd")).Dial(t)
		require.ErrorIs(t, m.disks.Unexport(ctx, "data1", nil), block.ErrExportInUse)
		require.NoError(t, m.disks.Unexport(ctx, "data1", &block.UnexportOptions{Hard: true, StopServer: true}))
		require.False(t, m.serves("nbd"))
	})
}

// TestExportErrors checks the errors.
func TestExportErrors(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.ErrorIs(t, m.disks.Export(ctx, "data2", nil), block.ErrNoDisk)
		refused := (*qmp.Error)(nil)
		require.ErrorAs(t, m.disks.Export(ctx, "data1", nil), &refused)
		require.ErrorContains(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Server: &qemu.NBDServerOptions{}}), "address")

		// A server that cannot start: the error has both reasons.
		err := m.disks.Export(ctx, "data1", &block.ExportOptions{Server: m.nbdAt("no/nbd")})
		require.ErrorContains(t, err, "nbd-server-start")
		require.ErrorContains(t, err, "block-export-add")

		// An export that cannot be added: the server stops again.
		for _, opts := range []*block.ExportOptions{{Writable: true}, {Bitmaps: []string{"none"}}, {Node: "none"}} {
			opts.Server = m.nbdAt("nbd")
			require.ErrorAs(t, m.disks.Export(ctx, "data1", opts), &refused)
			require.False(t, m.serves("nbd"))
		}
		require.NoError(t, m.disks.Export(ctx, "data1", &block.ExportOptions{Server: m.nbdAt("nbd")}))
		require.ErrorIs(t, m.disks.Export(ctx, "data1", nil), hotplug.ErrExists)
		d, err := m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Len(t, d.Exports, 1)

		m = startMachine(t, m.qemu, t.TempDir(), "-device", "scsi-cd,id=cd1")
		require.ErrorIs(t, m.disks.Export(ctx, "cd1", nil), block.ErrNoDisk)
	})
}

// TestExportFaults ends the context, or has QEMU refuse, at each command.
func TestExportFaults(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		none := func() {
			d, err := m.disks.Disk(t.Context(), "data1")
			require.NoError(t, err)
			require.Empty(t, d.Exports)
			require.False(t, m.serves("nbd"))
		}
		m.faults(t, func(ctx context.Context, conn qmp.Conn) error {
			return block.New(conn).Export(ctx, "data1", &block.ExportOptions{Server: m.nbdAt("nbd")})
		}, none, func() {
			require.NoError(t, m.disks.Unexport(t.Context(), "data1", &block.UnexportOptions{StopServer: true}))
			none()
		})
		require.NoError(t, m.disks.Export(t.Context(), "data1", &block.ExportOptions{Server: m.nbdAt("nbd")}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		require.ErrorIs(t, m.disks.Unexport(ctx, "data1", nil), context.DeadlineExceeded)
	})
}
