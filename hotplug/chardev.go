package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Disks and NICs of vhost-user talk to a server in another process by a character device.

// chardevOf is the id of the character device that belongs to a device.
func chardevOf(id string) string { return id + "-chardev" }

// checkConnects checks that a connection to a server of vhost-user is one that is made at once or
// not at all. With every other one QEMU waits for somebody to be there when the device or the netdev
// is added, and meanwhile executes no command and runs no CPU.
func checkConnects(chardev *qemu.ChardevBackend) error {
	socket, ok := chardev.Branch.(*qemu.ChardevSocket)
	if !ok || socket == nil {
		return errors.New("Chardev is no socket, which vhost-user needs")
	}
	if server := socket.Server; server == nil || *server || socket.ReconnectMs != nil {
		return errors.New("Chardev is not one that connects once (Server false, no ReconnectMs): " +
			"QEMU would stand still until somebody is there")
	}
	return nil
}

// addChardev connects a device to its server, as a step of an operation. A character device of this
// name that is there already stays as it is, used or not.
func (vm *VM) addChardev(ctx context.Context, undo *rollback, id string, backend *qemu.ChardevBackend) error {
	add := qemu.ChardevAdd{ID: chardevOf(id), Backend: *backend}
	exists, err := vm.chardevExists(ctx, add.ID)
	if err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("%w: a character device %s", ErrExists, add.ID)
	}
	return undo.step("character device "+add.ID,
		func() error { _, err := add.Do(ctx, vm.conn); return err },
		func(ctx context.Context) error { return vm.removeChardev(ctx, id) })
}

// removeChardev removes a device's connection. It waits a while if something uses it. Removing a
// missing one is not an error.
func (vm *VM) removeChardev(ctx context.Context, id string) error {
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

const vhostUserDriver = "vhost-user-blk" // and what these begin with: its devices of each bus

// addDiskChardev makes the connection of a disk of vhost-user, which has no node.
func (vm *VM) addDiskChardev(ctx context.Context, undo *rollback, d *Disk) error {
	if err := vm.checkUnused(ctx, d); err != nil {
		return err
	}
	return vm.addChardev(ctx, undo, d.ID, d.Chardev)
}

// hasDiskChardev reports whether a device is a disk of vhost-user that was added under its ID.
func (vm *VM) hasDiskChardev(ctx context.Context, id string) (bool, error) {
	var chardev, kind string
	_, has, err := vm.property(ctx, id, "chardev", &chardev)
	if err != nil || !has || chardev != chardevOf(id) {
		return false, err
	}
	_, has, err = vm.property(ctx, id, "type", &kind)
	return has && strings.HasPrefix(kind, vhostUserDriver), err
}
