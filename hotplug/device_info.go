package hotplug

import (
	"cmp"
	"context"
	"fmt"
	"path"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A DeviceInfo describes a device of the running QEMU.
type DeviceInfo struct {
	ID           string
	Driver       string      // the device's type: "virtio-blk-pci"
	Path         string      // in QEMU's tree of objects
	Bus          string      // the name of its bus; empty if it has none, for example memory
	Hotpluggable bool        // QEMU can unplug it while the machine runs, if its bus allows that
	PCI          *PCIAddress // the address on its bus; nil if that is not a PCI bus
	Netdev       string      // the netdev of a NIC
	Node         string      // the block node that a disk uses; empty for a drive without a medium

	// Block is the entry of query-block for a disk. Its Inserted is nil for a drive without a medium.
	Block *qemu.BlockInfo
}

// A PCIAddress is the slot and the function of a device on its bus.
type PCIAddress struct{ Slot, Function int }

// String returns the address in the format of the property "addr": "1e.0".
func (a PCIAddress) String() string { return fmt.Sprintf("%02x.%x", a.Slot, a.Function) }

// HasDevice reports whether a device has this ID, on any bus. A device that is being unplugged exists until
// the guest has released it.
//
// Source: qom-get.
func (vm *VM) HasDevice(ctx context.Context, id string) (bool, error) {
	exists, err := false, cmp.Or(vm.made(), checkID(id))
	if err == nil {
		exists, err = vm.deviceExists(ctx, id)
	}
	return exists, failed(fmt.Sprintf("find device %q", id), err)
}

// DeviceInfo describes the device with this ID. If there is no such device, or it is removed while
// DeviceInfo asks, the error matches [qmp.ErrDeviceNotFound].
//
// Source: qom-get, query-block.
func (vm *VM) DeviceInfo(ctx context.Context, id string) (*DeviceInfo, error) {
	err := cmp.Or(vm.made(), checkID(id))
	info := &DeviceInfo{ID: id, Path: devicePath(id)}
	if err == nil {
		err = vm.fillInfo(ctx, info)
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("describe device %q", id), err)
	}
	return info, nil
}

var errNoDevice = because(qmp.ErrDeviceNotFound, "no such device")

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
			return errNoDevice
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

// fillBlock finds a disk's storage. query-block names a device by its ID or, if the disk is a part of the
// device, by the path of that part.
func (vm *VM) fillBlock(ctx context.Context, info *DeviceInfo) error {
	device, drive, err := vm.drive(ctx, info.ID)
	if err != nil {
		return err
	}
	if !device {
		return errNoDevice
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
