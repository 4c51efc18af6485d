package hotplug

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A disk of vhost-user has no node: its device talks to a server in another process, by a
// character device.

const vhostUserDriver = "vhost-user-blk" // and what these begin with: its devices of each bus

// addDiskChardev connects to the server, as a step of an operation.
func (vm *VM) addDiskChardev(ctx context.Context, undo *rollback, d *Disk) error {
	if err := vm.checkUnused(ctx, d); err != nil {
		return err
	}
	id := chardevOf(d.ID)
	exists, err := vm.chardevExists(ctx, id)
	if err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("%w: a character device %s", ErrExists, id)
	}
	add := qemu.ChardevAdd{ID: id, Backend: *d.Chardev}
	return undo.step("character device "+id,
		func() error { _, err := add.Do(ctx, vm.conn); return err },
		func(ctx context.Context) error { return vm.removeDiskChardev(ctx, d.ID) })
}

// hasDiskChardev tells whether a device is a disk of vhost-user that was added under its ID.
func (vm *VM) hasDiskChardev(ctx context.Context, id string) (bool, error) {
	var chardev, kind string
	_, has, err := vm.property(ctx, id, "chardev", &chardev)
	if err != nil || !has || chardev != chardevOf(id) {
		return false, err
	}
	_, has, err = vm.property(ctx, id, "type", &kind)
	return has && strings.HasPrefix(kind, vhostUserDriver), err
}

// removeDiskChardev removes the connection, which may not be there, and waits a while for the
// device to let go of it.
func (vm *VM) removeDiskChardev(ctx context.Context, id string) error {
	chardev := chardevOf(id)
	exists := func() (bool, error) { return vm.chardevExists(ctx, chardev) }
	if there, err := exists(); err != nil || !there {
		return err
	}
	return removeBusy(ctx, func() error { return qemu.ChardevRemove{ID: chardev}.Do(ctx, vm.conn) }, exists)
}

func (vm *VM) chardevExists(ctx context.Context, id string) (bool, error) {
	all, err := qemu.QueryChardev{}.Do(ctx, vm.conn)
	return slices.ContainsFunc(all, func(c qemu.ChardevInfo) bool { return c.Label == id }), err
}
