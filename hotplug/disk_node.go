package hotplug

import (
	"context"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nodes lists the nodes of the block layer, used or not, with the nodes that are their files. QEMU does not tell the
// backing files here.
//
// query-blockstats lists all nodes, used or not. Do not send query-named-block-nodes: QEMU terminates if a job is
// concluded but not dismissed, QEMU 5.2 after blockdev-backup, 7.2 and 10.0 after block-stream.
func (vm *VM) nodes(ctx context.Context) ([]qemu.BlockStats, error) {
	return qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, vm.conn)
}

// nodeExists reports whether the block layer has a node of this name.
func (vm *VM) nodeExists(ctx context.Context, name string) (bool, error) {
	nodes, err := vm.nodes(ctx)
	return slices.ContainsFunc(nodes, func(n qemu.BlockStats) bool { return qmp.Value(n.NodeName) == name }), err
}

// nodeExistsInUse is nodeExists. Its error is that of existsInUse.
func (vm *VM) nodeExistsInUse(ctx context.Context, name string) (exists bool, err error) {
	nodes, err := vm.nodes(ctx)
	if err != nil {
		return false, err
	}
	return existsInUse(nodes, name)
}

// existsInUse reports whether a node is among all nodes. If a node that has a user's name uses the node, the error matches
// ErrInUse: that will not change soon. The nodes of a job, which have no names, may go soon.
func existsInUse(nodes []qemu.BlockStats, name string) (exists bool, err error) {
	for _, n := range nodes {
		above := qmp.Value(n.NodeName)
		if above == name {
			exists = true
		}
		if n.Parent != nil && qmp.Value(n.Parent.NodeName) == name && above != "" && !isNameless(above) {
			err = because(ErrInUse, "in use by node %q", above)
		}
	}
	return exists, err
}

// driveOfUSB returns the path of the disk of a usb-storage. QEMU creates a SCSI disk for it, which has the
// property "drive"; the device's own property is empty.
func driveOfUSB(id string) string { return devicePath(id) + "/" + id + ".0/legacy[0]" }

// drive reads the storage of a device: the name of a node, or of a drive of -drive, whose node has no name.
// It is empty for a drive without a medium, and nil for a device that has no drive.
func (vm *VM) drive(ctx context.Context, id string) (device bool, drive *string, err error) {
	var name string
	device, has, err := vm.property(ctx, id, "drive", &name)
	if err != nil || !has {
		return device, nil, err
	}
	if name == "" {
		_, err = vm.objectProperty(ctx, driveOfUSB(id), "drive", &name)
	}
	return device, &name, err
}
