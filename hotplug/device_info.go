package hotplug

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

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
	Chardev      string      // the character device, for example of a vhost-user disk or a serial port
	Object       string      // the object of object-add behind memory, a virtio-rng or a virtio-crypto

	// Node is the block node that a disk uses. If QEMU was started with -drive for the disk, Node is the name of
	// that drive. It is empty for a drive without a medium. While a job runs, it is the node below the filter of the job,
	// unless the filter has a name. [VM.BlockInfo] describes the storage of a disk.
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
// Source: qom-get; qom-list once for each type of device; query-blockstats while a job runs on a disk.
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
	t, err := vm.typeOfDevice(ctx, info.Driver, info.Path)
	if err != nil {
		return err
	}
	var bus string
	var uses []part
	reads := []func() error{read("parent_bus", &bus), read("hotpluggable", &info.Hotpluggable), func() (err error) {
		uses, err = vm.uses(ctx, info.ID, t.links)
		return err
	}}
	if t.slot {
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
	for _, p := range uses {
		switch p.what {
		case aNode:
			if info.Node = p.name; isNameless(p.name) {
				if info.Node, err = vm.belowFilter(ctx, info.ID, p.name); err != nil {
					return err
				}
			}
		case aNetdev:
			info.Netdev = p.name
		case aChardev:
			info.Chardev = p.name
		case anObject:
			info.Object = p.name
		}
	}
	if bus != "" {
		info.Bus = path.Base(bus)
		if info.Bus == channelBus {
			return read("dev_id", &info.DeviceNumber)()
		}
	}
	return nil
}

// belowFilter returns the first node of a disk that has a name of a user. A job puts a filter without a name on top of the
// node that the disk uses.
func (vm *VM) belowFilter(ctx context.Context, id, filter string) (node string, err error) {
	stats, err := qemu.QueryBlockStats{}.Do(ctx, vm.conn)
	for _, s := range stats {
		if names := namesIn(&s); isDriveOf(id, s.Qdev) && len(names) > 0 {
			return names[0], err
		}
	}
	return filter, err
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

// isDriveOf reports whether qdev, in an answer of the block layer, is the device with this ID. It is the ID or, if the
// disk is a part of the device, the path of that part.
func isDriveOf(id string, qdev *string) bool {
	switch object := devicePath(id); qmp.Value(qdev) {
	case id, object, object + "/virtio-backend", driveOfUSB(id):
		return true
	}
	return false
}

// DiskID returns the ID of the device of a disk in the answer of query-block, or "" if the device has no ID.
func DiskID(b *qemu.BlockInfo) string {
	qdev := qmp.Value(b.Qdev)
	if !strings.HasPrefix(qdev, "/") {
		return qdev
	}
	below, ok := strings.CutPrefix(qdev, devicesPath+"/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(below, "/")
	return id
}

// DiskNames returns the name of each disk in the answer of query-block, in its order. Package block and [VM.ResizeDisk] take
// these names where they take the ID of a device. The name is:
//   - the ID of the device.
//   - without an ID, the name of the drive: "virtio0" for "-drive if=virtio", "root" for "-drive if=virtio,id=root".
//   - without both, "anon" and the number of the device: "anon0" for /machine/peripheral-anon/device[0], which is the first
//     -device without an ID.
//   - empty if no device uses the disk, or if the name is the ID of another device.
//
// The names without an ID are those of one QEMU. They are not names for [VM.RemoveDisk].
func DiskNames(blocks []qemu.BlockInfo) []string {
	names := make([]string, len(blocks))
	for i := range blocks {
		names[i] = DiskID(&blocks[i])
	}
	for i, b := range blocks {
		if name := cmp.Or(b.Device, anonymous(qmp.Value(b.Qdev))); b.Qdev != nil && names[i] == "" && !slices.Contains(names, name) {
			names[i] = name
		}
	}
	return names
}

// anonymous returns the name of a disk whose device has neither an ID nor a drive with a name.
func anonymous(qdev string) string {
	number, ok := strings.CutPrefix(qdev, "/machine/peripheral-anon/device[")
	number, _, closed := strings.Cut(number, "]")
	if !ok || !closed {
		return ""
	}
	return "anon" + number
}

// blockInfo finds a disk in query-block.
func (vm *VM) blockInfo(ctx context.Context, id string) (*qemu.BlockInfo, error) {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		if isDriveOf(id, b.Qdev) {
			return &blocks[i], nil
		}
	}
	device, err := vm.deviceExists(ctx, id)
	if err == nil && !device {
		err = errNoDevice
	}
	return nil, cmp.Or(err, ErrNotDisk)
}
