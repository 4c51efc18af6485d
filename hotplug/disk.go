package hotplug

import (
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// A Disk says what disk to add, and how. ID and one of Path and Node are needed.
type Disk struct {
	// ID is the name of the disk: of its device and of its node in the block layer. See the
	// package's documentation for what it may be.
	ID string

	// Path is a file or a block device of the host. It is opened by this process, and QEMU is
	// given the descriptor: it needs no access of its own.
	Path string

	// Format is the format of what Path is, raw when empty. It is never guessed: a guest that
	// can write to a raw image could make it look like another format. An image that needs
	// more than a file (a key, or a backing file whose name is relative) is a Node.
	Format qemu.BlockdevDriver

	// Direct bypasses the host's page cache (O_DIRECT).
	Direct bool

	// ReadOnly makes a disk that nobody can write to.
	ReadOnly bool

	// AutoReadOnly lets QEMU hold the file open for writing only while something writes: the
	// guest's device does as long as it is there. The file is opened both ways; it must be
	// writable.
	AutoReadOnly bool

	// Node, instead of Path, is anything that blockdev-add takes: storage in the network, a
	// tree of nodes. QEMU opens itself what is in it. Its NodeName must be empty or ID; it
	// goes without Format, Direct, ReadOnly and AutoReadOnly, which it has of its own.
	Node *qemu.BlockdevOptions

	// Driver is the device's, "virtio-blk-pci" when empty. Those of disks have a property
	// "drive": virtio-blk-pci, virtio-blk-ccw, scsi-hd, scsi-cd, nvme-ns and others.
	Driver string

	// Bus is the id of the bus that the device is plugged into, one that QEMU chooses when
	// empty: a PCI bus, on q35 a root port; the bus of a SCSI controller.
	Bus string

	// WriteCache says whether the guest is told of a write cache; nil leaves it to QEMU, which
	// tells it of one.
	WriteCache *bool

	// Props are further properties of the device, by their names in QEMU: "addr", "serial",
	// "bootindex", "lun". See [qmp.Args] for what values they can have; a QEMU of today
	// refuses "on" for true.
	Props qmp.Args
}

const (
	defaultDiskDriver = "virtio-blk-pci"
	maxNodeName       = 31 // bytes, of BDS.node_name in include/block/block_int-common.h
)

// check finds what is wrong before anything is done.
func (d *Disk) check() error {
	if err := checkID(d.ID); err != nil {
		return err
	}
	if len(d.ID) > maxNodeName {
		return fmt.Errorf("an ID of %d bytes: a disk's has at most %d", len(d.ID), maxNodeName)
	}
	if (d.Path == "") == (d.Node == nil) {
		return errors.New("needs one of Path and Node")
	}
	if d.Node != nil {
		if d.Format != "" || d.Direct || d.ReadOnly || d.AutoReadOnly {
			return errors.New("Format, Direct, ReadOnly and AutoReadOnly go with Path: Node has its own")
		}
		if name := d.Node.NodeName; name != nil && *name != "" && *name != d.ID {
			return fmt.Errorf("Node has the name %q: it must be empty or ID", *name)
		}
	}
	if d.ReadOnly && d.AutoReadOnly {
		return errors.New("ReadOnly and AutoReadOnly exclude each other")
	}
	for _, ours := range []string{"drive", "write-cache"} {
		if _, ok := d.Props[ours]; ok {
			return fmt.Errorf("Props has %q, which follows from other fields", ours)
		}
	}
	return nil
}

// checkID checks a device's ID by the rule that QEMU has for those (id_wellformed of
// util/id.c).
func checkID(id string) error {
	if id == "" {
		return errors.New("needs an ID")
	}
	for i, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
		if !letter && (i == 0 || !other) {
			return fmt.Errorf("an ID of %q: it begins with a letter, and has letters, digits, '-', '.' and '_' only", id)
		}
	}
	return nil
}

// use is how QEMU is going to open Path.
func (d *Disk) use() qmpfd.Use {
	return qmpfd.Use{ReadOnly: d.ReadOnly, AutoReadOnly: d.AutoReadOnly, Direct: d.Direct}
}

// ownNode is the node to add for Node.
func (d *Disk) ownNode() qemu.BlockdevOptions {
	node := *d.Node
	node.NodeName = new(d.ID)
	return node
}

// pathNode is the node to add for Path: the driver is that of the kind of file it is, and
// filename what QEMU opens.
func (d *Disk) pathNode(driver qemu.BlockdevDriver, filename string) qemu.BlockdevOptions {
	file := qemu.BlockdevOptions{
		Driver:       driver,
		ReadOnly:     new(d.ReadOnly),
		AutoReadOnly: new(d.AutoReadOnly),
		Cache:        &qemu.BlockdevCacheOptions{Direct: new(d.Direct)},
		Branch:       &qemu.BlockdevOptionsFile{Filename: filename},
	}
	if d.Format == "" || d.Format == qemu.BlockdevDriverRaw {
		file.NodeName = new(d.ID)
		return file
	}
	return qemu.BlockdevOptions{
		Driver:       d.Format,
		NodeName:     new(d.ID),
		ReadOnly:     file.ReadOnly,
		AutoReadOnly: file.AutoReadOnly,
		Cache:        file.Cache,
		Branch:       &qemu.RawBranch{Members: qmp.Args{"file": &file}},
	}
}

// device is the request for the device.
func (d *Disk) device() qemu.DeviceAdd {
	add := qemu.DeviceAdd{Driver: d.Driver, ID: new(d.ID), Props: qmp.Args{"drive": d.ID}}
	if add.Driver == "" {
		add.Driver = defaultDiskDriver
	}
	if d.Bus != "" {
		add.Bus = new(d.Bus)
	}
	if d.WriteCache != nil {
		add.Props["write-cache"] = onOff(*d.WriteCache)
	}
	for name, value := range d.Props {
		add.Props[name] = value
	}
	return add
}

// onOff is the value of a property that is an OnOffAuto, which is no boolean.
func onOff(on bool) qemu.OnOffAuto {
	if on {
		return qemu.OnOffAutoOn
	}
	return qemu.OnOffAutoOff
}
