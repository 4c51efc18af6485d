package block_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// qcow2Disk adds a disk with a new qcow2 image.
func (m *machine) qcow2Disk(t *testing.T, id string) {
	t.Helper()
	out, err := m.image("create", "-f", "qcow2", m.path(id+".qcow2"), "8M")
	require.NoError(t, err, out)
	require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.File{Path: m.path(id + ".qcow2"), Format: "qcow2"}}))
}

// TestInternalSnapshot takes and deletes a snapshot inside an image, and goes back to it when the disk is removed.
func TestInternalSnapshot(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		_, err := m.disks.InternalSnapshots(ctx, "data1")
		require.ErrorIs(t, err, block.ErrNoDisk)
		_, err = m.disks.InternalSnapshots(ctx, "")
		require.ErrorIs(t, err, block.ErrNoDisk)
		require.ErrorIs(t, m.disks.CreateInternalSnapshot(ctx, "data1", "s"), block.ErrNoDisk)
		m.qcow2Disk(t, "data1")
		m.plugged(t, "raw1", 1)
		require.ErrorIs(t, m.disks.CreateInternalSnapshot(ctx, "raw1", "s"), qmp.ErrGeneric)
		m.write(t, "data1", 1, 0, mib)
		for _, fault := range fakeqemu.Faults {
			for _, do := range []struct {
				run  func(vm *block.VM, ctx context.Context, id, name string) error
				want int
			}{{(*block.VM).CreateInternalSnapshot, 1}, {(*block.VM).DeleteInternalSnapshot, 0}} {
				_, err = fakeqemu.AtEveryStep(ctx, m.Client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
					return do.run(block.New(conn), ctx, "data1", "s")
				}, func(command string, err error) {
					all, lookErr := m.disks.InternalSnapshots(within(t), "data1")
					require.NoError(t, lookErr)
					if err == nil { // only the answer was lost: once more
						require.Len(t, all, do.want, command)
						if do.want == 1 {
							require.NoError(t, m.disks.DeleteInternalSnapshot(within(t), "data1", "s"))
						} else {
							require.NoError(t, m.disks.CreateInternalSnapshot(within(t), "data1", "s"))
						}
						return
					}
					require.Len(t, all, 1-do.want, "%s %s: %v", fault, command, err)
				})
				require.NoError(t, err)
			}
		}
		require.NoError(t, m.disks.CreateInternalSnapshot(ctx, "data1", "s"))
		require.ErrorIs(t, m.disks.CreateInternalSnapshot(ctx, "data1", "s"), qmp.ErrGeneric)
		require.NoError(t, m.disks.CreateInternalSnapshot(ctx, "data1", "t"))
		require.NoError(t, m.disks.DeleteInternalSnapshot(ctx, "data1", "t"))
		require.NoError(t, m.disks.DeleteInternalSnapshot(ctx, "data1", "t"), "there is none")
		m.write(t, "data1", 2, 0, mib)
		all, err := m.disks.InternalSnapshots(ctx, "data1")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "s", all[0].Name)
		require.Zero(t, all[0].VMStateSize)
		m.removedAll(t, "data1", "raw1")
		out, err := m.image("snapshot", "-a", "s", m.path("data1.qcow2"))
		require.NoError(t, err, out)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.File{Path: m.path("data1.qcow2"), Format: "qcow2"}}))
		m.read(t, "data1", 1, 0, mib)
		m.removedAll(t, "data1")
	})
}

// TestSaveMachine takes a machine with two disks back to a snapshot. If it cannot, the guest runs on.
func TestSaveMachine(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.ErrorIs(t, m.disks.SaveMachine(ctx, "s", nil), block.ErrNoDisk)
		m.qcow2Disk(t, "data1")
		m.qcow2Disk(t, "data2")
		if !m.qemu.AtLeast(6, 0) {
			require.ErrorIs(t, m.disks.SaveMachine(ctx, "s", nil), errors.ErrUnsupported)
			require.ErrorIs(t, m.disks.DeleteSavedMachine(ctx, "s", nil), errors.ErrUnsupported)
			require.ErrorIs(t, m.disks.LoadMachine(ctx, "s", nil), block.ErrNoSnapshot)
			t.Skip("QEMU saves machines since 6.0")
		}
		running := func() {
			t.Helper()
			status, err := qemu.QueryStatus{}.Do(ctx, m)
			require.NoError(t, err)
			require.Equal(t, qemu.RunStateRunning, status.Status)
		}
		m.write(t, "data1", 1, 0, mib)
		m.write(t, "data2", 2, 0, mib)
		require.ErrorIs(t, m.disks.LoadMachine(ctx, "s", nil), block.ErrNoSnapshot)
		running()
		var progress []job.Progress
		require.NoError(t, m.disks.SaveMachine(ctx, "s", &block.MachineOptions{Progress: func(p job.Progress) { progress = append(progress, p) }}))
		require.NotEmpty(t, progress)
		running()
		m.write(t, "data1", 3, 0, mib)
		m.write(t, "data2", 4, 0, mib)
		require.NoError(t, m.disks.LoadMachine(ctx, "s", nil))
		running()
		m.read(t, "data1", 1, 0, mib)
		m.read(t, "data2", 2, 0, mib)
		_, failed := errors.AsType[*job.FailedError](m.disks.SaveMachine(ctx, "s", nil))
		require.True(t, failed, "the snapshot exists")

		// A disk cannot have a snapshot, and another disk is left out.
		m.plugged(t, "raw1", 5)
		_, failed = errors.AsType[*job.FailedError](m.disks.SaveMachine(ctx, "t", nil))
		require.True(t, failed, "a raw disk")
		running()
		require.ErrorIs(t, m.disks.LoadMachine(ctx, "s", nil), block.ErrNoSnapshot)
		only := &block.MachineOptions{Disks: []string{"data2", "data1"}, StateDisk: "data2"}
		require.NoError(t, m.disks.SaveMachine(ctx, "t", only))
		all, err := m.disks.InternalSnapshots(ctx, "data2")
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.NotZero(t, all[1].VMStateSize)
		only.StateDisk = ""
		require.ErrorIs(t, m.disks.SaveMachine(ctx, "u", &block.MachineOptions{Disks: []string{"data1"}, StateDisk: "data2"}), block.ErrNoDisk)
		require.ErrorIs(t, m.disks.SaveMachine(ctx, "u", &block.MachineOptions{Disks: []string{"data3"}}), block.ErrNoDisk)
		require.NoError(t, m.disks.CreateInternalSnapshot(ctx, "data1", "disk only"))
		require.ErrorIs(t, m.disks.LoadMachine(ctx, "disk only", &block.MachineOptions{Disks: []string{"data1"}}), block.ErrNoSnapshot)

		// Another client deletes the snapshot when LoadMachine has just looked.
		require.NoError(t, errorsOf(m.plug.RemoveDisk(ctx, "raw1")))
		conn := &before{m.Client, "snapshot-load", func() { require.NoError(t, m.disks.DeleteInternalSnapshot(ctx, "data2", "s")) }}
		err = block.New(conn).LoadMachine(ctx, "s", nil)
		_, failed = errors.AsType[*job.FailedError](err)
		require.True(t, failed, err)
		require.ErrorIs(t, err, block.ErrNoSnapshot)
		running()
		m.read(t, "data1", 1, 0, mib)

		// The machine has other devices than the saved one: the machine stays stopped until it is loaded as it can be.
		require.NoError(t, m.disks.SaveMachine(ctx, "v", nil))
		m.write(t, "data1", 7, 0, mib)
		_, failed = errors.AsType[*job.FailedError](m.disks.LoadMachine(ctx, "t", nil))
		require.True(t, failed)
		stopped := func() {
			t.Helper()
			status, err := qemu.QueryStatus{}.Do(ctx, m)
			require.NoError(t, err)
			require.False(t, status.Running)
		}
		stopped()
		require.NoError(t, m.disks.LoadMachine(ctx, "v", nil))
		stopped()
		require.NoError(t, qemu.Cont{}.Do(ctx, m))
		m.read(t, "data1", 1, 0, mib)

		for range 2 {
			for _, name := range []string{"s", "t", "v"} {
				require.NoError(t, m.disks.DeleteSavedMachine(ctx, name, nil))
			}
		}
		require.NoError(t, m.disks.DeleteInternalSnapshot(ctx, "data1", "disk only"))
		for _, id := range []string{"data1", "data2"} {
			all, err := m.disks.InternalSnapshots(ctx, id)
			require.NoError(t, err)
			require.Empty(t, all)
		}
		m.removedAll(t, "data1", "data2")
	})
}
