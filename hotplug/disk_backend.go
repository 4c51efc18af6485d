package hotplug

import (
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// A DiskBackend is the storage of a disk. It is one of:
//   - [File]: a file or a block device of the host. AddDisk opens it.
//   - [Descriptor]: a file that the caller has opened.
//   - [Blockdev]: any node that blockdev-add can add, for example storage in the network or a tree of
//     nodes.
//   - [Node]: a node that exists in QEMU.
//   - [VhostUser]: a vhost-user server.
type DiskBackend interface {
	// checkDisk returns the name of the disk's node, or an error if the backend is invalid. It sends nothing.
	checkDisk(d *Disk) (node string, err error)

	// addStorage adds the storage that the device will use, as steps of an operation.
	addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error

	// appendStorage is addStorage for the command line of a new QEMU.
	appendStorage(line *launch.Line, d *Disk) error

	// diskDevice returns the driver for a Disk without a Driver, and the properties that connect the device
	// with the backend.
	diskDevice(d *Disk) (driver string, props qmp.Args)
}

// A nodeBackend is a backend of which a node is made.
type nodeBackend interface {
	// prepare reads the tree of nodes and opens its files.
	prepare(t *nodeTree) error

	// keys returns the secrets of the nodes.
	keys() map[string][]byte
}

// A File is a file or a block device of the host, as the storage of a disk. AddDisk opens it and gives QEMU
// the descriptor: QEMU needs no access to the file and does not learn its name.
type File struct {
	// Path is the name of the file. It need not be UTF-8.
	Path string

	// Format is the format of the file; empty means raw. QEMU must not guess it, because a guest can write the
	// header of another format to a raw image. Use a [Blockdev] for an image that needs a key, or whose backing
	// file has a relative name.
	Format qemu.BlockdevDriver

	// Backing is the image below an image in the format qcow2 or qed: a node, its options or null. It replaces the
	// backing file that the header of the image names. If it is nil, QEMU opens the file that the header names.
	Backing *qemu.BlockdevRefOrNull

	// Direct bypasses the host's page cache (O_DIRECT).
	Direct bool

	// Discard frees the space in the file when the guest discards blocks (TRIM). Without Discard, QEMU ignores
	// such requests.
	Discard bool

	// ReadOnly makes the disk read-only. AutoReadOnly then has no effect.
	ReadOnly bool

	// AutoReadOnly sets "auto-read-only" in the node of the image. It has no effect if Format is raw. The
	// node of the file below does not get it: QEMU gets one descriptor, which is open for reading and
	// writing.
	//
	// With "auto-read-only" in the node of the file, QEMU 5.2 to 11.1 would switch between two descriptors,
	// one of them for reading only. QEMU's file locks stay on a descriptor as long as it is in its set, so
	// QEMU would block itself: the machine would not continue after a migration, and the disk could not get
	// a snapshot or another size. Without locks, another QEMU could write to the file.
	AutoReadOnly bool

	// Open, if not nil, opens the file instead of AddDisk, for example in a process with more rights. The header
	// of the image must not name another file then, see [Blockdev.Open].
	Open func(path string, flags int) (*os.File, error)

	// WriteCache sets whether the guest sees a write cache. nil leaves this to QEMU, which shows one.
	WriteCache *bool
}

func (f File) checkDisk(d *Disk) (node string, err error) {
	if f.Path == "" {
		return "", errors.New("File needs a Path")
	}
	return d.newNode("")
}

func (f File) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	return vm.addNode(ctx, undo, d, f)
}

func (f File) appendStorage(line *launch.Line, d *Disk) error { return appendNode(line, d, f) }

func (f File) keys() map[string][]byte { return nil }

func (f File) prepare(t *nodeTree) error {
	err := t.read(imageNode(f.Path, f.Format, f.Backing, f.Discard, qmpfd.Use{ReadOnly: f.ReadOnly, AutoReadOnly: f.AutoReadOnly, Direct: f.Direct}))
	if err != nil {
		return err
	}
	if err := t.open(f.Open); err != nil {
		return err
	}
	return t.files[0].setDriver()
}

func (f File) diskDevice(d *Disk) (string, qmp.Args) { return blockDevice(d.NodeName, f.WriteCache) }

// A Descriptor is a file or a block device that the caller has opened, as the storage of a disk. AddDisk
// sends QEMU a copy of the descriptor. The caller still owns the file and can close it when AddDisk has
// returned.
//
// If the file is open with O_RDONLY, the disk is read-only; else the file must be open with O_RDWR. If it
// is open with O_DIRECT, the disk bypasses the host's page cache. [qmpfd.UseOf] has the rules.
type Descriptor struct {
	File       *os.File
	Format     qemu.BlockdevDriver     // of the file, as in [File]
	Backing    *qemu.BlockdevRefOrNull // as in [File]
	Discard    bool                    // as in [File]
	WriteCache *bool                   // as in [File]
}

func (f Descriptor) checkDisk(d *Disk) (node string, err error) {
	if f.File == nil {
		return "", errors.New("Descriptor needs a File")
	}
	if _, err := qmpfd.UseOf(f.File); err != nil {
		return "", err
	}
	return d.newNode("")
}

func (f Descriptor) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	return vm.addNode(ctx, undo, d, f)
}

func (f Descriptor) appendStorage(line *launch.Line, d *Disk) error { return appendNode(line, d, f) }

func (f Descriptor) keys() map[string][]byte { return nil }

func (f Descriptor) prepare(t *nodeTree) error {
	use, err := qmpfd.UseOf(f.File)
	if err != nil {
		return err
	}
	if err := t.read(imageNode("", f.Format, f.Backing, f.Discard, use)); err != nil {
		return err
	}
	t.files[0].files = qmpfd.Files{f.File}
	return t.files[0].setDriver()
}

func (f Descriptor) diskDevice(d *Disk) (string, qmp.Args) {
	return blockDevice(d.NodeName, f.WriteCache)
}

// A Blockdev is any block node that blockdev-add can add, as the storage of a disk: storage in the network,
// a tree of nodes. AddDisk adds the node, and RemoveDisk removes it.
type Blockdev struct {
	// Options describes the node. If its NodeName is empty, it is that of the Disk. RemoveDisk also removes the
	// nodes inside the tree, even if they have names. It does not remove a node that existed before AddDisk
	// and that the tree refers to by its name.
	//
	// Set OpenTimeout in the node of an NBD server (QEMU 7.0 and later). If the server accepts the connection and
	// does not answer, QEMU executes no command until the timeout; without one, until the server closes the
	// connection. Package block sets OpenTimeout for its targets.
	Options qemu.BlockdevOptions

	// Open, if not nil, opens the file of each node in Options whose driver is file, host_device or host_cdrom,
	// also for backing files. QEMU gets the descriptors, and needs no access to the files. AddDisk closes the
	// files. If Open is nil, QEMU opens the files.
	//
	// flags are flags of [os.OpenFile]: O_RDONLY or O_RDWR, depending on the node's read-only, and O_DIRECT,
	// depending on its cache.direct. A node inherits both from the node above it, as in QEMU; a backing file is
	// read-only by default. The node of a file never gets auto-read-only, see [File.AutoReadOnly]. To let QEMU
	// commit into a backing file, set read-only to false in the node of that file: the file is then open for writing, and
	// the node of the image above it can be read-only. A raw image needs a node with the driver raw above its file.
	//
	// With Open, QEMU does not open a file that only the header of an image names. If the format can name files,
	// AddDisk first opens the image with O_RDONLY and reads the header. If the header names a backing file or a
	// data file that is not in Options, AddDisk returns an error; "backing" may be null. If the image is not in
	// a file, AddDisk does not read the header: QEMU then ignores a backing file that the header names, but
	// opens a data file. AddDisk refuses vmdk images, because it cannot replace their other files.
	Open func(path string, flags int) (*os.File, error)

	// Secrets holds keys that the nodes need, by name. A name has letters and digits only. AddDisk creates
	// an object for each key, and RemoveDisk removes it. In Options, the members "key-secret" and
	// "password-secret" name the object by its ID, which [SecretID] returns.
	Secrets map[string][]byte

	// WriteCache is as in [File].
	WriteCache *bool
}

func (b Blockdev) checkDisk(d *Disk) (node string, err error) {
	if err := checkSecrets(b.Secrets); err != nil {
		return "", err
	}
	return d.newNode(qmp.Value(b.Options.NodeName))
}

func (b Blockdev) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	return vm.addNode(ctx, undo, d, b)
}

func (b Blockdev) appendStorage(line *launch.Line, d *Disk) error { return appendNode(line, d, b) }

func (b Blockdev) keys() map[string][]byte { return b.Secrets }

func (b Blockdev) prepare(t *nodeTree) error {
	if b.Open == nil {
		t.node = b.Options
		return nil
	}
	if err := t.read(&b.Options); err != nil {
		return err
	}
	return t.open(b.Open)
}

func (b Blockdev) diskDevice(d *Disk) (string, qmp.Args) {
	return blockDevice(d.NodeName, b.WriteCache)
}

// A Node is a block node that exists in QEMU already, as the storage of a disk.
//
// RemoveDisk leaves the node, unless [WithBackend] or [WithNode] removes it. To remove it later, call
// [VM.RemoveNode]. If the name of the node is the disk's ID, RemoveDisk removes the node too, as if AddDisk had added
// it.
type Node struct {
	Name       string // of the node
	WriteCache *bool  // as in [File]
}

func (n Node) checkDisk(d *Disk) (node string, err error) {
	if n.Name == "" {
		return "", errors.New("Node needs a Name")
	}
	return n.Name, d.noNode("Node")
}

func (n Node) addStorage(context.Context, *VM, *rollback, *Disk) error { return nil }

func (n Node) appendStorage(*launch.Line, *Disk) error { return nil }

func (n Node) diskDevice(*Disk) (string, qmp.Args) { return blockDevice(n.Name, n.WriteCache) }

// blockDevice is the diskDevice of a backend with a node.
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

// imageNode returns the node of an image in one file. setDriver later changes the driver of the file.
func imageNode(path string, format qemu.BlockdevDriver, backing *qemu.BlockdevRefOrNull, discard bool, use qmpfd.Use) *qemu.BlockdevOptions {
	node := &qemu.BlockdevOptions{
		Driver:       qemu.BlockdevDriverFile,
		ReadOnly:     new(use.ReadOnly),
		AutoReadOnly: new(use.AutoReadOnly),
		Cache:        &qemu.BlockdevCacheOptions{Direct: new(use.Direct)},
		Branch:       &qemu.BlockdevOptionsFile{Filename: path},
	}
	if format != "" && format != qemu.BlockdevDriverRaw {
		file := *node
		members := qmp.Args{"file": &file}
		if backing != nil {
			members["backing"] = backing
		}
		node.Driver, node.Branch = format, &qemu.RawBranch{Members: members}
	}
	if discard { // the file below an image has it by default
		node.Discard = new(qemu.BlockdevDiscardOptionsUnmap)
	}
	return node
}
