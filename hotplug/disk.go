package hotplug

import (
	"errors"
	"fmt"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Disk says what disk to add, and how. ID and one of Path, Node and Chardev are needed.
type Disk struct {
	// ID is the name of the disk: of its device and of its node in the block layer. See the
	// package's documentation for what it may be.
	ID string

	// Path is a file or a block device of the host. AddDisk opens it and gives QEMU the descriptor:
	// QEMU needs no access to the file and does not learn its name. The name need not be UTF-8. See also
	// Open.
	Path string

	// Format is the format of what Path is, raw when empty. It is never guessed: a guest that
	// can write to a raw image could make it look like another format. An image that needs
	// more than a file (a key, or a backing file whose name is relative) is a Node.
	Format qemu.BlockdevDriver

	// Direct bypasses the host's page cache (O_DIRECT).
	Direct bool

	// ReadOnly makes a disk that nobody can write to.
	ReadOnly bool

	// AutoReadOnly sets "auto-read-only" in the node of an image that has a Format. The file below is
	// the same as without: QEMU gets one descriptor, which is open for reading and writing.
	//
	// A file with "auto-read-only" would need a second descriptor, for reading, between which QEMU
	// changes. But QEMU's locks of a file stay on a descriptor as long as that is in its set. So QEMU
	// would stand in its own way: the machine would not continue after a migration, and the disk
	// would take no snapshot and no other size. This holds for 5.2 to 11.1. Without locks another
	// QEMU could write to the file.
	AutoReadOnly bool

	// Node, instead of Path, is anything that blockdev-add takes: storage in the network, a
	// tree of nodes. QEMU opens itself what is in it, unless Open is set. Its NodeName must be
	// empty or ID; it goes without Format, Direct, ReadOnly and AutoReadOnly, which it has of its
	// own. Nodes inside the tree go with it, also those that have names; one that is there
	// already, and that the tree names by a string, remains.
	Node *qemu.BlockdevOptions

	// Chardev, instead of Path and Node, is the connection to a server of vhost-user, whose storage
	// the disk is: a socket that QEMU connects to, once ([qemu.ChardevSocket] with Server false and
	// no ReconnectMs: with others QEMU stands still until somebody is there). What the guest can do
	// with the disk is the server's to say. The machine's memory has to be shared, as with -object
	// memory-backend-memfd,share=on,….
	Chardev *qemu.ChardevBackend

	// Open, if not nil, opens every file that the disk needs, in the place of QEMU and of this
	// package: Path, and each node of Node that is a file or a block device (file, host_device,
	// host_cdrom), backing files included. QEMU is given the descriptors, and needs no access of
	// its own. flags are those of [os.OpenFile]: O_RDONLY or O_RDWR, and O_DIRECT, as the node's
	// read-only and cache.direct ask for; these are inherited as in QEMU, and a backing file is
	// read-only, unless it says otherwise. A file with auto-read-only that is not read-only is opened
	// with O_RDWR, and QEMU is told that it has no auto-read-only, see AutoReadOnly: so a backing
	// file can be committed into. Of an image whose format can name files the beginning is read first
	// (O_RDONLY). AddDisk closes what Open returns.
	//
	// With Open, QEMU opens nothing that only an image names: a file that one is an overlay of,
	// or where its data is, has to be in the tree, else it is an error; "backing" may be null.
	// Of an image that is not in a file itself the beginning is not read: what it is an overlay
	// of is ignored, but QEMU does open where it says that its data is. vmdk, whose other files
	// cannot be replaced, is refused.
	Open func(path string, flags int) (*os.File, error)

	// Secrets are keys that Node needs, by names of letters and digits. Each becomes an object,
	// whose id is [SecretID] of ID and its name, for the members "key-secret" and
	// "password-secret". It is the disk's, and goes with it.
	Secrets map[string][]byte

	// Driver is the device's, "virtio-blk-pci" when empty, with Chardev "vhost-user-blk-pci". Those
	// of disks have a property "drive": virtio-blk-pci, virtio-blk-ccw, scsi-hd, scsi-cd, nvme-ns
	// and others.
	Driver string

	// Bus is the id of the bus that the device is plugged into: a PCI bus, a root port, the bus of a
	// SCSI controller. If it is empty, QEMU chooses a bus of the kind that Driver needs. For a PCI
	// device that is pci.0 of a pc. On q35 QEMU chooses pcie.0, and then refuses the device, since
	// pcie.0 takes none while the machine runs: name an empty root port there, which
	// [VM.FreePCISlot] finds.
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
		return fmt.Errorf("ID has %d bytes: a disk's has at most %d", len(d.ID), maxNodeName)
	}
	sources := 0
	for _, given := range []bool{d.Path != "", d.Node != nil, d.Chardev != nil} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		return errors.New("needs one of Path, Node and Chardev")
	}
	if d.Path == "" && (d.Format != "" || d.Direct || d.ReadOnly || d.AutoReadOnly) {
		return errors.New("Format, Direct, ReadOnly and AutoReadOnly go with Path only: Node has its own")
	}
	if d.Chardev != nil {
		if d.Open != nil || d.WriteCache != nil {
			return errors.New("Chardev goes without Open and WriteCache")
		}
		if err := checkConnects(d.Chardev); err != nil {
			return err
		}
	}
	if d.Node != nil {
		if name := d.Node.NodeName; name != nil && *name != "" && *name != d.ID {
			return fmt.Errorf("Node has the name %q: it must be empty or that of the disk", *name)
		}
	}
	if d.Node == nil && len(d.Secrets) > 0 {
		return errors.New("Secrets go with Node")
	}
	if err := d.checkSecrets(); err != nil {
		return err
	}
	if d.ReadOnly && d.AutoReadOnly {
		return errors.New("ReadOnly and AutoReadOnly exclude each other")
	}
	for _, ours := range []string{"drive", "write-cache", "chardev"} {
		if _, ok := d.Props[ours]; ok {
			return fmt.Errorf("Props has %q, which follows from other fields", ours)
		}
	}
	return nil
}

// checkID checks a device's ID by the rule that QEMU has for those (id_wellformed of
// util/id.c).
func checkID(id string) error {
	switch id {
	case "":
		return errors.New("needs an ID")
	case "type": // of the object that devices are in
		return errors.New(`ID must not be "type": QEMU 5.2 ends at such a device`)
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

// ownNode is the node to add for Node.
func (d *Disk) ownNode() qemu.BlockdevOptions {
	node := *d.Node
	node.NodeName = new(d.ID)
	return node
}

// pathNode is the node to add for Path, whose own driver is that of the kind of file it is.
func (d *Disk) pathNode() *qemu.BlockdevOptions {
	file := &qemu.BlockdevOptions{
		Driver:       qemu.BlockdevDriverFile,
		ReadOnly:     new(d.ReadOnly),
		AutoReadOnly: new(d.AutoReadOnly),
		Cache:        &qemu.BlockdevCacheOptions{Direct: new(d.Direct)},
		Branch:       &qemu.BlockdevOptionsFile{Filename: d.Path},
	}
	if d.Format == "" || d.Format == qemu.BlockdevDriverRaw {
		return file
	}
	return &qemu.BlockdevOptions{
		Driver:       d.Format,
		ReadOnly:     file.ReadOnly,
		AutoReadOnly: file.AutoReadOnly,
		Cache:        file.Cache,
		Branch:       &qemu.RawBranch{Members: qmp.Args{"file": file}},
	}
}

// device is the request for the device.
func (d *Disk) device() qemu.DeviceAdd {
	add := qemu.DeviceAdd{Driver: d.Driver, ID: new(d.ID), Bus: qmp.NonZero(d.Bus), Props: qmp.Args{}}
	usual := defaultDiskDriver
	if d.Chardev != nil {
		usual = vhostUserDriver + "-pci"
		add.Props["chardev"] = chardevOf(d.ID)
	} else {
		add.Props["drive"] = d.ID
	}
	if add.Driver == "" {
		add.Driver = usual
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
