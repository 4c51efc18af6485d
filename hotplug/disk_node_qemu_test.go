package hotplug_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// usbDisk is a disk that QEMU removes at once, without a guest.
func usbDisk(id, path string) hotplug.Disk {
	return hotplug.Disk{ID: id, Backend: hotplug.File{Path: path}, Driver: "usb-storage", Bus: "usb.0"}
}

// startUSB starts a machine that takes such disks.
func startUSB(t *testing.T, q *qemutest.QEMU, args ...string) (*qemutest.VM, *qmp.Client) {
	t.Helper()
	qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: append([]string{"-device", "qemu-xhci,id=usb"}, args...)})
	return qvm, qvm.Dial(t)
}

// TestJobsThatAreNotDismissed has the jobs with which QEMU ends when it is asked for its named block
// nodes: a backup in 5.2, a stream in 7.2 and 10.0.
func TestJobsThatAreNotDismissed(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		_, c := startUSB(t, q)
		ctx := limit(t)
		p := chain(t, q, 2)
		for name, node := range map[string]*qemu.BlockdevOptions{
			"top": overlay(p[0], overlay(p[1], nil)), "source": file(image(t)), "target": file(image(t)),
		} {
			require.NoError(t, qemu.BlockdevAdd(named(name, node)).Do(ctx, c))
		}
		require.NoError(t, qemu.BlockStream{JobID: new("stream"), Device: "top", AutoDismiss: new(false)}.Do(ctx, c))
		require.NoError(t, qemu.BlockdevBackup{JobID: new("backup"), Device: "source", Target: "target",
			Sync: qemu.MirrorSyncModeFull, AutoDismiss: new(false)}.Do(ctx, c))
		waitFor(t, "the end of two jobs", func() bool {
			jobs, err := qemu.QueryJobs{}.Do(ctx, c)
			require.NoError(t, err)
			concluded := 0
			for _, job := range jobs {
				if job.Status == qemu.JobStatusConcluded {
					concluded++
				}
			}
			return concluded == 2
		})

		vm := hotplug.New(c, nil)
		before := stateOf(t, c)
		disk := usbDisk("d", image(t))
		require.NoError(t, vm.AddDisk(ctx, disk))
		require.ErrorIs(t, vm.AddDisk(ctx, disk), hotplug.ErrExists)
		disk.ID = "source"
		require.ErrorIs(t, vm.AddDisk(ctx, disk), hotplug.ErrExists, "a node without a device")
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")), "what is gone can be removed")
		require.Equal(t, before, stateOf(t, c))

		// A disk with such jobs: no operation ends QEMU, and the removal dismisses the jobs when it is told to.
		for id, node := range map[string]string{"stream-disk": "top", "backup-disk": "source"} {
			add := qemu.DeviceAdd{Driver: "usb-storage", ID: new(id), Bus: new("usb.0"), Props: qmp.Args{"drive": node}}
			require.NoError(t, add.Do(ctx, c))
			info, err := vm.DeviceInfo(ctx, id)
			require.NoError(t, err)
			require.Equal(t, node, info.Node)
			_, err = vm.BlockInfo(ctx, id)
			require.NoError(t, err)
			_, err = vm.NodesOf(ctx, id)
			require.NoError(t, err)
			err = vm.ResizeDisk(ctx, id, 2<<20)
			require.True(t, err == nil || errors.Is(err, qmp.ErrGeneric), "%v", err) // which of them hold the node depends on the version
			_, err = job.Nodes(ctx, c)
			require.NoError(t, err)
			_, err = vm.RemoveNodes(ctx, id, "nothing")
			require.NoError(t, err)
		}
		busyWith(t, errorOf(vm.RemoveDisk(ctx, "stream-disk", hotplug.WithBackend())), []string{"stream"}, nil)
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "stream-disk", hotplug.WithBackend(), hotplug.WithJobs())))
		j, err := job.Find(ctx, c, "backup")
		require.NoError(t, err)
		require.NoError(t, j.Wait(ctx, nil)) // QEMU 5.2 does not report that the job uses the source
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "backup-disk", hotplug.WithBackend())))
		jobs, err := job.List(ctx, c)
		require.NoError(t, err)
		require.Empty(t, jobs)
		kept, err := vm.RemoveNodes(ctx, "any", "top", "source", "target")
		require.NoError(t, err)
		require.Empty(t, kept)
	})
}
