package hotplug

import (
	"context"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nodeExists reports whether the block layer has a node of this name.
//
// query-blockstats lists all nodes, used or not. Do not send query-named-block-nodes: QEMU terminates if a job is
// concluded but not dismissed, QEMU 5.2 after blockdev-backup, 7.2 and 10.0 after block-stream.
func (vm *VM) nodeExists(ctx context.Context, name string) (bool, error) {
	nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, vm.conn)
	return slices.ContainsFunc(nodes, func(n qemu.BlockStats) bool { return qmp.Value(n.NodeName) == name }), err
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
