package hotplug

import (
	"cmp"
	"context"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// AddDisk hot-adds a disk: its secrets, a set of descriptors for each file, a block node or the vhost-user
// connection, and a device. When it returns, QEMU has told the guest about the device. This is no proof
// that the guest has seen it: [VM.WaitGuest] waits for that.
//
// If AddDisk fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID, or the name of a part, is in use.
//   - [ErrNoFreePlace]: Bus is empty, and the machine has no bus or free slot for the disk.
//   - [ErrNotShared]: a vhost-user server cannot use the machine's memory.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//   - [errors.ErrUnsupported]: QEMU lacks a command, or the machine has no bus for the driver, for example
//     a microvm no PCI. QEMU before 2.9 lacks blockdev-add; see [Fallback].
//
// Source: object-add, add-fd, blockdev-add, chardev-add, device_add.
func (vm *VM) AddDisk(ctx context.Context, d Disk) error {
	return vm.adding(ctx, "disk", d.ID, func(undo *rollback) error { return vm.addDisk(ctx, undo, &d) })
}

func (vm *VM) addDisk(ctx context.Context, undo *rollback, d *Disk) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := d.Backend.addStorage(ctx, vm, undo, d); err != nil {
		return err
	}
	driver, _ := d.Backend.diskDevice(d)
	if err := vm.chooseDriver(ctx, &d.Driver, driver); err != nil {
		return err
	}
	return vm.whyNoPCI(ctx, d.Driver, diskWithoutPCI, vm.plug(ctx, undo, d.device()))
}

// addNode adds a disk's node after the secrets and descriptors that it needs.
func (vm *VM) addNode(ctx context.Context, undo *rollback, d *Disk, b nodeBackend) error {
	if fallback, err := vm.fallsBack(ctx); err != nil {
		return err
	} else if fallback {
		return vm.addDrive(ctx, undo, d)
	}
	tree := &nodeTree{}
	defer tree.close() // QEMU has copies of the descriptors by then
	if err := b.prepare(tree); err != nil {
		return err
	}
	if err := vm.addSecrets(ctx, undo, d, b.keys()); err != nil {
		return err
	}
	if err := tree.addFDSets(ctx, vm, undo, d); err != nil {
		return err
	}
	// A set has the names, too. QEMU 5.2 loses the set of an image that is below an overlay, when the last monitor
	// disconnects.
	if len(tree.files) == 0 || d.nodeOnly && checkReading(d.ID) == nil {
		if err := vm.mark(ctx, undo, d.ID, aNode, d.NodeName); err != nil {
			return err
		}
	}
	node := tree.options(d.NodeName)
	err := undo.step(ctx, step{
		what: "node " + d.NodeName,
		do:   func(ctx context.Context) error { return qemu.BlockdevAdd(node).Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { _, err := vm.removeNode(ctx, d.NodeName); return err },
		ours: func(ctx context.Context) (bool, error) { return tree.isOpen(ctx, vm, d) },
	})
	return whyRefused(err, func() error { return vm.checkUnused(ctx, d) })
}

// checkUnused returns an error if a device has the ID of a disk, or a node has the name of the disk's node.
func (vm *VM) checkUnused(ctx context.Context, d *Disk) error {
	if !d.nodeOnly {
		if err := vm.checkNoDevice(ctx, d.ID); err != nil {
			return err
		}
	}
	name := cmp.Or(d.NodeName, d.ID)
	node, err := vm.nodeExists(ctx, name)
	if err == nil && node {
		err = exists(aNode, name, "")
	}
	return err
}
