package hotplug_test

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nativeHotplug lets the root ports of a q35 have the hotplug of PCI Express instead of ACPI's.
var nativeHotplug = []string{"-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"}

// An unplugMachine is one whose guest may still boot.
type unplugMachine struct {
	*qemutest.VM
	c   *qmp.Client
	vm  *hotplug.VM
	bus string
}

// TestUnplug removes devices in all the ways in which a removal can be held up. The steps share a guest.
func TestUnplug(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		if machine == "q35" && !q.AtLeast(6, 1) {
			t.Skip("root ports of 5.2 release devices unasked")
		}
		unplugSteps(t, q, qemutest.Config{Machine: machine, Guest: true})
		if machine == "q35" {
			t.Run("native", func(t *testing.T) {
				unplugSteps(t, q, qemutest.Config{Machine: machine, Guest: true, Args: nativeHotplug})
			})
		}
	})
}

func unplugSteps(t *testing.T, q *qemutest.QEMU, cfg qemutest.Config) {
	m := &unplugMachine{VM: q.Start(t, cfg), bus: qemutest.HotplugBus(cfg.Machine)}
	m.c = m.Dial(t)
	m.vm = hotplug.New(m.c, nil)
	before := stateOf(t, m.c)
	for _, step := range []struct {
		name string
		test func(t *testing.T, m *unplugMachine)
	}{
		{"while it boots", unplugWhileBooting},
		{"just added", unplugJustAdded},
		{"pending", unplugPending},
		{"no event", unplugWithoutEvent},
	} {
		t.Run(step.name, func(t *testing.T) { step.test(t, m) })
		require.Equal(t, before, stateOf(t, m.c))
	}
}

func (m *unplugMachine) add(t *testing.T) {
	t.Helper()
	require.NoError(t, m.vm.AddDisk(limit(t), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}, Bus: m.bus}))
}

// unplugWhileBooting has requests that the guest loses. It boots in 2 to 6 seconds.
func unplugWhileBooting(t *testing.T, m *unplugMachine) {
	for _, moment := range []time.Duration{1500 * time.Millisecond, time.Second} {
		m.add(t)
		time.Sleep(moment)
		require.NoError(t, errorOf(m.vm.RemoveDisk(limit(t), "d")))
	}
	require.NoError(t, m.WaitGuest(limit(t)))
}

// unplugJustAdded has requests that QEMU refuses while a guest powers the slot on.
func unplugJustAdded(t *testing.T, m *unplugMachine) {
	for _, moment := range []time.Duration{0, 200 * time.Millisecond, time.Second} {
		m.add(t)
		time.Sleep(moment)
		require.NoError(t, errorOf(m.vm.RemoveDisk(limit(t), "d")))
	}
}

// unplugPending calls RemoveDisk while a request is pending: one that was made while the machine was
// stopped, and one of another manager.
func unplugPending(t *testing.T, m *unplugMachine) {
	ctx := limit(t)
	pending := func(limit time.Duration) {
		short, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		_, err := m.vm.RemoveDisk(short, "d")
		require.ErrorIs(t, err, hotplug.ErrUnplugPending)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"d"}, inQueryBlock(t, m.c))
	}
	addSeen := func() { // a guest that still works on the removal before can miss an addition
		require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`blk= `)))
		m.add(t)
		require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
	}
	addSeen()
	require.NoError(t, qemu.Stop{}.Do(ctx, m.c))
	pending(time.Second)
	pending(2500 * time.Millisecond) // what QEMU answers to a second request is not the end
	require.NoError(t, qemu.Cont{}.Do(ctx, m.c))
	require.NoError(t, errorOf(m.vm.RemoveDisk(ctx, "d")))

	addSeen()
	require.NoError(t, qemu.DeviceDel{ID: "d"}.Do(ctx, m.c))
	require.NoError(t, errorOf(m.vm.RemoveDisk(ctx, "d")))
}

// unplugWithoutEvent removes a qemu-xhci, of whose end 7.2 and 10.0 do not tell.
func unplugWithoutEvent(t *testing.T, m *unplugMachine) {
	require.NoError(t, m.vm.AddDevice(limit(t), hotplug.Device{Driver: "qemu-xhci", ID: "usb", Bus: m.bus}))
	require.NoError(t, errorOf(m.vm.RemoveDevice(limit(t), "usb")))
}
