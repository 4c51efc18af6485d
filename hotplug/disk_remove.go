package hotplug

import (
	"context"
)

// RemoveDisk hot-removes a disk and everything that AddDisk added for it: the device, the block node and
// the nodes below it, descriptors, secrets and the vhost-user connection.
//
// It asks the guest to release the device and waits until the guest has done so, the guest refuses, or ctx
// ends. A guest that is booting or busy can lose the request, and QEMU refuses it while the guest powers
// the slot on; RemoveDisk then asks again. A Linux guest takes about 0.2 s on a pc machine and 6 s with PCI
// Express hotplug; give ctx a deadline. RemoveDisk is idempotent: call it again to finish a removal that
// was interrupted, also from another process. Removing a disk that is partly or completely gone succeeds.
//
// The disk may have been added by AddDisk or by QEMU's command line, but its node must have the device's ID.
// After a snapshot or a mirror, or while a block job runs, the device uses another node: remove the device
// with [VM.RemoveDevice], then call RemoveDisk to remove the other things that AddDisk added.
//
// RemoveDisk returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Nothing was removed.
//   - [ErrUnplugRefused]: the guest refused. The disk works as before.
//   - [ErrNotDisk]: the device is not a disk, or uses a node with another name, for example a [Node]:
//     see [VM.RemoveDevice].
//   - [ErrNotAlone]: other devices are on the buses of the device, for example the namespaces of an
//     nvme.
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - [ErrInUse]: the device is gone, but something else uses the node, for example a block job. Call
//     RemoveDisk again when the job has ended.
//   - [ErrDescriptorsKept]: everything is removed except descriptors, which QEMU 5.2 and 7.2 keep open
//     while the VM is stopped. Call RemoveDisk again when it runs.
//   - any other [*qmp.Error]: QEMU can never unplug the device, or refused a command.
//
// As long as the node exists, RemoveDisk also leaves the descriptors and secrets that the node needs.
//
// Source: device_del, DEVICE_DELETED, blockdev-del, remove-fd, object-del and chardev-remove.
func (vm *VM) RemoveDisk(ctx context.Context, id string, opts ...RemoveOption) (kept []Kept, err error) {
	return vm.removingDevice(ctx, "disk", id, opts, func(r *removal) error { return vm.removeWith(ctx, id, r, diskRemoval) })
}
