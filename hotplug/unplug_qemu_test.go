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

// eachHotplug runs f on a machine for each way of hotplug that it has. Root ports of 5.2 are left out:
// they let go of devices that nobody has asked for.
func eachHotplug(t *testing.T, f func(t *testing.T, q *qemutest.QEMU, cfg qemutest.Config)) {
	t.Helper()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		cfg := qemutest.Config{Machine: machine, Guest: true}
		if machine == "q35" && !q.AtLeast(6, 1) {
			t.Skip("root ports of 5.2 let go of devices that nobody has asked for")
		}
		f(t, q, cfg)
		if machine == "q35" {
			cfg.Args = nativeHotplug
			t.Run("native", func(t *testing.T) { f(t, q, cfg) })
		}
	})
}

// TestRemovalAtAnyTime removes disks at moments at which a guest loses the request or QEMU refuses it:
// while the guest boots, and just after the disk was added.
func TestRemovalAtAnyTime(t *testing.T) {
	eachHotplug(t, func(t *testing.T, q *qemutest.QEMU, cfg qemutest.Config) {
		qvm := q.Start(t, cfg)
		c, ctx := qvm.Dial(t), limit(t)
		vm := hotplug.New(c)
		disk := hotplug.Disk{ID: "d", Path: image(t), Bus: qemutest.HotplugBus(cfg.Machine)}
		before := stateOf(t, c)
		for _, moment := range []time.Duration{1500 * time.Millisecond, time.Second} { // of the boot, which takes 2 to 6 s
			require.NoError(t, vm.AddDisk(ctx, disk))
			time.Sleep(moment)
			require.NoError(t, vm.RemoveDisk(ctx, "d"))
			require.Equal(t, before, stateOf(t, c))
		}
		require.NoError(t, qvm.WaitGuest(ctx))
		for _, moment := range []time.Duration{0, 200 * time.Millisecond, time.Second} {
			require.NoError(t, vm.AddDisk(ctx, disk))
			time.Sleep(moment)
			require.NoError(t, vm.RemoveDisk(ctx, "d"))
			require.Equal(t, before, stateOf(t, c))
		}
	})
}

// TestRemovalThatIsPending calls RemoveDisk again while its first request is pending: when the guest has
// not answered yet, and when the request was made while the machine was stopped.
func TestRemovalThatIsPending(t *testing.T) {
	eachHotplug(t, func(t *testing.T, q *qemutest.QEMU, cfg qemutest.Config) {
		qvm := q.Start(t, cfg)
		c, ctx := qvm.Dial(t), limit(t)
		vm := hotplug.New(c)
		require.NoError(t, qvm.WaitGuest(ctx))
		before := stateOf(t, c)
		pending := func(limit time.Duration) {
			short, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			err := vm.RemoveDisk(short, "d")
			require.ErrorIs(t, err, hotplug.ErrUnplugPending)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, []string{"d"}, inQueryBlock(t, c))
		}
		add := func() {
			require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Path: image(t), Bus: qemutest.HotplugBus(cfg.Machine)}))
			require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
		}

		add()
		require.NoError(t, qemu.Stop{}.Do(ctx, c))
		pending(50 * time.Millisecond)
		pending(2500 * time.Millisecond) // what QEMU answers to a second request is not the end
		require.NoError(t, qemu.Cont{}.Do(ctx, c))
		require.NoError(t, vm.RemoveDisk(ctx, "d"))
		require.Equal(t, before, stateOf(t, c))

		add()
		require.NoError(t, qemu.DeviceDel{ID: "d"}.Do(ctx, c)) // by another manager
		require.NoError(t, vm.RemoveDisk(ctx, "d"))
		require.Equal(t, before, stateOf(t, c))
	})
}

// TestRemovalWithoutAnEventOfQEMU removes a qemu-xhci, of whose end 7.2 and 10.0 do not tell.
func TestRemovalWithoutAnEventOfQEMU(t *testing.T) {
	eachHotplug(t, func(t *testing.T, q *qemutest.QEMU, cfg qemutest.Config) {
		qvm := q.Start(t, cfg)
		c, ctx := qvm.Dial(t), limit(t)
		vm := hotplug.New(c)
		require.NoError(t, qvm.WaitGuest(ctx))
		before := stateOf(t, c)
		bus := qemutest.HotplugBus(cfg.Machine)
		for range 2 {
			require.NoError(t, vm.AddDevice(ctx, qemu.DeviceAdd{Driver: "qemu-xhci", ID: new("usb"), Bus: &bus, Props: qmp.Args{"p2": 2}}))
			require.NoError(t, vm.RemoveDevice(ctx, "usb"))
			require.Equal(t, before, stateOf(t, c))
		}
	})
}
