package hotplug

import (
	"context"
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// RemoveMemory hot-removes memory that AddMemory added, in any process, or that QEMU was started with: the device and
// the object behind it. It asks QEMU which object the device uses. If AddMemory did not add the object, and the object
// has another name than the device, it stays and is in kept, unless [WithBackend] or [WithObject] removes it.
//
// It asks the guest to release the memory and waits as [VM.RemoveDisk] does; give ctx a deadline. For a
// virtio-mem device, it first asks the guest to give back all memory of the device. Removing memory that is
// partly or completely gone succeeds.
//
// RemoveMemory returns an error that matches:
//   - [ErrUnplugPending], [ErrResizePending]: ctx ended before the guest released the memory. Call
//     RemoveMemory again.
//   - [ErrUnplugRefused]: the guest refused, because it cannot free that memory.
//   - [ErrNotMemory]: the device is not memory.
//   - [ErrInUse]: the device is gone, but something else uses the object that AddMemory added.
//   - [*SharedSlotError]: the guest would release other devices with a virtio-mem-pci. See [VM.RemoveFunctions].
//   - any other [*qmp.Error]: QEMU can never unplug the device. No QEMU can unplug an nvdimm or a
//     virtio-pmem. QEMU before 8.1 cannot unplug a virtio-mem device: it stays, without any memory.
//
// Source: qom-set of requested-size, device_del, DEVICE_DELETED, ACPI_DEVICE_OST, object-del.
func (vm *VM) RemoveMemory(ctx context.Context, id string, opts ...RemoveOption) (kept []Kept, err error) {
	return vm.removingDevice(ctx, "memory", id, opts, func(r *removal) error { return vm.removeWith(ctx, id, r, memoryRemoval) })
}

// keptMemory reports whether a driver is of memory that no QEMU can unplug. Such a device has the property hotpluggable
// nevertheless.
func keptMemory(driver string) bool {
	return driver == "nvdimm" || strings.HasPrefix(driver, "virtio-pmem")
}

// unplugMemory removes the device of memory, if it exists. QEMU releases a virtio-mem device only when the
// guest has given back all of its memory.
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
		k.final = version.Compare(qmp.Version{Major: 8, Minor: 1}) < 0 // such a QEMU always refuses
	}
	return vm.unplugAs(ctx, id, k)
}
