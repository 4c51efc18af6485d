package hotplug

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// AddDisk adds a disk: its secrets (object-add), a set of descriptors for each file (add-fd), a
// node of the block layer (blockdev-add), or the connection of vhost-user (chardev-add), and a
// device (device_add). When it returns the guest is being told of the device; when that is ready
// for use is the guest's matter.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use. A [*qmp.Error] is QEMU's answer to the
// command that it names; one for a command that this QEMU does not have, blockdev-add before 2.9
// without a [Fallback], matches [errors.ErrUnsupported].
func (vm *VM) AddDisk(ctx context.Context, d Disk) error {
	return vm.adding(ctx, "disk", d.ID, func(undo *rollback) error { return vm.addDisk(ctx, undo, &d) })
}

func (vm *VM) addDisk(ctx context.Context, undo *rollback, d *Disk) error {
	if err := d.check(); err != nil {
		return err
	}
	add, err := vm.storage(ctx, d)
	if err != nil {
		return err
	}
	if err := add(ctx, undo, d); err != nil {
		return err
	}
	return vm.plug(ctx, undo, d.device())
}

// storage returns the step that makes what the disk's device uses.
func (vm *VM) storage(ctx context.Context, d *Disk) (add func(ctx context.Context, undo *rollback, d *Disk) error, err error) {
	if d.Chardev != nil {
		return vm.addDiskChardev, nil
	}
	fallback, err := vm.fallsBack(ctx)
	if fallback {
		return vm.addDrive, err
	}
	return vm.addNode, err
}

// addNode makes the disk's node, and before it what it needs.
func (vm *VM) addNode(ctx context.Context, undo *rollback, d *Disk) error {
	tree, err := d.tree()
	if err != nil {
		return err
	}
	defer tree.close() // QEMU has its own by then
	if err := tree.open(d); err != nil {
		return err
	}
	if err := vm.checkUnused(ctx, d); err != nil {
		return err
	}
	if err := vm.addSecrets(ctx, undo, d); err != nil {
		return err
	}
	if err := tree.addFdsets(ctx, vm, undo, d.ID); err != nil {
		return err
	}
	node := tree.options(d)
	return undo.step("node "+d.ID,
		func() error { return qemu.BlockdevAdd(node).Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.removeNode(ctx, d.ID) })
}

// checkUnused makes sure that undoing will not take away what somebody else has added, and
// takes away what nobody uses.
func (vm *VM) checkUnused(ctx context.Context, d *Disk) error {
	id := d.ID
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
	if len(d.Secrets) == 0 {
		return nil
	}
	return vm.removeSecrets(ctx, id)
}
