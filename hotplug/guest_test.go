package hotplug_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A guestMachine is one with places for CPUs and memory, a USB controller and a balloon, whose
// guest is up.
type guestMachine struct {
	*qemutest.VM
	c       *qmp.Client
	machine string
}

func startGuest(t *testing.T, q *qemutest.QEMU, machine string, keeps bool, args ...string) *guestMachine {
	t.Helper()
	vm := q.Start(t, qemutest.Config{Machine: machine, Guest: true, GuestKeeps: keeps, Args: append([]string{
		"-smp", "1,maxcpus=3", "-m", "256,slots=4,maxmem=2G",
		"-device", "qemu-xhci,id=usb", "-device", "virtio-balloon-pci,id=balloon",
	}, args...)})
	c := vm.Dial(t)
	if !q.AtLeast(7, 2) {
		require.NoError(t, modernCPUHotplug(t.Context(), c))
	}
	require.NoError(t, vm.WaitGuest(limit(t)))
	return &guestMachine{VM: vm, c: c, machine: machine}
}

// unansweredThenDone asks a guest that stands still, and again when it runs. It returns the VM, which knows that the guest
// was asked twice.
func (m *guestMachine) unansweredThenDone(t *testing.T, remove func(context.Context, *hotplug.VM) error) *hotplug.VM {
	t.Helper()
	ctx := limit(t)
	before := stateOf(t, m.c)
	require.NoError(t, qemu.Stop{}.Do(ctx, m.c))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	vm := hotplug.New(m.c, nil)
	err := remove(short, vm)
	require.ErrorIs(t, err, hotplug.ErrUnplugPending)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, before, stateOf(t, m.c))
	require.NoError(t, qemu.Cont{}.Do(ctx, m.c))
	require.NoError(t, remove(ctx, vm))
	return vm
}

// TestGuestSeesDevices adds devices of all kinds to machines with a booted guest, and removes
// them. Each is a test of its own; they share the guest, which takes longer to boot than they do.
func TestGuestSeesDevices(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		m := startGuest(t, q, machine, false)
		for _, step := range []struct {
			name string
			test func(*testing.T, *guestMachine)
		}{
			{"usb", guestUSB},
			{"any device", guestAnyDevice},
			{"NIC replaced", guestReplacesNIC},
			{"memory", guestMemory},
			{"faults of memory", guestMemoryFaults},
			{"balloon", guestBalloon},
			{"memory that changes", guestVirtioMem},
			{"cpu", guestCPU},
			{"cpu removed", guestCPURemoved},
		} {
			t.Run(step.name, func(t *testing.T) { step.test(t, m) })
		}
	})
}

// TestGuestKeeps asks a guest for what it does not want to give back. It gives up at last.
func TestGuestKeeps(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		m := startGuest(t, q, "pc", true)
		t.Run("devices", func(t *testing.T) { guestKeeps(t, m) })
		t.Run("powerdown", func(t *testing.T) { guestPowerdown(t, m) })
	})
}
