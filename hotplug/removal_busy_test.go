package hotplug_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// mirror is a job on the disk "d".
func mirror(id string) qemu.BlockdevMirror {
	return qemu.BlockdevMirror{JobID: new(id), Device: "d", Target: "t", Sync: qemu.MirrorSyncModeFull, AutoDismiss: new(false)}
}

// busyWith checks the error of a removal that jobs or exports keep from beginning.
func busyWith(t *testing.T, err error, jobs, exports []string) {
	t.Helper()
	require.ErrorIs(t, err, hotplug.ErrBusy)
	busy, ok := errors.AsType[*hotplug.BusyError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &hotplug.BusyError{Jobs: jobs, Exports: exports}, busy)
	for _, name := range append(jobs, exports...) {
		require.ErrorContains(t, err, name)
	}
}

// TestBusyDisk: a disk with jobs or exports stays as it is, unless the removal is told to cancel the jobs.
func TestBusyDisk(t *testing.T) {
	m := fakeqemu.New(t)
	jobs := fakeqemu.NewJobs(m.Server)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	add := func() []string {
		require.NoError(t, vm.AddDisk(ctx, memory("d")))
		return m.State()
	}
	gone := func(err error) {
		t.Helper()
		require.NoError(t, err)
		require.Empty(t, m.State())
		require.Empty(t, jobs.States())
	}
	before := add()
	jobs.Hold(true)
	for _, id := range []string{"d.move", "e.move", "d.1.move"} {
		require.NoError(t, mirror(id).Do(ctx, c))
	}
	for name, remove := range map[string]func(opts ...hotplug.RemoveOption) error{
		"disk":   func(opts ...hotplug.RemoveOption) error { return errorOf(vm.RemoveDisk(ctx, "d", opts...)) },
		"device": func(opts ...hotplug.RemoveOption) error { return errorOf(vm.RemoveDevice(ctx, "d", opts...)) },
		"functions": func(opts ...hotplug.RemoveOption) error {
			return errorOf(vm.RemoveFunctions(ctx, []string{"d"}, opts...))
		},
	} {
		busyWith(t, remove(), []string{"d.move"}, nil)
		m.SetExports(map[string]string{"export-1": "d", "export-2": "another"})
		busyWith(t, remove(hotplug.WithJobs()), []string{"d.move"}, []string{"export-1"})
		m.SetExports(nil)
		require.Equal(t, before, m.State(), name)
	}
	require.Equal(t, []string{"d.move running", "e.move running", "d.1.move running"}, jobs.States())
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d", hotplug.WithJobs())))
	require.Equal(t, []string{"e.move running", "d.1.move running"}, jobs.States(), "those of other disks")
	for _, id := range []string{"e.move", "d.1.move"} {
		jobs.Forget(id)
	}

	// One job has ended, and another succeeds before it is cancelled.
	add()
	jobs.Hold(false)
	jobs.Fail("No space left on device")
	require.NoError(t, mirror("d.move").Do(ctx, c))
	busyWith(t, errorOf(vm.RemoveDisk(ctx, "d")), []string{"d.move"}, nil)
	gone(errorOf(vm.RemoveDisk(ctx, "d", hotplug.WithJobs())))
	add()
	jobs.Fail("")
	require.NoError(t, mirror("d.move").Do(ctx, c))
	require.NoError(t, jobs.Complete("d.move"))
	busyWith(t, errorOf(vm.RemoveDisk(ctx, "d")), []string{"d.move"}, nil)
	gone(errorOf(vm.RemoveDisk(ctx, "d", hotplug.WithJobs())))

	// The device is gone, and a job uses the node.
	node := qemu.BlockdevAdd(named("d", nullNode()))
	require.NoError(t, node.Do(ctx, c))
	require.NoError(t, mirror("d.move").Do(ctx, c))
	busyWith(t, errorOf(vm.RemoveDisk(ctx, "d")), []string{"d.move"}, nil)
	gone(errorOf(vm.RemoveDisk(ctx, "d", hotplug.WithJobs())))

	// Jobs that somebody starts all the time.
	add()
	m.Handle("query-jobs", func(*qmptest.Request) (any, error) {
		return []qemu.JobInfo{{ID: "d.next", Type: qemu.JobTypeMirror, Status: qemu.JobStatusConcluded}}, nil
	})
	m.Handle("job-dismiss", func(*qmptest.Request) (any, error) { return nil, nil })
	require.ErrorIs(t, errorOf(vm.RemoveDisk(ctx, "d", hotplug.WithJobs())), hotplug.ErrBusy)

	// A QEMU that cannot tell.
	for _, command := range []string{"query-jobs", "query-block-exports"} {
		m.Handle(command, func(*qmptest.Request) (any, error) {
			return nil, &qmp.Error{Class: "CommandNotFound", Desc: "The command has not been found"}
		})
	}
	gone(errorOf(vm.RemoveDisk(ctx, "d")))
}

// TestFaultsOfBusyDisk: whatever command goes wrong while a removal cancels jobs, the next removal finishes it.
func TestFaultsOfBusyDisk(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			m := fakeqemu.New(t)
			jobs := fakeqemu.NewJobs(m.Server)
			jobs.Hold(true)
			c := m.Dial()
			begin := func() {
				require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), memory("d")))
				require.NoError(t, mirror("d.move").Do(t.Context(), c))
			}
			end := func() {
				require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(t.Context(), "d", hotplug.WithJobs())))
				require.Empty(t, m.State())
				require.Empty(t, jobs.States())
			}
			begin()
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				return errorOf(hotplug.New(conn, nil).RemoveDisk(ctx, "d", hotplug.WithJobs()))
			}, func(string, error) {
				end()
				begin()
			})
			require.NoError(t, err)
			require.Subset(t, met, []string{"query-jobs", "query-block-exports", "job-cancel", "job-dismiss", "device_del"})
			require.Empty(t, m.State())
			require.Empty(t, jobs.States())
		})
	}
}

// scsi starts a machine without a guest that takes disks of SCSI.
func scsi(t *testing.T, q *qemutest.QEMU, args ...string) (*qemutest.VM, *qmp.Client) {
	t.Helper()
	qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: append([]string{"-device", "virtio-scsi-pci,id=scsi0"}, args...)})
	return qvm, qvm.Dial(t)
}

func scsiDisk(id string, backend hotplug.DiskBackend) hotplug.Disk {
	return hotplug.Disk{ID: id, Backend: backend, Driver: "scsi-hd", Bus: "scsi0.0"}
}

// TestBusyDiskOnQEMU has jobs of every kind, in every state, on a disk. A removal finds them by their nodes.
func TestBusyDiskOnQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := scsi(t, q, "-drive", "if=none,format=raw,id=cold,file="+image(t), "-device", "scsi-hd,id=cold,drive=cold,bus=scsi0.0")
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		start := func(request qmp.Request) *job.Job {
			t.Helper()
			j, err := job.Start(ctx, c, "anything", request)
			require.NoError(t, err)
			t.Cleanup(j.Detach)
			return j
		}
		addNode := func(name string, backend hotplug.DiskBackend) {
			t.Helper()
			require.NoError(t, vm.AddNode(ctx, hotplug.Disk{ID: "d", NodeName: name, Backend: backend}))
		}

		// A drive of -drive has a node without a name.
		f := &foreign{t, q, c, ctx}
		f.node("other", file(image(t)))
		root := inQueryBlock(t, c)[0]
		j := start(qemu.BlockdevBackup{Device: root, Target: "other", Sync: qemu.MirrorSyncModeNone})
		busyWith(t, errorOf(vm.RemoveDisk(ctx, "cold")), []string{"anything"}, nil)
		require.NoError(t, j.Cancel(ctx))
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "cold")))
		require.NoError(t, qemu.BlockdevDel{NodeName: "other"}.Do(ctx, c))

		before, fds := stateOf(t, c), qemuFds(t, qvm)
		for name, begin := range map[string]func(){
			"mirror, running": func() {
				m := mirror("")
				m.JobID, m.AutoDismiss, m.Speed = nil, nil, new(int64(4096))
				start(m)
			},
			"mirror, ready, with a filter that has a name": func() {
				m := mirror("")
				m.JobID, m.AutoDismiss, m.FilterNodeName = nil, nil, new("filter")
				require.NoError(t, start(m).WaitReady(ctx, nil))
			},
			"mirror, pending": func() {
				m := mirror("")
				m.JobID, m.AutoDismiss, m.AutoFinalize = nil, nil, new(false)
				require.NoError(t, start(m).WaitPending(ctx, nil))
			},
			"mirror, the guest uses the target": func() {
				require.NoError(t, mirror("d.copy").Do(ctx, c)) // it uses no nodes any more, except on QEMU 5.2
				waitFor(t, "the mirror", func() bool { return qemu.JobComplete{ID: "d.copy"}.Do(ctx, c) == nil })
				waitFor(t, "the target", func() bool { return inQueryBlock(t, c)[0] == "t" })
			},
			"backup that has none to copy": func() {
				start(qemu.BlockdevBackup{Device: "d", Target: "t", Sync: qemu.MirrorSyncModeNone})
			},
			"backup, not dismissed": func() {
				require.NoError(t, qemu.BlockdevBackup{JobID: new("anything"), Device: "d", Target: "t",
					Sync: qemu.MirrorSyncModeFull, AutoFinalize: new(false), AutoDismiss: new(false)}.Do(ctx, c))
			},
			"create": func() {
				request := qemu.BlockdevCreate{JobID: "d.create", Options: qemu.BlockdevCreateOptions{Branch: &qemu.BlockdevCreateOptionsFile{
					Filename: filepath.Join(t.TempDir(), "new"), Size: 1 << 20}}}
				require.NoError(t, request.Do(ctx, c))
			},
		} {
			require.NoError(t, vm.AddDisk(ctx, scsiDisk("d", hotplug.File{Path: image(t)})))
			addNode("t", hotplug.File{Path: image(t)})
			begin()
			info, err := vm.DeviceInfo(ctx, "d")
			require.NoError(t, err)
			_, err = vm.BlockInfo(ctx, "d")
			require.NoError(t, err)
			require.Contains(t, []string{"d", "t", "filter"}, info.Node, name)
			with := stateOf(t, c)
			err = errorOf(vm.RemoveDisk(ctx, "d"))
			want, ok := map[string]string{"create": "d.create", "mirror, the guest uses the target": "d.copy"}[name]
			if !ok {
				want = "anything"
			}
			require.Error(t, err, name)
			busyWith(t, err, []string{want}, nil)
			require.Equal(t, with, stateOf(t, c), name)
			kept, err := vm.RemoveDisk(ctx, "d", hotplug.WithJobs())
			require.NoError(t, err, name)
			require.Empty(t, kept, name)
			require.Equal(t, before, stateOf(t, c), name)
			require.Equal(t, fds, qemuFds(t, qvm), name)
			left, err := job.List(ctx, c)
			require.NoError(t, err, name)
			require.Empty(t, left, name)
		}

		// Two disks have a backing image in common, and a job of the other disk reads it.
		p := chain(t, q, 1)
		f.node("base", &qemu.BlockdevOptions{ReadOnly: new(true), Branch: &qemu.BlockdevOptionsQcow2{File: define(file(p[0]))}})
		for _, id := range []string{"d", "e"} {
			top := filepath.Join(t.TempDir(), id)
			img(t, q, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", p[0], top)
			options := overlay(top, nil)
			options.Branch.(*qemu.BlockdevOptionsQcow2).Backing = &qemu.BlockdevRefOrNull{Reference: new("base")}
			require.NoError(t, vm.AddDisk(ctx, scsiDisk(id, hotplug.Blockdev{Options: *options})))
		}
		j = start(qemu.BlockStream{Device: "e", AutoFinalize: new(false)})
		busyWith(t, errorOf(vm.RemoveDisk(ctx, "e")), []string{"anything"}, nil)
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
		require.NoError(t, j.Cancel(ctx))

		// An export of the disk, and one of a node that only the disk reads.
		socket := &qemu.UnixSocketAddress{Path: filepath.Join(t.TempDir(), "nbd")}
		require.NoError(t, qemu.NBDServerStart{Addr: qemu.SocketAddressLegacy{Branch: socket}}.Do(ctx, c))
		for id, node := range map[string]string{"ours": "e", "of-others": "base"} {
			require.NoError(t, qemu.BlockExportAdd{ID: id, NodeName: node, Branch: &qemu.BlockExportOptionsNBD{}}.Do(ctx, c))
		}
		begin := time.Now()
		busyWith(t, errorOf(vm.RemoveDisk(ctx, "e", hotplug.WithBackend())), nil, []string{"ours"})
		require.Less(t, time.Since(begin), 5*time.Second, "there is nothing to wait for")
		require.NoError(t, qemu.BlockExportDel{ID: "ours"}.Do(ctx, c))
		waitFor(t, "the end of the export", func() bool {
			all, err := qemu.QueryBlockExports{}.Do(ctx, c)
			require.NoError(t, err)
			return len(all) == 1
		})
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "e")))
	})
}
