package hotplug

import "context"

// RemoveDisk hot-removes a disk and everything that AddDisk added for it: the device, the block node and
// the nodes below it, descriptors, secrets and the vhost-user connection.
//
// It asks the guest to release the device and waits until the guest has done so, the guest refuses, or ctx
// ends. A guest that is booting or busy can lose the request, and QEMU refuses it while the guest powers
// the slot on; RemoveDisk then asks again. A Linux guest takes about 0.2 s on a pc machine and 6 s with PCI
// Express hotplug; give ctx a deadline. RemoveDisk is idempotent: call it again to finish a removal that
// was interrupted, also from another process. Removing a disk that is partly or completely gone succeeds.
//
// RemoveDisk asks QEMU which storage the device uses. So the node can have any name, also after a snapshot or a mirror,
// and QEMU can have been started with the disk. RemoveDisk removes the parts that this package
// added, and the parts that the options [WithBackend] and [WithNode] name. Other parts of the device stay and are in
// kept:
//   - A node or a character device that somebody else added. Its Err matches [ErrNotOurs].
//   - A part that something else uses, for example another disk or an export. Its Err matches [ErrInUse].
//
// QEMU removes a drive of -drive with its device.
//
// If err is nil, nothing is left of what this package added for the disk. RemoveDisk returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Nothing was removed. kept lists the
//     parts that the device uses, because QEMU no longer reports them when the guest has released the device.
//   - [ErrUnplugRefused]: the guest refused. The disk works as before.
//   - [ErrNotDisk]: the device is not a disk.
//   - [ErrNoID]: the device of the disk has no ID.
//   - [ErrBusy]: jobs are on the disk, or exports serve a node that this package added. Nothing was removed. The
//     [*BusyError] names them. [WithJobs] cancels the jobs. Remove the exports first, by block-export-del.
//   - [ErrNotAlone]: other devices are on the buses of the device, for example the namespaces of an
//     nvme.
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - [ErrInUse]: the device is gone, but something else uses a node that this package added, for example a block job
//     that began during the removal. Call RemoveDisk again when the job has ended.
//   - [ErrDescriptorsKept]: everything is removed except descriptors, which QEMU 5.2 and 7.2 keep open
//     while the VM is stopped. Call RemoveDisk again when it runs.
//   - any other [*qmp.Error]: QEMU can never unplug the device, or refused a command.
//
// As long as a node of the disk exists, RemoveDisk also leaves the descriptors and secrets that the node needs.
//
// If the device is gone, RemoveDisk removes the parts that an interrupted AddDisk or RemoveDisk has left. It finds them
// by the device's ID, even if the caller has named them. RemoveDisk treats a node with the device's ID as one that
// AddDisk added.
//
// Source: query-jobs, query-block, query-block-exports, device_del, DEVICE_DELETED, blockdev-del, remove-fd, object-del and
// chardev-remove.
func (vm *VM) RemoveDisk(ctx context.Context, id string, opts ...RemoveOption) (kept []Kept, err error) {
	return vm.removingDevice(ctx, "disk", id, opts, func(r *removal) error { return vm.removeWith(ctx, id, r, diskRemoval) })
}
