package hotplug

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// AddDisk adds a disk: a set of descriptors for the file (add-fd), a node of the block layer
// (blockdev-add) and a device (device_add). When it returns the guest is being told of the
// device; when that is ready for use is the guest's matter.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use. A [*qmp.Error] is QEMU's answer to the
// command that it names.
func (vm *VM) AddDisk(ctx context.Context, d Disk) error {
	return vm.adding(ctx, "disk", d.ID, func(undo *rollback) error { return vm.addDisk(ctx, undo, &d) })
}

func (vm *VM) addDisk(ctx context.Context, undo *rollback, d *Disk) error {
	if err := d.check(); err != nil {
		return err
	}
	var files qmpfd.Files
	if d.Path != "" {
		var err error
		if files, err = d.use().Open(d.Path); err != nil {
			return err
		}
		defer files.Close() // QEMU has its own by then, and nothing was written
	}
	if err := vm.checkUnused(ctx, d.ID); err != nil {
		return err
	}
	node, err := vm.diskNode(ctx, undo, d, files)
	if err != nil {
		return err
	}
	err = undo.step("node "+d.ID,
		func() error { return qemu.BlockdevAdd(node).Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.removeNode(ctx, d.ID) })
	if err != nil {
		return err
	}
	return vm.plug(ctx, undo, d.device())
}

// diskNode is the node to add: Node, or that of the files, which QEMU is given.
func (vm *VM) diskNode(ctx context.Context, undo *rollback, d *Disk, files qmpfd.Files) (node qemu.BlockdevOptions, err error) {
	if len(files) == 0 {
		return d.ownNode(), nil
	}
	driver, err := qmpfd.Driver(files[0])
	if err != nil {
		return node, err
	}
	path, err := vm.addFdset(ctx, undo, d.ID, files)
	if err != nil {
		return node, err
	}
	return d.pathNode(driver, path), nil
}

// checkUnused makes sure that undoing will not take away what somebody else has added, and
// takes away what nobody uses.
func (vm *VM) checkUnused(ctx context.Context, id string) error {
	device, err := vm.deviceExists(ctx, id)
	if err != nil {
		return err
	}
	if device {
		return fmt.Errorf("%w: a device %s", ErrExists, id)
	}
	node, err := vm.nodeExists(ctx, id)
	if err != nil {
		return err
	}
	if node {
		return fmt.Errorf("%w: a block node %s without a device", ErrExists, id)
	}
	// Descriptors that nothing uses were left by an operation that was cut off. Those that QEMU
	// does not close while the machine is stopped are in nobody's way.
	if err := vm.removeFdsets(ctx, id); err != nil && !errors.Is(err, ErrDescriptorsKept) {
		return err
	}
	return nil
}
