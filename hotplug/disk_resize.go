package hotplug

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ResizeDisk changes the size of a disk, in bytes, while the guest uses it (block_resize). QEMU tells
// the guest. id is the device's; ResizeDisk resizes whatever the device uses at the moment: the
// disk's own node, an overlay, a filter and what it filters, a drive of -drive.
//
// QEMU changes the size of a file or an image with it. A block device of the host, or storage in the
// network, has been made larger before, and size is its new one. QEMU rounds a size that is not a
// multiple of 512, up or down depending on the storage, or refuses it. A disk that is made smaller
// loses what is behind the new end, without another question, unless the storage cannot be made
// smaller. Resizing again to the same size is not an error.
//
// ResizeDisk returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such device.
//   - [ErrNotDisk]: the device has no storage that QEMU could resize. That is so for a disk of
//     vhost-user, whose server decides its size, and for a drive without a medium.
//   - [qmp.ErrGeneric]: QEMU refuses, for example while a block job runs on the disk.
func (vm *VM) ResizeDisk(ctx context.Context, id string, size int64) error {
	return vm.operate(ctx, "resize disk", id, func() error { return vm.resizeDisk(ctx, id, size) })
}

func (vm *VM) resizeDisk(ctx context.Context, id string, size int64) error {
	if err := checkID(id); err != nil {
		return err
	}
	if size <= 0 {
		return fmt.Errorf("size is %d bytes: it must be positive", size)
	}
	device, drive, err := vm.drive(ctx, id)
	switch {
	case err != nil:
		return err
	case !device:
		return errNoDevice
	case drive == nil:
		return ErrNotDisk
	case *drive == "":
		return because(ErrNotDisk, "drive has no medium")
	}
	// The name is a node's, or a drive's of -drive. QEMU does not let one be both.
	return qemu.BlockResize{Device: drive, NodeName: drive, Size: size}.Do(ctx, vm.conn)
}
