package hotplug

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// AddDevice adds a device that needs nothing else to be made for it (device_add): a device on a
// USB bus, a controller, a watchdog, a PCI device of the host (vfio-pci). What its properties
// name, such as a node or a netdev, is there already and stays when the device is removed. It has
// an ID.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use. A [*qmp.Error] is QEMU's answer: there is no such
// driver, bus or property, the bus takes no devices while the machine runs, or the host's device
// cannot be had.
func (vm *VM) AddDevice(ctx context.Context, device qemu.DeviceAdd) error {
	id := qmp.Value(device.ID)
	return vm.adding(ctx, "device", id, func(undo *rollback) error {
		if err := checkID(id); err != nil {
			return err
		}
		if err := vm.checkNoDevice(ctx, id); err != nil {
			return err
		}
		return vm.plug(ctx, undo, device)
	})
}

// checkNoDevice makes sure that undoing will not take away what somebody else has added.
func (vm *VM) checkNoDevice(ctx context.Context, id string) error {
	device, err := vm.deviceExists(ctx, id)
	if err == nil && device {
		err = fmt.Errorf("%w: a device %s", ErrExists, id)
	}
	return err
}
