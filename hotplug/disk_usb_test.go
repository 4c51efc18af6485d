package hotplug_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// usbDevices lists what is on the buses, for which QMP has no command.
func usbDevices(t *testing.T, m *guestMachine) string {
	t.Helper()
	text, err := qemu.HumanMonitorCommand{CommandLine: "info usb"}.Do(t.Context(), m.c)
	require.NoError(t, err)
	return text
}

// guestUSB adds devices to a USB bus and removes them, which the guest has no part in: this one
// has no drivers for USB.
func guestUSB(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	before, fds := stateOf(t, m.c), qemuFds(t, m.VM)
	state := func() []string { return stateOf(t, m.c) }
	vm := hotplug.New(m.c, nil)

	require.NoError(t, vm.AddDevice(ctx, tablet))
	require.Contains(t, usbDevices(t, m), "ID: d")
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
	require.NotContains(t, usbDevices(t, m), "ID: d")

	disk := hotplug.Disk{ID: "stick", Backend: hotplug.File{Path: image(t)}, Driver: "usb-storage", Bus: "usb.0"}
	require.NoError(t, vm.AddDisk(ctx, disk))
	require.Contains(t, usbDevices(t, m), "ID: stick")
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "stick")))
	require.Equal(t, before, state())

	for _, fault := range fakeqemu.Faults {
		faultsAtEveryStep(t, m.c, fault, addsDevice(tablet), state)
		faultsAtEveryStep(t, m.c, fault, addsDisk(disk), state)
	}
	require.Equal(t, fds, qemuFds(t, m.VM))
}
