package hotplug

import "context"

// RemoveNIC hot-removes a NIC and everything that AddNIC added for it: the device, the netdev with its
// descriptors, and the vhost-user connection.
//
// It asks the guest to release the device and waits as [VM.RemoveDisk] does; give ctx a deadline. RemoveNIC is
// idempotent: call it again to finish a removal that was interrupted, also from another process. If the device is
// gone, RemoveNIC removes the parts that exist: the netdev, descriptors with the names of its queues and the character
// device "ID-chardev".
//
// RemoveNIC asks QEMU which netdev the device uses, so the netdev can have any name. If somebody else added the netdev,
// it stays and is in kept, unless [WithBackend] or [WithNetdev] removes it. QEMU removes the character device of a
// vhost-user netdev with the netdev.
//
// RemoveNIC returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Nothing was removed. kept has the netdev.
//   - [ErrUnplugRefused]: the guest refused. The NIC works as before.
//   - [ErrNotNIC]: the device is not a NIC.
//   - [ErrInUse]: the device is gone, but another device uses the netdev, or something uses the character device
//     "ID-chardev".
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - any other [*qmp.Error]: QEMU can never unplug the device, or refused a command.
//
// Source: device_del, DEVICE_DELETED, netdev_del, closefd and chardev-remove.
func (vm *VM) RemoveNIC(ctx context.Context, id string, opts ...RemoveOption) (kept []Kept, err error) {
	return vm.removingDevice(ctx, "NIC", id, opts, func(r *removal) error { return vm.removeWith(ctx, id, r, nicRemoval) })
}
