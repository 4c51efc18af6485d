package block_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

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
