package hotplug

import (
	"cmp"
	"context"
	"fmt"
	"path"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A DeviceInfo is what QEMU tells of a device.
type DeviceInfo struct {
	ID           string
	Driver       string      // its type: "virtio-blk-pci"
	Path         string      // in QEMU's tree of objects
	Bus          string      // the name of the bus that it is on; empty for one without, as memory
	Hotpluggable bool        // it can be removed while the machine runs, if its bus lets it
	PCI          *PCIAddress // where it is on its bus; nil for one that is not on a PCI bus
	Netdev       string      // the netdev of a NIC
	Node         string      // the block node that a disk uses; empty for a drive without a medium

	// Block is what query-block tells of a disk: Inserted is nil for a drive without a medium.
	Block *qemu.BlockInfo
}

// A PCIAddress says where a device is on its bus.
type PCIAddress struct{ Slot, Function int }

// String returns the address as the property "addr" takes it, "1e.0".
func (a PCIAddress) String() string { return fmt.Sprintf("%02x.%x", a.Slot, a.Function) }

// HasDevice tells whether there is a device with this id, on whatever bus (qom-get). One that is
// being unplugged is there until it is gone.
func (vm *VM) HasDevice(ctx context.Context, id string) (bool, error) {
	exists, err := false, cmp.Or(vm.made(), checkID(id))
	if err == nil {
		exists, err = vm.deviceExists(ctx, id)
	}
	if err != nil {
		return false, fmt.Errorf("hotplug: looking for device %q: %w", id, err)
	}
	return exists, nil
}

// DeviceInfo returns what QEMU tells of a device (qom-get, query-block). The error for one that is
// not there, or goes while it is looked at, matches [qmp.ErrDeviceNotFound].
func (vm *VM) DeviceInfo(ctx context.Context, id string) (*DeviceInfo, error) {
	err := cmp.Or(vm.made(), checkID(id))
	info := &DeviceInfo{ID: id, Path: devicePath(id)}
	if err == nil {
		err = vm.fillInfo(ctx, info)
	}
	if err != nil {
		return nil, fmt.Errorf("hotplug: looking at device %q: %w", id, err)
	}
	return info, nil
}

func noDevice(id string) error { return fmt.Errorf("%w: no device %s", qmp.ErrDeviceNotFound, id) }

func (vm *VM) fillInfo(ctx context.Context, info *DeviceInfo) error {
	var bus string
	for _, p := range []struct {
		name  string
		value any
	}{{"type", &info.Driver}, {"parent_bus", &bus}, {"hotpluggable", &info.Hotpluggable},
		{"netdev", &info.Netdev}} {
		device, _, err := vm.property(ctx, info.ID, p.name, p.value)
		if err != nil {
			return err
		}
		if !device {
			return noDevice(info.ID)
		}
	}
	if bus != "" {
		info.Bus = path.Base(bus)
	}
	var multifunction bool // a property of PCI devices, and of no others
	if isPCI, err := vm.objectProperty(ctx, info.Path, "multifunction", &multifunction); err != nil {
		return err
	} else if isPCI {
		address, has, err := vm.pciAddress(ctx, info.Path)
		if err != nil {
			return err
		}
		if has {
			info.PCI = &address
		}
	}
	return vm.fillBlock(ctx, info)
}

// fillBlock finds a disk's storage. query-block names devices by their ids, or, if the disk is a part
// of the device, by that one's path.
func (vm *VM) fillBlock(ctx context.Context, info *DeviceInfo) error {
	device, drive, err := vm.drive(ctx, info.ID)
	if err != nil {
		return err
	}
	if !device {
		return noDevice(info.ID)
	}
	info.Node = qmp.Value(drive)
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	for i, b := range blocks {
		switch qmp.Value(b.Qdev) {
		case info.ID, info.Path, info.Path + "/virtio-backend", driveOfUSB(info.ID):
			info.Block = &blocks[i]
		}
	}
	if b := info.Block; b != nil && b.Device != "" && b.Device == info.Node { // a drive of -drive
		info.Node = ""
		if b.Inserted != nil {
			info.Node = qmp.Value(b.Inserted.NodeName)
		}
	}
	return nil
}
