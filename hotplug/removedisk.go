package hotplug

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
)

// RemoveDisk removes a disk that AddDisk has added, in whatever process that was, or one that
// QEMU was started with, if its node has the ID of its device. It asks the guest to let go of
// the device, waits until it has, and takes away the node with its tree, the descriptors, the
// secrets and the connection of vhost-user. How long that takes is up to the guest, and how long to
// wait up to ctx: on the bus of a pc machine a Linux guest needs 0.2 seconds, with PCI Express's own
// hotplug 6.
//
// What is gone already is no error, and nothing of the disk being there is none either: a block
// node of the name id is then taken for what is left of it. A device that is no disk, or whose
// node has another name than id, is [ErrNotDisk]. That is so for one that was added here, too,
// while a block job has put a node of its own above the disk's, and after a snapshot or a mirror:
// [VM.RemoveDevice] removes the device, and RemoveDisk then what AddDisk has made besides.
//
// When it fails it can be called again to finish: with [ErrUnplugPending] the guest has not
// answered, with [ErrUnplugRefused] it does not want to, with [ErrDescriptorsKept] the machine
// has to run first. Other errors after the device has gone, such as a node that something else
// uses, leave the node and what it needs. A device that QEMU refuses to unplug now, without
// being one that never can be, is waited for 8 seconds.
func (vm *VM) RemoveDisk(ctx context.Context, id string) error {
	return vm.removing(ctx, "disk", id, func() error { return vm.removeDisk(ctx, id) })
}

func (vm *VM) removeDisk(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, err := vm.checkDevice(ctx, id)
	if err != nil {
		return err
	}
	if device {
		if err := vm.unplug(ctx, id); err != nil {
			return err
		}
	}
	if err := vm.removeStorage(ctx, id); err != nil {
		return err
	}
	// These do not need each other: what QEMU keeps of one does not keep the others.
	return errors.Join(vm.removeFdsets(ctx, id), vm.removeSecrets(ctx, id), vm.removeChardev(ctx, id))
}

// checkDevice tells whether there is a device, which must be a disk with storage of its own.
func (vm *VM) checkDevice(ctx context.Context, id string) (device bool, err error) {
	device, node, err := vm.drive(ctx, id)
	if err != nil || !device {
		return false, err
	}
	isDisk := node != nil
	if !isDisk {
		if isDisk, err = vm.hasDiskChardev(ctx, id); err != nil {
			return false, err
		}
	}
	switch node := qmp.Value(node); {
	case !isDisk:
		return false, fmt.Errorf("%w: device %s", ErrNotDisk, id)
	case node != "" && node != id:
		return false, fmt.Errorf("%w that was added under this ID: device %s uses the node %q", ErrNotDisk, id, node)
	}
	return true, nil
}
