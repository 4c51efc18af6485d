package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A DeviceInfo describes a device of the running QEMU.
type DeviceInfo struct {
	ID           string
	Driver       string      // the device's type: "virtio-blk-pci"
	Path         string      // in QEMU's tree of objects
	Bus          string      // the name of its bus; empty if it has none, for example memory
	DeviceNumber string      // the place of a channel device of an s390x: "fe.0.0007", as for the property "devno"
	Hotpluggable bool        // QEMU can unplug it while the machine runs, if its bus allows that
	PCI          *PCIAddress // the address on its bus; nil if that is not a PCI bus
	Netdev       string      // the netdev of a NIC

	// Node is the block node that a disk uses. If QEMU was started with -drive for the disk, Node is the name of
	// that drive. It is empty for a drive without a medium. [VM.BlockInfo] describes the storage of a disk.
	Node string
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
// Source: qom-get; qom-list once for each type of device.
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
	read := func(name string, value any) func() error {
		return func() error {
			device, _, err := vm.property(ctx, info.ID, name, value)
			if err == nil && !device {
				err = errNoDevice
			}
			return err
		}
	}
	if err := read("type", &info.Driver)(); err != nil {
		return err
	}
	has, err := vm.typeOf(ctx, info)
	if err != nil {
		return err
	}
	var bus string
	reads := []func() error{read("parent_bus", &bus), read("hotpluggable", &info.Hotpluggable)}
	if has.netdev {
		reads = append(reads, read("netdev", &info.Netdev))
	}
	if has.drive {
		reads = append(reads, func() error {
			device, drive, err := vm.drive(ctx, info.ID)
			if err == nil && !device {
				err = errNoDevice
			}
			info.Node = qmp.Value(drive)
			return err
		})
	}
	if has.slot {
		reads = append(reads, func() error {
			address, has, err := vm.pciAddress(ctx, info.Path)
			if has {
				info.PCI = &address
			}
			return err
		})
	}
	if err := together(reads...); err != nil {
		return err
	}
	if bus != "" {
		info.Bus = path.Base(bus)
		if info.Bus == channelBus {
			return read("dev_id", &info.DeviceNumber)()
		}
	}
	return nil
}

// A deviceType says which properties the devices of a type have.
type deviceType struct{ netdev, drive, slot bool }

// typeOf returns the type of a device. It asks QEMU once for each type.
func (vm *VM) typeOf(ctx context.Context, info *DeviceInfo) (deviceType, error) {
	if known, ok := vm.deviceTypes.Load(info.Driver); ok {
		return known.(deviceType), nil
	}
	members, err := qemu.QOMList{Path: info.Path}.Do(ctx, vm.conn)
	if errors.Is(err, qmp.ErrDeviceNotFound) {
		err = errNoDevice
	}
	if err != nil {
		return deviceType{}, err
	}
	has := func(name string) bool {
		return slices.ContainsFunc(members, func(m qemu.ObjectPropertyInfo) bool { return m.Name == name })
	}
	// Only PCI devices have "multifunction", and others have an "addr" too.
	t := deviceType{netdev: has("netdev"), drive: has("drive"), slot: has("multifunction")}
	if info.Driver != "" {
		vm.deviceTypes.Store(info.Driver, t)
	}
	return t, nil
}

// BlockInfo returns the entry of query-block for the disk with this ID. Its Inserted is nil for a drive without a
// medium. QEMU answers for all disks of the machine, which takes about 20 ms for 400 disks.
//
// BlockInfo returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such device.
//   - [ErrNotDisk]: the device has no storage in QEMU, for example because it is a vhost-user disk.
//
// Source: query-block.
func (vm *VM) BlockInfo(ctx context.Context, id string) (*qemu.BlockInfo, error) {
	err := cmp.Or(vm.made(), checkID(id))
	var info *qemu.BlockInfo
	if err == nil {
		info, err = vm.blockInfo(ctx, id)
	}
	return info, failed(fmt.Sprintf("describe disk %q", id), err)
}

// blockInfo finds a disk in query-block, which names a device by its ID or, if the disk is a part of the
// device, by the path of that part.
func (vm *VM) blockInfo(ctx context.Context, id string) (*qemu.BlockInfo, error) {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	object := devicePath(id)
	for i, b := range blocks {
		switch qmp.Value(b.Qdev) {
		case id, object, object + "/virtio-backend", driveOfUSB(id):
			return &blocks[i], nil
		}
	}
	device, err := vm.deviceExists(ctx, id)
	if err == nil && !device {
		err = errNoDevice
	}
	return nil, cmp.Or(err, ErrNotDisk)
}
