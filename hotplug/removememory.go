package hotplug

import (
	"context"
	"errors"
	"fmt"
)

// RemoveMemory removes memory that AddMemory has added, in whatever process that was, or that QEMU
// was started with, if the object has the ID of its device. It asks the guest to let go of the
// device, waits until it has, and takes away the object. How long that takes is up to the guest,
// and how long to wait up to ctx.
//
// A virtio-mem device is asked for all its memory first. QEMU 5.2 and 7.2 cannot remove such a
// device: there it stays, with no memory in it, and the error is QEMU's refusal.
//
// What is gone already is no error. A device that is no memory, or whose object has another name
// than id, is [ErrNotMemory]. When it fails it can be called again to finish: with
// [ErrUnplugPending] and [ErrResizePending] the guest has not answered, with [ErrUnplugRefused] it
// does not want to, since it cannot do without what is in that memory.
func (vm *VM) RemoveMemory(ctx context.Context, id string) error {
	return vm.removing(ctx, "memory", id, func() error { return vm.removeMemory(ctx, id) })
}

func (vm *VM) removeMemory(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, err := vm.checkMemory(ctx, id)
	if err != nil {
		return err
	}
	if device {
		if err := vm.unplugMemory(ctx, id); err != nil {
			return err
		}
	}
	return vm.removeBackend(ctx, id)
}

// checkMemory tells whether there is a device with this id, which must be one of memory.
func (vm *VM) checkMemory(ctx context.Context, id string) (device bool, err error) {
	var backend string
	device, isMemory, err := vm.property(ctx, id, "memdev", &backend)
	switch {
	case err != nil:
		return false, err
	case device && !isMemory:
		return false, fmt.Errorf("%w: device %s", ErrNotMemory, id)
	case device && backend != objectPath(id):
		return false, fmt.Errorf("%w that was added under this ID: device %s uses %s", ErrNotMemory, id, backend)
	}
	return device, nil
}

// unplugMemory removes a device of memory, which may be gone already. QEMU lets go of a virtio-mem
// device only when the guest has given back what it used of it.
func (vm *VM) unplugMemory(ctx context.Context, id string) error {
	var requested uint64
	_, resizable, err := vm.property(ctx, id, requestedSize, &requested)
	if err != nil {
		return err
	}
	if resizable {
		if err := vm.setMemory(ctx, id, 0); err != nil && !errors.Is(err, ErrNotMemory) {
			return err
		}
	}
	return vm.unplugAs(ctx, id, aMemory)
}
