package hotplug

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// A DiskBackend is the storage of a disk. It is one of:
//   - [File]: a file or a block device of the host. AddDisk opens it.
//   - [Descriptor]: a file that the caller has opened.
//   - [Blockdev]: what blockdev-add takes, for example storage in the network or a tree of nodes.
//   - [Node]: a node that QEMU has.
//   - [VhostUser]: the storage of a vhost-user server.
type DiskBackend interface {
	// checkDisk finds what is wrong before anything is done. id is the disk's.
	checkDisk(id string) error

	// addStorage makes what the device uses, as steps of an operation.
	addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error

	// diskDevice returns the driver for a disk that names none, and the properties by which the
	// device uses the backend.
	diskDevice(id string) (driver string, props qmp.Args)
}

// A File is a file or a block device of the host, as the storage of a disk. AddDisk opens it and gives
// QEMU the descriptor: QEMU needs no access to the file and does not learn its name.
type File struct {
	// Path is the name of the file. It need not be UTF-8.
	Path string

	// Format is the format of the file, raw when empty. It is never guessed: a guest that can write
	// to a raw image could make it look like another format. An image that needs more than a file
	// (a key, or a backing file whose name is relative) is a [Blockdev].
	Format qemu.BlockdevDriver

	// Direct bypasses the host's page cache (O_DIRECT).
	Direct bool

	// ReadOnly makes a disk that nobody can write to. AutoReadOnly then says nothing more.
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

	// Open, if not nil, opens the file in the place of AddDisk, for example in a process that has the
	// right to. See [Blockdev.Open]: an image must not name another file then.
	Open func(path string, flags int) (*os.File, error)

	// WriteCache says whether the guest is told of a write cache; nil leaves it to QEMU, which
	// tells it of one.
	WriteCache *bool
}

func (f File) checkDisk(string) error {
	if f.Path == "" {
		return errors.New("File needs a Path")
	}
	return nil
}

func (f File) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	return vm.addNode(ctx, undo, d, nil, func(t *nodeTree) error {
		err := t.read(imageNode(f.Path, f.Format, qmpfd.Use{ReadOnly: f.ReadOnly, AutoReadOnly: f.AutoReadOnly, Direct: f.Direct}))
		if err != nil {
			return err
		}
		if err := t.open(f.Open); err != nil {
			return err
		}
		return t.files[0].setDriver()
	})
}

func (f File) diskDevice(id string) (string, qmp.Args) { return blockDevice(id, f.WriteCache) }

// A Descriptor is a file or a block device that the caller has opened, as the storage of a disk. QEMU is
// given the descriptor. The file remains the caller's, who can close it when AddDisk has returned.
//
// If the file is open with O_RDONLY, the disk is read-only; else the file must be open with O_RDWR. If it is open
// with O_DIRECT, the disk bypasses the host's page cache. [qmpfd.UseOf] has the rules.
type Descriptor struct {
	File       *os.File
	Format     qemu.BlockdevDriver // of the file, as in [File]
	WriteCache *bool               // as in [File]
}

func (f Descriptor) checkDisk(string) error {
	if f.File == nil {
		return errors.New("Descriptor needs a File")
	}
	_, err := qmpfd.UseOf(f.File)
	return err
}

func (f Descriptor) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	return vm.addNode(ctx, undo, d, nil, func(t *nodeTree) error {
		use, err := qmpfd.UseOf(f.File)
		if err != nil {
			return err
		}
		if err := t.read(imageNode("", f.Format, use)); err != nil {
			return err
		}
		t.files[0].files = qmpfd.Files{f.File}
		return t.files[0].setDriver()
	})
}

func (f Descriptor) diskDevice(id string) (string, qmp.Args) { return blockDevice(id, f.WriteCache) }

// A Blockdev is anything that blockdev-add takes, as the storage of a disk: storage in the network, a tree
// of nodes. AddDisk adds the node, and RemoveDisk removes it.
type Blockdev struct {
	// Options describe the node. Its NodeName must be empty or the disk's ID. The nodes inside the tree are
	// removed with it, also those that have names. A node that QEMU has already, and that the tree refers to
	// by its name, remains.
	Options qemu.BlockdevOptions

	// Open, if not nil, opens the file of each node of Options that has one (file, host_device, host_cdrom),
	// backing files included. QEMU gets the descriptors, and needs no access to the files. If Open is nil,
	// QEMU opens the files. AddDisk closes what Open returns.
	//
	// flags are those of [os.OpenFile]: O_RDONLY or O_RDWR, and O_DIRECT, as the node's read-only and
	// cache.direct ask for. Nodes inherit these as in QEMU, and a backing file is read-only unless it says
	// otherwise. A file with auto-read-only that is not read-only is opened with O_RDWR, and its node gets no
	// auto-read-only, see [File.AutoReadOnly]. So QEMU can commit into a backing file. If the format of an
	// image can name files, AddDisk first opens the image with O_RDONLY and reads its header.
	//
	// With Open, QEMU opens nothing that only an image names. The backing file and the data file of an image
	// must be in the tree, else AddDisk returns an error; "backing" may be null. AddDisk does not read the
	// header of an image that is not in a file. QEMU then ignores the backing file that the header names, but
	// opens the data file. AddDisk refuses vmdk, whose other files it cannot replace.
	Open func(path string, flags int) (*os.File, error)

	// Secrets are keys that the nodes need, by names of letters and digits. AddDisk makes an object of each,
	// and RemoveDisk removes it. [SecretID] returns the object's id, for the members "key-secret" and
	// "password-secret".
	Secrets map[string][]byte

	// WriteCache is as in [File].
	WriteCache *bool
}

func (b Blockdev) checkDisk(id string) error {
	if name := qmp.Value(b.Options.NodeName); name != "" && name != id {
		return fmt.Errorf("Options has the node name %q: it must be empty or the ID of the disk", name)
	}
	return checkSecrets(b.Secrets)
}

func (b Blockdev) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	return vm.addNode(ctx, undo, d, b.Secrets, func(t *nodeTree) error {
		if b.Open == nil {
			t.node = b.Options
			return nil
		}
		if err := t.read(&b.Options); err != nil {
			return err
		}
		return t.open(b.Open)
	})
}

func (b Blockdev) diskDevice(id string) (string, qmp.Args) { return blockDevice(id, b.WriteCache) }

// A Node is a node of the block layer that QEMU has already, as the storage of a disk.
//
// Remove such a disk with [VM.RemoveDevice], which leaves the node. [VM.RemoveNode] removes the node when it is
// not needed any more. If the name of the node is the disk's ID, RemoveDisk removes both, as if AddDisk had
// added the node.
type Node struct {
	Name       string // of the node
	WriteCache *bool  // as in [File]
}

func (n Node) checkDisk(string) error {
	if n.Name == "" {
		return errors.New("Node needs a Name")
	}
	return nil
}

func (n Node) addStorage(context.Context, *VM, *rollback, *Disk) error { return nil }

func (n Node) diskDevice(string) (string, qmp.Args) { return blockDevice(n.Name, n.WriteCache) }

// blockDevice is diskDevice for a disk with a node.
func blockDevice(node string, writeCache *bool) (driver string, props qmp.Args) {
	props = qmp.Args{"drive": node}
	if writeCache != nil { // the property is an OnOffAuto, which is no boolean
		props["write-cache"] = qemu.OnOffAutoOff
		if *writeCache {
			props["write-cache"] = qemu.OnOffAutoOn
		}
	}
	return defaultDiskDriver, props
}

// imageNode is the node of an image in one file. setDriver later changes the driver of the file.
func imageNode(path string, format qemu.BlockdevDriver, use qmpfd.Use) *qemu.BlockdevOptions {
	file := &qemu.BlockdevOptions{
		Driver:       qemu.BlockdevDriverFile,
		ReadOnly:     new(use.ReadOnly),
		AutoReadOnly: new(use.AutoReadOnly),
		Cache:        &qemu.BlockdevCacheOptions{Direct: new(use.Direct)},
		Branch:       &qemu.BlockdevOptionsFile{Filename: path},
	}
	if format == "" || format == qemu.BlockdevDriverRaw {
		return file
	}
	return &qemu.BlockdevOptions{
		Driver:       format,
		ReadOnly:     file.ReadOnly,
		AutoReadOnly: file.AutoReadOnly,
		Cache:        file.Cache,
		Branch:       &qemu.RawBranch{Members: qmp.Args{"file": file}},
	}
}
