package hotplug

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// A Fallback adds and removes the drives of disks in a QEMU without blockdev-add: 2.8 and older. The caller
// has to write it, because these QEMUs only have drive_add, a command of the human monitor whose answers
// differ from version to version. Operations on different disks can call the functions at the same time.
type Fallback struct {
	// Add adds a drive with the name d.ID, which the device will use. d.Backend is a [File], a [Descriptor]
	// or a [Blockdev], not a pointer to one. If Add fails, there must be no drive, unless the error matches
	// [qmp.ErrOutcomeUnknown].
	Add func(ctx context.Context, d Disk) error

	// Remove removes a drive by its name. Removing a missing drive must succeed: QEMU removes a drive with
	// its device.
	Remove func(ctx context.Context, id string) error
}

// fallsBack reports whether the fallback adds the drives.
func (vm *VM) fallsBack(ctx context.Context) (bool, error) {
	if vm.fallback == nil {
		return false, nil
	}
	missing, err := vm.missing(ctx, "blockdev-add")
	return len(missing) > 0, err
}

// addDrive adds a drive instead of a node, as a step of an operation.
func (vm *VM) addDrive(ctx context.Context, undo *rollback, d *Disk) error {
	if d.NodeName != d.ID {
		return because(errors.ErrUnsupported, "NodeName is %q: without blockdev-add, a drive has the ID of its disk", d.NodeName)
	}
	if err := vm.checkUnused(ctx, d); err != nil {
		return err
	}
	err := vm.fallback.Add(ctx, *d)
	if err == nil || errors.Is(err, qmp.ErrOutcomeUnknown) {
		undo.done("drive "+d.ID, func(ctx context.Context) error { return vm.fallback.Remove(ctx, d.ID) })
	}
	return err
}

// removeDrive removes what is below a disk's device: the node, or the drive. If it is in use, it waits until limit has
// passed.
func (vm *VM) removeDrive(ctx context.Context, name string, limit time.Duration) (removed bool, err error) {
	removed, err = vm.removeNodeWithin(ctx, name, limit)
	if vm.fallback != nil && errors.Is(err, errors.ErrUnsupported) { // there is no blockdev-del
		return true, vm.fallback.Remove(ctx, name)
	}
	return removed, err
}
