package block_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
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

// TestBackupWhileStopping takes backups of a disk with an iothread while another client stops and continues the machine all the
// time. QEMU then moves the disk between its threads, also in the moments in which the jobs end.
func TestBackupWhileStopping(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		dir := t.TempDir()
		m := &machine{dir: dir}
		path := m.raw(t, "data1", 3)
		m = startMachine(t, q, dir, "-object", "iothread,id=t1", "-blockdev", "file,node-name=data1,filename="+path,
			"-device", "virtio-blk-pci,id=data1,drive=data1,iothread=t1")
		ctx := within(t)
		for read := false; !read; time.Sleep(10 * time.Millisecond) { // by the firmware, which has started the disk
			stats, err := qemu.QueryBlockStats{}.Do(ctx, m)
			require.NoError(t, err)
			read = stats[0].Stats.RdOperations > 0
		}
		var stopping sync.WaitGroup
		defer stopping.Wait()
		until, end := context.WithCancel(ctx)
		defer end()
		stopping.Go(func() {
			for until.Err() == nil {
				_ = qemu.Stop{}.Do(ctx, m) // if QEMU has ended, the backup fails
				_ = qemu.Cont{}.Do(ctx, m)
			}
		})
		for i := range 6 {
			opts := block.BackupOptions{Direct: i%3 == 2}
			target := block.Target{Backend: hotplug.File{Path: m.raw(t, "copy", 2)}}
			_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Target: target}}, &opts)
			require.NoError(t, err)
			got, err := os.ReadFile(m.path("copy"))
			require.NoError(t, err)
			require.True(t, bytes.Equal(bytes.Repeat([]byte{3}, imageSize), got), "the backup differs from the disk")
		}
	})
}

// TestStopInThread: a backup of several disks does not stop the machine while a job is on a disk with an iothread.
func TestStopInThread(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		if !q.AtLeast(7, 1) {
			t.Skip("QEMU has no frozen views")
		}
		m := startMachine(t, q, t.TempDir(), "-object", "iothread,id=t1", "-device", "virtio-scsi-pci,id=hba,iothread=t1")
		ctx := within(t)
		add := func(d hotplug.Disk) {
			t.Helper()
			d.Backend = hotplug.File{Path: m.raw(t, d.ID, 1)}
			require.NoError(t, m.plug.AddDisk(ctx, d))
		}
		m.shadowed(t, "data1")
		m.shadowed(t, "data2")
		add(hotplug.Disk{ID: "plain"})
		add(hotplug.Disk{ID: "scsi", Driver: "scsi-hd", Bus: "hba.0"})
		add(hotplug.Disk{ID: "thread", Props: qmp.Args{"iothread": "t1"}})
		threaded := []string{"thread"}
		if q.AtLeast(9, 0) {
			add(hotplug.Disk{ID: "threads", Props: qmp.Args{"iothread-vq-mapping": []any{qmp.Args{"iothread": "t1"}}}})
			threaded = append(threaded, "threads")
		}
		for i, id := range append([]string{"plain", "scsi"}, threaded...) {
			require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{ID: id, NodeName: "copy-" + id, Backend: hotplug.File{Path: m.raw(t, "copy-"+id, 2)}}))
			j, err := job.Start(ctx, m, "copy-of-"+id, qemu.BlockdevMirror{Device: id, Target: "copy-" + id, Sync: qemu.MirrorSyncModeFull})
			require.NoError(t, err)
			require.NoError(t, j.WaitReady(ctx, nil))
			backup := func() error {
				var disks []block.BackupDisk
				for _, id := range []string{"data1", "data2"} {
					disks = append(disks, block.BackupDisk{ID: id, Target: m.into(fmt.Sprint(id, "-", i, time.Now().UnixNano()))})
				}
				return errorsOf(m.disks.Backup(ctx, disks, nil))
			}
			err = backup()
			if i < 2 {
				require.NoError(t, err)
			} else {
				busy, is := errors.AsType[*block.BusyError](err)
				require.True(t, is, "%v", err)
				require.Equal(t, []string{"copy-of-" + id}, busy.Jobs)
			}
			require.NoError(t, j.Cancel(ctx))
			require.NoError(t, backup())
		}
	})
}
