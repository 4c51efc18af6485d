package hotplug

import (
	"context"
	"strings"
)

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
