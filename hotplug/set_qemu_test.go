package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestStorageInMemory can be added, and no QEMU can remove it: the error comes at once.
func TestStorageInMemory(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		c := q.Start(t, qemutest.Config{Machine: "q35,nvdimm=on", Args: []string{"-m", "256,slots=4,maxmem=4G",
			"-device", "pcie-root-port,id=root"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		file := filepath.Join(t.TempDir(), "nv1")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		require.NoError(t, os.Truncate(file, 128*mib))
		for _, memory := range []hotplug.Memory{
			{ID: "nv1", Driver: "nvdimm", Props: qmp.Args{"label-size": 128 << 10}, Backend: hotplug.Object{Options: qemu.ObjectOptions{
				Branch: &qemu.MemoryBackendFileProperties{MemPath: file, Size: 128 * mib, Share: new(true)}}}},
			{ID: "nv2", Driver: "nvdimm", Backend: hotplug.RAM{Size: 128 * mib}},
			{ID: "pm1", Driver: "virtio-pmem-pci", Bus: "root", Backend: hotplug.Object{Options: qemu.ObjectOptions{
				Branch: &qemu.MemoryBackendFileProperties{MemPath: file, Size: 128 * mib}}}},
		} {
			before := stateOf(t, c)
			bad := memory
			bad.Props = qmp.Args{"none": 1}
			require.ErrorIs(t, vm.AddMemory(ctx, bad), qmp.ErrGeneric)
			require.Equal(t, before, stateOf(t, c))
			require.NoError(t, vm.AddMemory(ctx, memory), memory.ID)
			require.ErrorIs(t, vm.AddMemory(ctx, memory), hotplug.ErrExists)
			after := stateOf(t, c)
			_, err := vm.RemoveMemory(ctx, memory.ID)
			require.ErrorIs(t, err, qmp.ErrGeneric)
			require.NotErrorIs(t, err, hotplug.ErrUnplugPending)
			require.Equal(t, after, stateOf(t, c))
		}
		change, err := vm.SetMemory(ctx, 384*mib, nil)
		require.NoError(t, err)
		require.Equal(t, hotplug.MemoryChange{Before: 256 * mib, After: 384 * mib, Added: dimmIDs(2)}, change)

		// An nvdimm whose answer is lost cannot be undone.
		lost, cancel := context.WithCancel(ctx)
		defer cancel()
		const deviceAdd = 3 // after qom-list-types, query-acpi-ospm-status and object-add
		conn := &fakeqemu.Faulty{Client: c, Fault: fakeqemu.LostAfter, At: deviceAdd, Cancel: cancel}
		err = hotplug.New(conn, nil).AddMemory(lost, hotplug.Memory{ID: "nv3", Driver: "nvdimm", Backend: hotplug.RAM{Size: 128 * mib}})
		require.Equal(t, "device_add", conn.Met)
		var rollback *hotplug.RollbackError
		require.ErrorAs(t, err, &rollback)
		require.Equal(t, []string{"device nv3", "memory backend nv3"}, rollback.Left)
	})
}

// TestLimitsOfMemory: QEMU tells its limits since 7.1.
func TestLimitsOfMemory(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "256,slots=2,maxmem=1G"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		before := stateOf(t, c)
		change, err := vm.SetMemory(ctx, 2*gib, nil)
		var target *hotplug.TargetError
		if q.AtLeast(7, 2) {
			require.ErrorAs(t, err, &target)
			require.Equal(t, []uint64{gib}, target.Nearest)
		} else {
			require.ErrorIs(t, err, qmp.ErrGeneric)
			require.NotErrorAs(t, err, &target)
		}
		require.Equal(t, hotplug.MemoryChange{Before: 256 * mib, After: 256 * mib}, change)
		require.Equal(t, before, stateOf(t, c))
		if q.AtLeast(7, 2) {
			change, err = vm.SetMemory(ctx, gib-128*mib, nil) // 512 and 128 MiB
			require.NoError(t, err)
			require.Equal(t, dimmIDs(0, 1), change.Added)
			_, err = vm.SetMemory(ctx, gib, nil)
			require.ErrorAs(t, err, &target)
			require.ErrorContains(t, err, "no slot for a DIMM is free")
		}
	})
}

func seesMiB(mib int) *regexp.Regexp { return regexp.MustCompile(fmt.Sprintf("mem=%d$", mib)) }

// guestSetMemory sets the memory of a machine, whose guest uses it and gives it back.
func guestSetMemory(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	before, fds := stateOf(t, m.c), qemuFds(t, m.VM)
	vm := hotplug.New(m.c, nil)
	none := guestMemoryMiB(t, m)
	change, err := vm.SetMemory(ctx, 640*mib, nil)
	require.NoError(t, err)
	require.Equal(t, hotplug.MemoryChange{Before: 256 * mib, After: 640 * mib, Added: dimmIDs(0, 1)}, change)
	require.NoError(t, m.WaitGuestSees(ctx, seesMiB(153+384)))
	_, err = vm.SetMemory(ctx, 600*mib, nil)
	require.ErrorAs(t, err, new(*hotplug.TargetError))
	change, err = hotplug.New(m.c, nil).SetMemory(ctx, 512*mib, nil)
	require.NoError(t, err)
	require.Equal(t, dimmIDs(1), change.Removed)
	require.NoError(t, m.WaitGuestSees(ctx, seesMiB(153+256)))
	m.unansweredThenDone(t, func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.SetMemory(ctx, 256*mib, nil)
		return err
	})
	require.NoError(t, m.WaitGuestSees(ctx, none))
	require.Equal(t, before, stateOf(t, m.c))
	require.Equal(t, fds, qemuFds(t, m.VM))
}

// guestSetVirtioMem sets the memory of a machine that has virtio-mem. The guest does not give back all of it, because
// the machine stands still.
func guestSetVirtioMem(t *testing.T, m *guestMachine) {
	if !m.QEMU.AtLeast(7, 2) && m.machine == "q35" {
		t.Skip("root ports of 5.2 release devices unasked")
	}
	ctx := limit(t)
	vm := hotplug.New(m.c, nil)
	none := guestMemoryMiB(t, m)
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "vm1", Backend: hotplug.RAM{Size: 512 * mib},
		Driver: "virtio-mem-pci", Bus: qemutest.HotplugBus(m.machine)}))
	change, err := vm.SetMemory(ctx, 512*mib, nil)
	require.NoError(t, err)
	require.Equal(t, hotplug.MemoryChange{Before: 256 * mib, After: 512 * mib, Resized: []string{"vm1"}}, change)
	require.NoError(t, m.WaitGuestSees(ctx, seesMiB(153+256)))
	_, err = vm.SetMemory(ctx, gib, nil)
	require.ErrorAs(t, err, new(*hotplug.TargetError))
	require.NoError(t, qemu.Stop{}.Do(ctx, m.c))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	change, err = vm.SetMemory(short, 384*mib, nil)
	require.ErrorIs(t, err, hotplug.ErrResizePending)
	require.Equal(t, uint64(512*mib), change.After)
	require.Equal(t, uint64(128*mib), change.Kept[0].Size)
	require.NoError(t, qemu.Cont{}.Do(ctx, m.c))
	_, err = vm.SetMemory(ctx, 256*mib, nil)
	require.NoError(t, err)
	require.NoError(t, m.WaitGuestSees(ctx, none))
	if _, err := vm.RemoveMemory(ctx, "vm1"); m.QEMU.AtLeast(10, 0) {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, qmp.ErrGeneric)
	}
}

// TestGuestUsesMemory is with a guest that gives memory back.
func TestGuestUsesMemory(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		m := startGuest(t, q, machine, false)
		t.Run("DIMMs", func(t *testing.T) { guestSetMemory(t, m) })
		t.Run("virtio-mem", func(t *testing.T) { guestSetVirtioMem(t, m) })
	})
}

// TestGuestKeepsMore asks a guest that keeps its CPUs and memory for some of them.
func TestGuestKeepsMore(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		m := startGuest(t, q, "pc", true)
		ctx := limit(t)
		vm := hotplug.New(m.c, nil)
		_, err := vm.SetCPUs(ctx, 2, nil)
		require.NoError(t, err)
		_, err = vm.SetMemory(ctx, 640*mib, nil)
		require.NoError(t, err)
		require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`^cpus=2 mem=537$`)))
		before := stateOf(t, m.c)
		cpus, err := vm.SetCPUs(ctx, 1, nil)
		require.Equal(t, 2, cpus.After)
		if losesCPUs(q) {
			require.ErrorIs(t, err, hotplug.ErrUnplugRefused)
			require.Len(t, cpus.Kept, 1)
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
		memory, err := vm.SetMemory(ctx, 256*mib, nil)
		require.ErrorIs(t, err, hotplug.ErrUnplugRefused)
		require.Equal(t, uint64(640*mib), memory.After)
		require.Len(t, memory.Kept, 2)
		require.Equal(t, before, stateOf(t, m.c))
	})
}

// TestTwoManagersOfMemory has two managers, on two monitors, that set the same amount. The machine gets exactly that amount.
func TestTwoManagersOfMemory(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Monitors: 2, Args: []string{"-m", "128,slots=64,maxmem=64G"}})
		ctx := limit(t)
		_, vms := managers(t, qvm)
		for _, size := range []uint64{gib, 3 * gib, 4*gib - 128*mib, 7*gib + 640*mib} {
			require.NoError(t, errors.Join(together(vms, func(vm *hotplug.VM, _ int) error {
				_, err := vm.SetMemory(ctx, size, nil)
				return err
			})...))
			change, err := vms[0].SetMemory(ctx, size, nil)
			require.NoError(t, err)
			require.Equal(t, hotplug.MemoryChange{Before: size, After: size}, change)
		}
	})
}

// guestSetCPUs sets the number of CPUs of a machine, whose guest uses them.
func guestSetCPUs(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	vm := hotplug.New(m.c, nil)
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(2)))
	change, err := vm.SetCPUs(ctx, 4, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"cpu-socket0-die0-core0-thread1", "cpu-socket0-die0-core1-thread0"}, idsOf(change.Added))
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(4)))
	infos, err := qemu.QueryCPUsFast{}.Do(ctx, m.c)
	require.NoError(t, err)
	require.Len(t, infos, 4)
	before := stateOf(t, m.c)
	if !losesCPUs(m.QEMU) {
		change, err = vm.SetCPUs(ctx, 2, nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Equal(t, hotplug.CPUChange{Before: 4, After: 4}, change)
		require.Equal(t, before, stateOf(t, m.c))
		return
	}
	change, err = vm.SetCPUs(ctx, 2, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"cold", "cpu-socket0-die0-core1-thread0"}, idsOf(change.Removed))
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(2)))
	_, err = vm.SetCPUs(ctx, 1, nil)
	require.NoError(t, err)
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(1)))
	infos, err = qemu.QueryCPUsFast{}.Do(ctx, m.c)
	require.NoError(t, err)
	require.Len(t, infos, 1)
}

// guestWholeCPUs adds and removes a core and a die.
func guestWholeCPUs(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	vm := hotplug.New(m.c, nil)
	if !losesCPUs(m.QEMU) {
		t.Skip("guestSetCPUs has left CPUs that this QEMU cannot remove")
	}
	cores := &hotplug.CPUOptions{Whole: hotplug.WholeCores}
	change, err := vm.SetCPUs(ctx, 2, cores)
	require.NoError(t, err)
	require.Equal(t, []string{"cpu-socket0-die0-core0-thread1"}, idsOf(change.Added))
	_, err = vm.SetCPUs(ctx, 3, cores)
	require.ErrorAs(t, err, new(*hotplug.TargetError))
	added, err := vm.AddCPUs(ctx, 4, &hotplug.CPUOptions{Whole: hotplug.WholeDies, Place: socket(1)})
	require.NoError(t, err)
	require.Equal(t, []string{"cpu-socket1-die0-core0-thread0", "cpu-socket1-die0-core0-thread1",
		"cpu-socket1-die0-core1-thread0", "cpu-socket1-die0-core1-thread1"}, idsOf(added))
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(6)))
	change, err = hotplug.New(m.c, nil).SetCPUs(ctx, 2, cores) // without a record
	require.NoError(t, err)
	require.Len(t, change.Removed, 4)
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(2)))
}

// TestGuestUsesCPUs has machines with sockets, dies, cores and threads, and with a CPU and a DIMM that QEMU was started
// with.
func TestGuestUsesCPUs(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		m := startGuest(t, q, machine, false, "-smp", "1,maxcpus=16,sockets=2,dies=2,cores=2,threads=2",
			"-device", "qemu64-x86_64-cpu,id=cold,socket-id=1,die-id=1,core-id=1,thread-id=1",
			"-object", "memory-backend-ram,id=m1,size=128M", "-device", "pc-dimm,id=d1,memdev=m1")
		t.Run("memory of the start", func(t *testing.T) {
			change, err := hotplug.New(m.c, nil).SetMemory(limit(t), 256*mib, nil)
			require.NoError(t, err)
			require.Equal(t, hotplug.MemoryChange{Before: 384 * mib, After: 256 * mib, Removed: []string{"d1"}}, change)
			require.NotContains(t, stateOf(t, m.c), "object m1")
		})
		t.Run("set", func(t *testing.T) { guestSetCPUs(t, m) })
		t.Run("whole", func(t *testing.T) { guestWholeCPUs(t, m) })
		t.Run("faults", func(t *testing.T) { guestCPUFaults(t, m) })
	})
}

// TestTwoManagersOfCPUs has two managers, on two monitors, that add CPUs at the same time. If one manager loses a place, it
// takes the next place. If both set the same number, the machine gets exactly that number.
func TestTwoManagersOfCPUs(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Monitors: 2, Args: []string{"-smp", "1,maxcpus=64"}})
		ctx := limit(t)
		_, vms := managers(t, qvm)
		both := func(do func(vm *hotplug.VM, i int) error) {
			t.Helper()
			require.NoError(t, errors.Join(together(vms, do)...))
		}
		cpus := func() int {
			change, err := vms[0].SetCPUs(ctx, 64, nil)
			require.NoError(t, err)
			return change.Before
		}
		for round := range 5 {
			both(func(vm *hotplug.VM, i int) error {
				_, err := vm.AddCPU(ctx, hotplug.CPU{ID: fmt.Sprint("cpu", round, "-", i)})
				return err
			})
			both(func(vm *hotplug.VM, i int) error { _, err := vm.AddCPUs(ctx, 2, nil); return err })
			both(func(vm *hotplug.VM, i int) error { _, err := vm.SetCPUs(ctx, 1+10*(round+1), nil); return err })
		}
		require.Equal(t, 51, cpus())
	})
}
