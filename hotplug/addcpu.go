package hotplug

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// AddCPU adds a virtual CPU (query-hotpluggable-cpus, device_add) and returns the place where it
// is. When it returns the guest is being told of it; a Linux guest uses it when somebody there
// brings it online, as the udev rules of most distributions do.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use, [ErrNoFreePlace] that there is no place: how many
// there are is decided when QEMU is started.
//
// Without KVM, QEMU before 10.0 is not asked to remove CPUs: see [VM.RemoveCPU]. An addition whose
// outcome is unknown then cannot be undone, and is a [*RollbackError] that lists the device. QEMU 10.0
// without KVM ends when more CPUs have been added in its life than maxcpus allows at a time, removed
// ones included; nothing tells how many there were.
//
// The guest of a QEMU 5.2 hears nothing of new CPUs, and QEMU cannot remove them, unless the
// property cpu-hotplug-legacy of the machine's acpi-device was set to false before: the example
// does so.
func (vm *VM) AddCPU(ctx context.Context, c CPU) (qemu.HotpluggableCPU, error) {
	var added qemu.HotpluggableCPU
	err := vm.adding(ctx, "CPU", c.ID, func(undo *rollback) error {
		place, err := vm.addCPU(ctx, undo, &c)
		if err == nil {
			added = *place
			added.QOMPath = new(devicePath(c.ID))
		}
		return err
	})
	return added, err
}

func (vm *VM) addCPU(ctx context.Context, undo *rollback, c *CPU) (*qemu.HotpluggableCPU, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := vm.checkNoDevice(ctx, c.ID); err != nil {
		return nil, err
	}
	places, err := qemu.QueryHotpluggableCPUs{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	place, err := c.choose(places)
	if err != nil {
		return nil, err
	}
	return place, undo.step("device "+c.ID,
		func() error { return c.device(place).Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.unplugAs(ctx, c.ID, aCPU) })
}
