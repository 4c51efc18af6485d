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
	// ID is the name of the device. The package comment has the rules for IDs.
	ID string

	// NodeName is the name of the block node that AddDisk adds. If it is empty, it is ID. The NodeName in the Options
	// of a [Blockdev] names the node, too.
	NodeName string

	// Backend is the storage: a [File], a [Descriptor], a [Blockdev], a [Node] or a [VhostUser].
	Backend DiskBackend

	// Driver is the driver of the device. If it is empty, it is "virtio-blk-pci", or "vhost-user-blk-pci" for a
	// VhostUser; on s390x it is "virtio-blk-ccw". Other drivers, except for a VhostUser, must have a property "drive":
	// virtio-blk-pci, virtio-blk-ccw, scsi-hd, scsi-cd, nvme-ns and others.
	Driver string

	// Bus is the ID of the bus for the device: a PCI bus, a root port, the bus of a SCSI controller. If it is empty,
	// the operation finds a bus of the kind that Driver needs, and [VM.DeviceInfo] shows which one.
	//   - PCI: QEMU chooses a slot of the chipset's bus (pci.0 of a pc). If that bus takes no devices while the
	//     machine runs (pcie.0 of a q35), the operation takes the first empty port.
	//   - SCSI, USB, NVMe, virtio-serial: the bus of the newest controller, or of any other if that is full.
	Bus string

	// Props are further properties of the device, by their names in QEMU: "addr", "serial", "bootindex", "lun", on
	// s390x "devno". [qmp.Args] lists the possible types of values. Use true instead of "on", which newer QEMUs
	// refuse.
	Props qmp.Args

	nodeOnly bool // AddNode: the device is there, or never will be
}

const defaultDiskDriver = "virtio-blk-pci"

// check returns an error if d is invalid. It sets NodeName, if the disk has a node. It sends nothing.
func (d *Disk) check() (err error) {
	if err := checkID(d.ID); err != nil {
		return err
	}
	if d.Backend, err = backendOf(d.Backend); err != nil {
		return err
	}
	if d.NodeName, err = d.Backend.checkDisk(d); err != nil {
		return err
	}
	_, props := d.Backend.diskDevice(d)
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

// newNode returns the name of the node that AddDisk adds. inOptions is the name in the options of the backend.
func (d *Disk) newNode(inOptions string) (string, error) {
	name, err := oneName("NodeName", d.NodeName, inOptions, d.ID)
	if err == nil && len(name) > maxNodeName {
		field := "NodeName"
		if name == d.ID {
			field = "without NodeName, ID"
		}
		err = fmt.Errorf("%s has %d bytes: a node's name has at most %d", field, len(name), maxNodeName)
	}
	return name, err
}

// noNode returns an error if the caller gave a name for a node that AddDisk does not add.
func (d *Disk) noNode(backend string) error {
	if d.NodeName != "" {
		return fmt.Errorf("NodeName is %q: with a %s, AddDisk adds no node", d.NodeName, backend)
	}
	return nil
}

// checkID checks the ID of a device.
func checkID(id string) error {
	switch id {
	case "":
		return errors.New("needs an ID")
	case "type": // of the object that devices are in
		return errors.New(`ID must not be "type": QEMU 5.2 terminates if a device has this ID`)
	}
	return checkName("ID", id)
}

// device returns the request for the device.
func (d *Disk) device() qemu.DeviceAdd {
	driver, props := d.Backend.diskDevice(d)
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
