package hotplug

import (
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/qmp"
)

// RemoveMemory hot-removes memory that AddMemory added, in any process, or that QEMU was started with,
// as long as the object has the device's ID: the device and the object.
//
// It asks the guest to release the memory and waits as [VM.RemoveDisk] does; give ctx a deadline. The
// guest is asked for all memory of a virtio-mem device first. QEMU before 8.1 cannot unplug such a
// device: it stays, with no memory in it, and the error is QEMU's refusal. Removing memory that is
// partly or completely gone is not an error.
//
// RemoveMemory returns an error that matches:
//   - [ErrUnplugPending], [ErrResizePending]: ctx ended before the guest released the memory.
//   - [ErrUnplugRefused]: the guest refused, because it cannot do without what is in that memory.
//   - [ErrNotMemory]: the device is not memory, or uses an object with another name.
//   - [ErrInUse]: the device is gone, but something else uses the object.
//
// Source: qom-set of requested-size, device_del, DEVICE_DELETED, ACPI_DEVICE_OST, object-del.
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

// checkMemory reports whether there is a device with this id, which must be one of memory.
func (vm *VM) checkMemory(ctx context.Context, id string) (device bool, err error) {
	var backend string
	device, isMemory, err := vm.property(ctx, id, "memdev", &backend)
	switch {
	case err != nil:
		return false, err
	case device && !isMemory:
		return false, ErrNotMemory
	case device && backend != objectPath(id):
		return false, because(ErrNotMemory, "device uses object %s, not its own", backend)
	}
	return device, nil
}

// unplugMemory removes a device of memory, which may be gone already. QEMU releases a virtio-mem
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
	k := aMemory
	if resizable {
		version, err := vm.version(ctx)
		if err != nil {
			return err
		}
		k.final = version.Compare(qmp.Version{Major: 8, Minor: 1}) < 0 // there QEMU refuses for good
	}
	return vm.unplugAs(ctx, id, k)
}
