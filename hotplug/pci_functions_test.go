package hotplug_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// function is a disk without a file in this slot of a bus.
func function(id, bus, addr string) hotplug.Disk {
	d := memory(id)
	d.Bus, d.Props = bus, qmp.Args{"addr": addr, "multifunction": true}
	return d
}

// sharedSlot is the error of a device that shares its slot with others.
func sharedSlot(t *testing.T, err error, id string, others ...string) {
	t.Helper()
	var shared *hotplug.SharedSlotError
	require.ErrorAs(t, err, &shared)
	require.Equal(t, &hotplug.SharedSlotError{ID: id, Others: others}, shared)
}

// TestSharedSlotOfQEMU has functions of one slot, a disk, a NIC and a watchdog. None of them is removed
// alone; all of them go together.
func TestSharedSlotOfQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		bus, slot := qemutest.HotplugBus(machine), "9"
		if machine == "q35" {
			if !q.AtLeast(6, 0) {
				t.Skip("root ports of 5.2 release devices unasked")
			}
			slot = "0"
		}
		qvm := q.Start(t, qemutest.Config{Machine: machine, Guest: true})
		c, ctx := qvm.Dial(t), limit(t)
		require.NoError(t, qvm.WaitGuest(ctx))
		vm := hotplug.New(c, nil)
		before := stateOf(t, c)
		nic := hotplug.NIC{ID: "n", Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}, Bus: bus, Props: qmp.Args{"addr": slot + ".1"}}
		require.NoError(t, vm.AddNIC(ctx, nic))
		require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "virtio-rng-pci", ID: "w", Bus: bus, Props: qmp.Args{"addr": slot + ".2"}}))
		require.NoError(t, vm.AddDisk(ctx, function("d", bus, slot+".0"))) // with which the guest is told of all
		if machine == "pc" {
			require.NoError(t, vm.AddDisk(ctx, function("alone", bus, "a.0")))
			require.NoError(t, errorOf(vm.RemoveDisk(ctx, "alone")), "it could have had neighbours")
		}

		there := stateOf(t, c)
		sharedSlot(t, errorOf(vm.RemoveDisk(ctx, "d")), "d", "n", "w")
		sharedSlot(t, errorOf(vm.RemoveNIC(ctx, "n")), "n", "d", "w")
		sharedSlot(t, errorOf(vm.RemoveDevice(ctx, "w")), "w", "d", "n")
		sharedSlot(t, errorOf(vm.RemoveFunctions(ctx, []string{"n", "w"})), "n", "d")
		require.Equal(t, there, stateOf(t, c))

		require.NoError(t, errorOf(vm.RemoveFunctions(ctx, []string{"w", "d", "n"})))
		require.Equal(t, before, stateOf(t, c))
		require.NoError(t, errorOf(vm.RemoveFunctions(ctx, []string{"w", "d", "n"})), "what is gone can be removed")
	})
}

// TestSharedSlotOfAPort has a second device on the bus of a port, in a slot that no guest looks at.
func TestSharedSlotOfAPort(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "q35", Args: []string{
			"-device", "virtio-rng-pci,id=a,bus=rp1,addr=0", "-device", "virtio-rng-pci,id=b,bus=rp1,addr=1"}})
		c := qvm.Dial(t)
		vm := hotplug.New(c, nil)
		sharedSlot(t, errorOf(vm.RemoveDevice(t.Context(), "a")), "a", "b")
		sharedSlot(t, errorOf(vm.RemoveDevice(t.Context(), "b")), "b", "a")
	})
}

// TestFunctions removes functions with a fault at each command, and then without.
func TestFunctions(t *testing.T) {
	ids := []string{"n", "w", "d"}
	add := func(t *testing.T, c *qmp.Client) {
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "n", Bus: "b", Props: qmp.Args{"addr": "3.1"},
			Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}}))
		require.NoError(t, vm.AddDevice(t.Context(), hotplug.Device{Driver: "x", ID: "w", Backend: rng, Bus: "b", Props: qmp.Args{"addr": "3.2"}}))
		require.NoError(t, vm.AddDisk(t.Context(), function("d", "b", "3.0")))
	}
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				c := pipe(t, m, nil)
				met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
					add(t, c)
					return errorOf(hotplug.New(conn, nil).RemoveFunctions(ctx, ids))
				}, func(command string, err error) {
					require.NoError(t, errorOf(hotplug.New(c, nil).RemoveFunctions(t.Context(), ids)), command)
					require.Empty(t, m.State(), command)
				})
				require.NoError(t, err)
				require.Empty(t, m.State())
				require.Contains(t, met, "device_del")
			})
		})
	}
}

func TestFunctionsThatAreNone(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddDisk(ctx, function("a", "b", "3.0")))
	require.NoError(t, vm.AddDisk(ctx, function("other", "b", "4.0")))
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "mem", Backend: hotplug.RAM{Size: 1 << 20}}))
	before := m.State()
	for _, c := range []struct {
		ids  []string
		says string
	}{
		{nil, "IDs of the devices are missing"},
		{[]string{"a", "1"}, "ID must begin with a letter"},
		{[]string{"a", "other"}, `device "other" is not in the slot of "a"`},
		{[]string{"a", "mem"}, "RemoveMemory removes both"},
	} {
		require.ErrorContains(t, errorOf(vm.RemoveFunctions(ctx, c.ids)), c.says)
		require.Equal(t, before, m.State())
	}
}

// TestSharedSlotIsNotUndone has a function whose addition is not known to have happened. Undoing it
// would take its neighbour along.
func TestSharedSlotIsNotUndone(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), function("a", "b", "3.0")))
	for at := 0; ; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		conn := &fakeqemu.Faulty{Client: c, Fault: fakeqemu.LostAfter, At: at, Cancel: cancel}
		err := hotplug.New(conn, nil).AddDisk(ctx, function("d", "b", "3.1"))
		cancel()
		if conn.Met != "device_add" {
			require.Error(t, err)
			continue
		}
		var rollback *hotplug.RollbackError
		require.ErrorAs(t, err, &rollback)
		require.Equal(t, []string{"device d", "node d"}, rollback.Left)
		sharedSlot(t, err, "d", "a")
		require.Equal(t, []string{"device a", "device d", "node a", "node d"}, m.State())
		return
	}
}

// TestControllersOfQEMU has devices on the buses of others: a disk on a SCSI and on a USB bus, and a
// device without an id. QEMU would remove them with their controller. It would never remove the bridge.
func TestControllersOfQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "virtio-scsi-pci,id=scsi", "-device", "qemu-xhci,id=usb",
			"-device", "virtio-serial-pci,id=serial", "-device", "virtserialport",
			"-device", "pci-bridge,id=bridge,chassis_nr=1",
		}})
		c, ctx := qvm.Dial(t), limit(t)
		vm := hotplug.New(c, nil)
		for id, bus := range map[string]string{"scsi-hd": "scsi.0", "usb-storage": "usb.0"} {
			d := memory(id)
			d.Driver, d.Bus = id, bus
			require.NoError(t, vm.AddDisk(ctx, d))
		}
		before := stateOf(t, c)
		for controller, other := range map[string]string{"scsi": "scsi-hd", "usb": "usb-storage", "serial": "/machine/peripheral-anon/"} {
			_, err := vm.RemoveDevice(ctx, controller)
			require.ErrorIs(t, err, hotplug.ErrNotAlone)
			require.ErrorContains(t, err, other)
			require.ErrorIs(t, errorOf(vm.RemoveFunctions(ctx, []string{controller})), hotplug.ErrNotAlone)
		}
		require.Equal(t, before, stateOf(t, c))

		require.ErrorIs(t, errorOf(vm.RemoveDevice(ctx, "bridge")), errors.ErrUnsupported, "QEMU was started with it")
		require.ErrorIs(t, errorOf(vm.RemoveFunctions(ctx, []string{"bridge"})), errors.ErrUnsupported)
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "scsi-hd")))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, errorOf(vm.RemoveDevice(short, "scsi")), hotplug.ErrUnplugPending, "without a guest")
	})
}
