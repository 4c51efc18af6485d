package hotplug

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Disk describes a disk to add. ID and Backend are required.
type Disk struct {
	// ID is the name of the device and of its block node. The package comment has the rules for IDs.
	ID string

	// Backend is the storage: a [File], a [Descriptor], a [Blockdev], a [Node] or a [VhostUser].
	Backend DiskBackend

	// Driver is the driver of the device. If it is empty, it is "virtio-blk-pci", or "vhost-user-blk-pci"
	// for a VhostUser. Drivers of disks have a property "drive": virtio-blk-pci, virtio-blk-ccw, scsi-hd,
	// scsi-cd, nvme-ns and others.
	Driver string

	// Bus is the ID of the bus for the device: a PCI bus, a root port, the bus of a SCSI controller. If it is empty,
	// the operation finds a bus of the kind that Driver needs. [VM.DeviceInfo] then shows it.
	//   - PCI: QEMU chooses a slot of the chipset's bus, as pci.0 of a pc. If that bus takes no devices while the
	//     machine runs, as pcie.0 of a q35, the operation takes the first empty port.
	//   - SCSI, USB, NVMe, virtio-serial: the bus of the newest controller, or of any other if that is full.
	Bus string

	// Props are further properties of the device, by their names in QEMU: "addr", "serial", "bootindex",
	// "lun". [qmp.Args] lists the possible types of values. Use true instead of "on", which newer QEMUs
	// refuse.
	Props qmp.Args
}

const (
	defaultDiskDriver = "virtio-blk-pci"
	maxNodeName       = 31 // bytes, of BDS.node_name in include/block/block_int-common.h
)

// check returns an error if d is invalid. It sends nothing.
func (d *Disk) check() (err error) {
	if err := checkID(d.ID); err != nil {
		return err
	}
	if len(d.ID) > maxNodeName {
		return fmt.Errorf("ID has %d bytes: a disk's has at most %d", len(d.ID), maxNodeName)
	}
	if d.Backend, err = backendOf(d.Backend); err != nil {
		return err
	}
	if err := d.Backend.checkDisk(d.ID); err != nil {
		return err
	}
	_, props := d.Backend.diskDevice(d.ID)
	return checkProps(d.Props, props, "drive", "write-cache", "chardev")
}

// checkProps returns an error if a caller's properties have one that this package sets, or could set.
func checkProps(props, set qmp.Args, others ...string) error {
	for _, ours := range append(slices.Sorted(maps.Keys(set)), others...) {
		if _, ok := props[ours]; ok {
			return fmt.Errorf("Props has %q, which follows from other fields", ours)
		}
	}
	return nil
}

// checkID checks the ID of a device by QEMU's rule (id_wellformed of util/id.c).
func checkID(id string) error {
	switch id {
	case "":
		return errors.New("needs an ID")
	case "type": // of the object that devices are in
		return errors.New(`ID must not be "type": QEMU 5.2 terminates if a device has this ID`)
	}
	for i, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
		if !letter && (i == 0 || !other) {
			return errors.New("ID must begin with a letter, and have letters, digits, '-', '.' and '_' only")
		}
	}
	return nil
}

// device returns the request for the device.
func (d *Disk) device() qemu.DeviceAdd {
	driver, props := d.Backend.diskDevice(d.ID)
	return deviceOf(d.ID, d.Driver, driver, d.Bus, props, d.Props)
}

// deviceOf returns the request for a device with our properties and the caller's.
func deviceOf(id, driver, defaultDriver, bus string, ours, props qmp.Args) qemu.DeviceAdd {
	add := qemu.DeviceAdd{Driver: driver, ID: new(id), Bus: qmp.NonZero(bus), Props: qmp.Args{}}
	if add.Driver == "" {
		add.Driver = defaultDriver
	}
	maps.Copy(add.Props, ours)
	maps.Copy(add.Props, props)
	return add
}
