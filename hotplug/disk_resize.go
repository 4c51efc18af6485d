package hotplug

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ResizeDisk changes the size of a disk, in bytes, while the guest uses it. QEMU tells the guest. id is the
// ID of the device. ResizeDisk resizes the node that the device uses now: the disk's own node, an overlay,
// a filter with the node below it, or a drive of -drive.
//
// QEMU resizes the file or the image, too. A block device of the host, or storage in the network, must have
// its new size before the call. If size is smaller, the data behind the new end is lost without a warning,
// unless the storage cannot shrink. If size is not a multiple of 512, QEMU rounds it, up or down depending
// on the storage, or refuses it. Resizing to the same size succeeds.
//
// ResizeDisk returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such device.
//   - [ErrNotDisk]: the device has no storage that QEMU could resize. Examples are a vhost-user disk,
//     whose server decides the size, and a drive without a medium.
//   - [qmp.ErrGeneric]: QEMU refuses, for example while a block job runs on the disk.
//
// Source: block_resize.
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
