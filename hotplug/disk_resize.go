package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrHasBitmaps means that a disk has bitmaps, which would not record a change of the disk. The operation has changed nothing.
var ErrHasBitmaps = errors.New("disk has bitmaps")

// ResizeDisk changes the size of a disk, in bytes, while the guest uses it. QEMU tells the guest. id is the
// ID of the device, or the name of a disk without one, see [DiskNames]. ResizeDisk resizes the node that the device uses
// now: the disk's own node, an overlay, a filter with the node below it, or a drive of -drive.
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
//   - [ErrBusy]: size is smaller, and a backup or a frozen view of the disk is open.
//   - [ErrHasBitmaps]: size is smaller, and the disk has bitmaps. Remove them, and take a full backup afterwards.
//   - [qmp.ErrGeneric]: QEMU refuses, for example while a block job runs on the disk.
//   - [qmp.ErrNotSent]: the machine has not arrived yet (-incoming). QEMU 5.2 and 7.2 terminate if a disk gets another size
//     then.
//
// Source: block_resize, query-block.
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
	if err == nil && !device {
		device, drive, err = vm.driveNamed(ctx, id)
	}
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
	if err := vm.checkArrived(ctx); err != nil {
		return err
	}
	if err := vm.checkShrinks(ctx, *drive, size); err != nil {
		return err
	}
	// The name is a node's, or a drive's of -drive. QEMU does not let one be both.
	return qemu.BlockResize{Device: drive, NodeName: drive, Size: size}.Do(ctx, vm.conn)
}

// driveNamed finds a disk whose device has no ID. drive is the name of its node or of its drive, or "" without a medium.
func (vm *VM) driveNamed(ctx context.Context, name string) (device bool, drive *string, err error) {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	i := slices.Index(DiskNames(blocks), name)
	switch {
	case err != nil || i < 0:
		return false, nil, err
	case blocks[i].Inserted == nil:
		return true, new(""), nil
	}
	return true, new(cmp.Or(blocks[i].Device, qmp.Value(blocks[i].Inserted.NodeName))), nil
}

// checkShrinks returns an error if a disk with bitmaps would become smaller. If it grows again later, the bitmaps do not have
// the part that was cut off, so an incremental backup would lack it.
func (vm *VM) checkShrinks(ctx context.Context, drive string, size int64) error {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	for _, b := range blocks {
		if i := b.Inserted; i != nil && (b.Device == drive || qmp.Value(i.NodeName) == drive) && size < i.Image.VirtualSize {
			if i.Drv == string(qemu.BlockdevDriverCopyBeforeWrite) { // QEMU does not list the bitmaps below it
				return because(ErrBusy, "a backup or a frozen view of the disk is open")
			}
			for _, bitmap := range i.DirtyBitmaps {
				if bitmap.Name != nil {
					return because(ErrHasBitmaps, "disk has bitmap %q, which would lack the change: remove it first", *bitmap.Name)
				}
			}
		}
	}
	return err
}

// checkArrived returns an error if the machine waits for a migration, and QEMU would terminate instead of refusing to use
// its disks.
func (vm *VM) checkArrived(ctx context.Context) error {
	version, err := vm.version(ctx)
	if err != nil || version.Compare(qmp.Version{Major: 10}) >= 0 {
		return err
	}
	status, err := qemu.QueryStatus{}.Do(ctx, vm.conn)
	if err == nil && status.Status == qemu.RunStateInmigrate {
		return because(qmp.ErrNotSent, "machine waits for a migration (inmigrate)")
	}
	return err
}
