package hotplug

import (
	"context"
	"fmt"
)

// RemoveNIC removes a NIC that AddNIC has added, in whatever process that was, or one that QEMU was
// started with, if its netdev has the ID of its device. It asks the guest to let go of the device,
// waits until it has, and takes away the netdev and with it the descriptors. How long that takes is
// up to the guest, and how long to wait up to ctx: see [VM.RemoveDisk].
//
// What is gone already is no error, and nothing of the NIC being there is none either: a netdev of
// the name id, descriptors with the names of its queues and a character device "ID-chardev" are
// then taken for what is left of it. A device that is no NIC, or whose netdev has another name than
// id, is [ErrNotNIC], and so is a netdev that another device uses.
//
// When it fails it can be called again to finish: with [ErrUnplugPending] the guest has not
// answered, with [ErrUnplugRefused] it does not want to. A device that QEMU refuses to unplug now,
// without being one that never can be, is waited for 8 seconds.
func (vm *VM) RemoveNIC(ctx context.Context, id string) error {
	return vm.removing(ctx, "NIC", id, func() error { return vm.removeNIC(ctx, id) })
}

func (vm *VM) removeNIC(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	var netdev string
	device, isNIC, err := vm.property(ctx, id, "netdev", &netdev)
	switch {
	case err != nil:
		return err
	case device && !isNIC:
		return fmt.Errorf("%w: device %s", ErrNotNIC, id)
	case device && netdev != "" && netdev != id:
		return fmt.Errorf("%w that was added under this ID: device %s uses the netdev %q", ErrNotNIC, id, netdev)
	}
	if netdev != id { // the device, if there is one, has none
		if err := vm.checkNetdevUnused(ctx, id, ErrNotNIC); err != nil {
			return err
		}
	}
	if device {
		if err := vm.unplug(ctx, id); err != nil {
			return err
		}
	}
	was, err := vm.removeNetdev(ctx, id)
	if err != nil || was {
		return err
	}
	// Nothing has taken what an addition that was cut off has left.
	for _, name := range []func(queue int) string{tapNames(id), vhostNames(id)} {
		if err := vm.closeNames(ctx, name, 0, maxMissing); err != nil {
			return err
		}
	}
	return vm.removeChardev(ctx, id)
}
