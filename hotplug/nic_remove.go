package hotplug

import (
	"context"
)

// RemoveNIC hot-removes a NIC and everything that AddNIC added for it: the device, the netdev with its
// descriptors, and the vhost-user connection.
//
// It asks the guest to release the device and waits as [VM.RemoveDisk] does; give ctx a deadline. RemoveNIC
// is idempotent: call it again to finish a removal that was interrupted, also from another process. If the
// device is gone, RemoveNIC removes the rest that exists: the netdev with the name id, descriptors with the
// names of its queues and the character device "ID-chardev".
//
// The NIC may have been added by AddNIC or by QEMU's command line, but its netdev must have the device's ID.
//
// RemoveNIC returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Nothing was removed.
//   - [ErrUnplugRefused]: the guest refused. The NIC works as before.
//   - [ErrNotNIC]: the device is not a NIC or uses a netdev with another name, or another device uses
//     the netdev.
//   - [ErrInUse]: the device is gone, but something else uses the character device "ID-chardev".
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - any other [*qmp.Error]: QEMU can never unplug the device, or refused a command.
//
// Source: device_del, DEVICE_DELETED, netdev_del, closefd and chardev-remove.
func (vm *VM) RemoveNIC(ctx context.Context, id string, opts ...RemoveOption) (kept []Kept, err error) {
	return vm.removingDevice(ctx, "NIC", id, opts, func(*removal) error { return vm.removeNIC(ctx, id) })
}

func (vm *VM) removeNIC(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, isNIC, err := vm.checkNIC(ctx, id)
	if err != nil {
		return err
	}
	if device && !isNIC {
		return ErrNotNIC
	}
	if device {
		if err := vm.unplug(ctx, id); err != nil {
			return err
		}
	}
	return vm.removeNICRest(ctx, id)
}

// checkNIC reports whether the device exists, and whether it is a NIC. It returns an error if the NIC uses
// a netdev with another name, or if another device uses the netdev with this name.
func (vm *VM) checkNIC(ctx context.Context, id string) (device, isNIC bool, err error) {
	var netdev string
	device, isNIC, err = vm.property(ctx, id, "netdev", &netdev)
	switch {
	case err != nil || device && !isNIC:
		return device, false, err
	case device && netdev != "" && netdev != id:
		return true, true, because(ErrNotNIC, "device uses netdev %q, not its own", netdev)
	}
	if netdev != id { // the device, if there is one, has none
		err = vm.checkNetdevUnused(ctx, id, ErrNotNIC)
	}
	return device, isNIC, err
}

// removeNICRest removes everything of a NIC except its device, which is gone.
func (vm *VM) removeNICRest(ctx context.Context, id string) error {
	was, err := vm.removeNetdev(ctx, id)
	if err != nil || was {
		return err
	}
	// Without a netdev, an interrupted AddNIC can have left descriptors and the connection.
	for _, name := range []func(queue int) string{tapNames(id), vhostNames(id)} {
		if err := vm.closeNames(ctx, name, 0, maxMissing); err != nil {
			return err
		}
	}
	_, err = vm.removeChardev(ctx, chardevOf(id))
	return err
}
