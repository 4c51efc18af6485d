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
	end, err := vm.begin(ctx)
	if err == nil {
		defer end()
		err = vm.resizeDisk(ctx, id, size)
	}
	if err != nil {
		return fmt.Errorf("hotplug: disk %q is not resized: %w", id, err)
	}
	return nil
}

func (vm *VM) resizeDisk(ctx context.Context, id string, size int64) error {
	if err := checkID(id); err != nil {
		return err
	}
	if size <= 0 {
		return fmt.Errorf("a size of %d bytes", size)
	}
	device, drive, err := vm.drive(ctx, id)
	switch {
	case err != nil:
		return err
	case !device:
		return noDevice(id)
	case drive == nil:
		return fmt.Errorf("%w: device %s", ErrNotDisk, id)
	case *drive == "":
		return fmt.Errorf("%w with a medium: device %s", ErrNotDisk, id)
	}
	// The name is a node's, or a drive's of -drive. QEMU does not let one be both.
	return qemu.BlockResize{Device: drive, NodeName: drive, Size: size}.Do(ctx, vm.conn)
}
