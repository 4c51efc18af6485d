package block

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Disk describes the storage of a device as it is now.
type Disk struct {
	// Name is what the methods of [VM] take as the ID of the disk, and what the names of its jobs and nodes begin with: the
	// ID of the device, or else that of [hotplug.DiskNames].
	Name string

	ID   string // of the device; empty if it has none
	Path string // the device in QEMU's tree of objects, or its ID: the "qdev" of the block layer's answers

	// Drive is the name of the drive, if -drive or drive_add made the disk: "ide0-hd0". It is empty for a node of blockdev-add.
	Drive string

	// Layers are the images and the filters of the disk, in the order in which QEMU reads them for the guest. The filter
	// of a job is among them only if somebody gave it a name. A drive without a medium has no layers.
	Layers []Layer

	ReadOnly bool // the guest cannot write

	Jobs    []qemu.JobInfo         // on the disk: running, or ended and not dismissed
	Bitmaps []qemu.BlockDirtyInfo  // of the first layer; not those of jobs
	Exports []qemu.BlockExportInfo // of the nodes of the disk, or of a frozen view

	// Left are nodes that this library added for the disk and that the disk does not use: the target of a job that runs, or
	// nodes of an operation that was interrupted. If only the descriptors or the mark of a node are left, its name is here,
	// too. [VM.Clean] removes them.
	Left []string

	filters []string // the nodes of Jobs; those without names are on top of the layers, or below them
}

// A Layer is an image or a filter of a disk.
type Layer struct {
	Node   string              // its name; if nobody gave one, QEMU's: "#block123"
	Driver qemu.BlockdevDriver // "qcow2"; "file" or "host_device" for a raw image without a format node

	// File is the file, the device or the URL of the image. It is "/dev/fdset/N" if QEMU got a descriptor, and empty if
	// QEMU reports no name.
	File string

	// Path is the path of the file if QEMU got a descriptor from this library, and the library opened the file. [VM.Disk] and
	// [VM.Disks] fill it in.
	Path string

	Size int64 // of the disk that the guest sees, in bytes
	Used int64 // of the storage that the image takes, in bytes; 0 if QEMU does not know it

	Encrypted bool // QEMU encrypts the data, with LUKS or an older method

	below []string // the named nodes that the layer uses besides the next layer: that of its file
	part  bool     // the image begins inside File, so File alone does not open it
}

// filters are the drivers of nodes that have no data. QEMU names the nodes of jobs, unless the request has a name.
var filters = []string{
	"backup-top", "blkdebug", "blklogwrites", "blkreplay", "commit_top", "compress", "copy-before-write", "copy-on-read", "mirror_top",
	"preallocate", "throttle",
}

// Filter reports whether the layer is a filter, which has no data: a throttle, or the filter of a job that got a name.
func (l Layer) Filter() bool { return slices.Contains(filters, string(l.Driver)) }

// FDSet returns the number of the set of descriptors from which QEMU opened the image. ok is false if there is none.
func (l Layer) FDSet() (set int64, ok bool) {
	number, ok := strings.CutPrefix(l.File, "/dev/fdset/")
	set, err := strconv.ParseInt(number, 10, 64)
	return set, ok && err == nil
}

// image returns the first layer that is not a filter. The disk must have one.
func (d *Disk) image() Layer { return d.Layers[d.imageIndex()] }

func (d *Disk) imageIndex() int {
	if i := slices.IndexFunc(d.Layers, func(l Layer) bool { return !l.Filter() }); i >= 0 {
		return i
	}
	return len(d.Layers) - 1
}

// root returns the node that the commands for jobs want as their device: the top of the disk.
func (d *Disk) root() string { return d.Layers[0].Node }

// Size returns the size of the disk in bytes, and 0 for a drive without a medium.
func (d *Disk) Size() int64 {
	if len(d.Layers) == 0 {
		return 0
	}
	return d.Layers[0].Size
}

// layer returns the layer with this node.
func (d *Disk) layer(node string) (index int, ok bool) {
	index = slices.IndexFunc(d.Layers, func(l Layer) bool { return l.Node == node })
	return index, index >= 0
}

// uses reports whether a node is a layer of the disk, or the file of one.
func (d *Disk) uses(node string) bool {
	return slices.ContainsFunc(d.Layers, func(l Layer) bool { return l.Node == node || slices.Contains(l.below, node) })
}

// busy returns an error if there are jobs on the disk, or a frozen view.
func (d *Disk) busy() error {
	switch {
	case d.frozen():
		return ErrFrozen
	case len(d.Jobs) == 0:
		return nil
	}
	e := &BusyError{}
	for _, j := range d.Jobs {
		e.Jobs = append(e.Jobs, j.ID)
	}
	return e
}

// Disk describes the storage of the device with this ID, or of a device without an ID by [Disk.Name]. A drive without a medium
// is a disk. If there is no such device, or QEMU's block layer does not serve it, the error matches [ErrNoDisk].
//
// Source: query-block, query-blockstats, query-jobs, query-block-exports, query-fdsets, qom-list; x-debug-query-block-graph
// if there are jobs.
func (vm *VM) Disk(ctx context.Context, id string) (d *Disk, err error) {
	err = vm.do(ctx, "describe disk", id, func() error {
		if d, err = vm.look(ctx, id); err == nil {
			err = vm.describe(ctx, d)
		}
		return err
	})
	return d, err
}

// Disks describes the storage of all devices, also of those without an ID, in the order of query-block.
//
// Source: as [VM.Disk].
func (vm *VM) Disks(ctx context.Context) (all []*Disk, err error) {
	if err := vm.made(ctx); err != nil {
		return nil, err
	}
	if all, err = vm.find(ctx, everyDisk); err == nil {
		err = vm.describe(ctx, all...)
	}
	if err != nil {
		return nil, fmt.Errorf("block: list disks: %w", err)
	}
	return all, nil
}

// look finds the disk of an operation, without Exports and Left.
func (vm *VM) look(ctx context.Context, id string) (*Disk, error) {
	found, err := vm.lookAll(ctx, id)
	if err != nil {
		return nil, err
	}
	return found[0].existing()
}

// lookAll is look for several disks, which QEMU describes at once. A disk that does not exist is nil.
func (vm *VM) lookAll(ctx context.Context, ids ...string) ([]*Disk, error) {
	found, err := vm.find(ctx, func(name string, _ *qemu.BlockInfo) bool { return name != "" && slices.Contains(ids, name) })
	if err != nil {
		return nil, err
	}
	disks := make([]*Disk, len(ids))
	for _, d := range slices.Backward(found) { // the first one, if one device has several disks
		for i, id := range ids {
			if id == d.Name {
				disks[i] = d
			}
		}
	}
	return disks, nil
}

// existing returns the disk, or an error if it is nil.
func (d *Disk) existing() (*Disk, error) {
	if d == nil {
		return nil, ErrNoDisk
	}
	return d, nil
}

// lookIdle is look for an operation that needs a medium, and no jobs on the disk.
func (vm *VM) lookIdle(ctx context.Context, id string) (*Disk, error) {
	d, err := vm.look(ctx, id)
	if err != nil {
		return nil, err
	}
	return d, d.idle()
}

// lookAllIdle is lookIdle for several disks. There must be at least one, and none twice.
func (vm *VM) lookAllIdle(ctx context.Context, ids []string) ([]*Disk, error) {
	if len(ids) == 0 {
		return nil, errors.New("no disk is given")
	}
	disks, err := vm.lookAll(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return nil, fmt.Errorf("disk %q is given twice", id)
		}
		if err := disks[i].idle(); err != nil {
			return nil, onDisk(id, err)
		}
	}
	return disks, nil
}

// idle returns an error unless the disk exists, and has a medium and no jobs.
func (d *Disk) idle() error {
	switch {
	case d == nil:
		return ErrNoDisk
	case len(d.Layers) == 0:
		return because(ErrNoDisk, "drive has no medium")
	}
	return d.busy()
}

// orBusy looks for the jobs of a disk, if a job was not started. An operation on the same disk can have been faster: the
// error then matches ErrBusy, too.
func (vm *VM) orBusy(ctx context.Context, id, jobID string, err error) error {
	if !errors.Is(err, job.ErrNotStarted) || ctx.Err() != nil {
		return err
	}
	var busy error
	if d, lookErr := vm.look(ctx, id); lookErr == nil {
		busy = d.busy()
	}
	if busy == nil && errors.Is(err, job.ErrExists) { // it has ended since
		busy = &BusyError{Jobs: []string{jobID}}
	}
	if busy == nil {
		return err
	}
	return fmt.Errorf("%w; %w", busy, err)
}

// describe fills in all that a caller sees.
func (vm *VM) describe(ctx context.Context, disks ...*Disk) error {
	if err := vm.complete(ctx, disks...); err != nil {
		return err
	}
	return vm.findPaths(ctx, disks...)
}

// complete fills in Exports and Left.
func (vm *VM) complete(ctx context.Context, disks ...*Disk) error {
	exports, err := qemu.QueryBlockExports{}.Do(ctx, vm.conn)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) { // before 5.2
		return err
	}
	var ids []string
	for _, d := range disks {
		if d.Name != "" {
			ids = append(ids, d.Name)
		}
	}
	nodes, err := vm.plug.NodesOf(ctx, ids...)
	for _, d := range disks {
		for _, e := range exports {
			isView := d.Name != "" && e.NodeName == viewNode(d.Name, accessNode)
			if d.uses(e.NodeName) || isView || isNameless(e.NodeName) && slices.Contains(d.filters, e.NodeName) {
				d.Exports = append(d.Exports, e)
			}
		}
		for _, name := range nodes[d.Name] {
			if !d.uses(name) {
				d.Left = append(d.Left, name)
			}
		}
	}
	return err
}

// A view has the answers of QEMU about its storage.
type view struct {
	blocks   []qemu.BlockInfo
	names    []string                    // of the disks, in the order of blocks
	stats    map[string]*qemu.BlockStats // by the disk's qdev
	jobs     []qemu.JobInfo
	jobNodes map[string][]string // by the job's ID
}

// attempts is how often an operation tries again if another client changes the same things.
const attempts = 5

// find describes some disks. The answers to several queries may not fit, if the graph changes between them: then find asks
// again.
func (vm *VM) find(ctx context.Context, wanted func(name string, b *qemu.BlockInfo) bool) (found []*Disk, err error) {
	for range attempts {
		v, err := vm.readView(ctx)
		if err != nil {
			return nil, err
		}
		found = nil
		fits := true
		for i := range v.blocks {
			if wanted(v.names[i], &v.blocks[i]) {
				d, fit := v.disk(i)
				found, fits = append(found, d), fits && fit
			}
		}
		if fits {
			return found, nil
		}
	}
	return nil, errors.New("block graph keeps changing: try again")
}

func everyDisk(string, *qemu.BlockInfo) bool { return true }

func (vm *VM) readView(ctx context.Context) (v *view, err error) {
	v = &view{stats: map[string]*qemu.BlockStats{}}
	if v.jobs, err = job.List(ctx, vm.conn); err != nil {
		return nil, err
	}
	if len(v.jobs) > 0 {
		v.jobNodes, err = job.Nodes(ctx, vm.conn)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	if v.blocks, err = (qemu.QueryBlock{}).Do(ctx, vm.conn); err != nil {
		return nil, err
	}
	v.names = hotplug.DiskNames(v.blocks)
	stats, err := qemu.QueryBlockStats{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	for i := range stats {
		v.stats[qdevOf(stats[i].Qdev, stats[i].Device)] = &stats[i]
	}
	return v, nil
}

// qdevOf returns what identifies a disk in the answers of the block layer: a device, or a drive without one.
func qdevOf(qdev, device *string) string {
	if qdev != nil {
		return *qdev
	}
	return "drive " + qmp.Value(device)
}

// layers describes the chain of a disk: the images of query-block, with the names of query-blockstats. Both skip filters
// of jobs that have no name. fit reports whether the two answers are of one moment, as far as one can tell.
func layers(inserted *qemu.BlockDeviceInfo, stats *qemu.BlockStats) (all []Layer, fit bool) {
	image := &inserted.Image
	for s := stats; s != nil && image != nil; s, image = s.Backing, image.BackingImage {
		all = append(all, Layer{
			Node: qmp.Value(s.NodeName), Driver: qemu.BlockdevDriver(image.Format), File: fileOf(image.Filename), Size: image.VirtualSize, Used: qmp.Value(image.ActualSize),
			Encrypted: qmp.Value(image.Encrypted),
			below:     filesOf(s), part: isPart(image.Filename),
		})
		fit = s.Backing == nil && image.BackingImage == nil
	}
	return all, fit && (inserted.NodeName == nil || *inserted.NodeName == all[0].Node)
}

// filesOf lists the names of the nodes that a node uses for its data. QEMU lists the node below a filter there, too.
func filesOf(s *qemu.BlockStats) (names []string) {
	if s.Backing != nil && s.Parent != nil && qmp.Value(s.Backing.NodeName) == qmp.Value(s.Parent.NodeName) {
		return nil
	}
	for s = s.Parent; s != nil; s = s.Parent { // QEMU's word for a child
		if name := qmp.Value(s.NodeName); name != "" && !isNameless(name) {
			names = append(names, name)
		}
	}
	return names
}

// isNameless reports whether QEMU has made up the name of a node.
func isNameless(node string) bool { return strings.HasPrefix(node, "#") }

// disk describes a disk of blocks, without Exports and Left. fit is that of layers.
func (v *view) disk(index int) (d *Disk, fit bool) {
	b := &v.blocks[index]
	d = &Disk{Name: v.names[index], ID: hotplug.DiskID(b), Path: qmp.Value(b.Qdev), Drive: b.Device}
	if b.Inserted == nil {
		return d, true
	}
	d.ReadOnly = b.Inserted.RO
	d.Layers, fit = layers(b.Inserted, v.stats[qdevOf(b.Qdev, &b.Device)])
	for _, bitmap := range b.Inserted.DirtyBitmaps {
		if bitmap.Name != nil {
			d.Bitmaps = append(d.Bitmaps, bitmap)
		}
	}
	d.Jobs = job.OnDisk(v.jobs, v.jobNodes, d.Name, d.uses)
	for _, j := range d.Jobs {
		d.filters = append(d.filters, v.jobNodes[j.ID]...)
	}
	return d, fit
}

// jobID returns the ID of the job for a purpose on a disk. [job.IsOf] recognizes it.
func jobID(disk, purpose string) string { return disk + "." + purpose }

// isPart reports whether an image begins inside its file, or is inside another image: a qcow2 image in a raw one with an
// offset, or in an encrypted one.
func isPart(filename string) bool {
	text, _ := strings.CutPrefix(filename, "json:")
	var options struct {
		Driver qemu.BlockdevDriver `json:"driver"`
		Offset json.RawMessage     `json:"offset"`
		File   json.RawMessage     `json:"file"`
	}
	if json.Unmarshal([]byte(text), &options) != nil {
		return false
	}
	var file struct {
		Driver qemu.BlockdevDriver `json:"driver"`
	}
	isEncrypted := json.Unmarshal(options.File, &file) == nil && file.Driver == qemu.BlockdevDriverLUKS
	hasOffset := len(options.Offset) > 0 && strings.Trim(string(options.Offset), `"`) != "0"
	return hasOffset || isEncrypted || isPart(string(options.File))
}

// fileOf returns the name of the file of an image. QEMU writes all options of a node as "json:" if a name alone would
// not open the image in the same way.
func fileOf(filename string) string {
	text, isJSON := strings.CutPrefix(filename, "json:")
	if !isJSON {
		return filename
	}
	var options struct {
		Filename string          `json:"filename"`
		File     json.RawMessage `json:"file"`
	}
	if json.Unmarshal([]byte(text), &options) != nil {
		return ""
	}
	if options.Filename != "" || len(options.File) == 0 {
		return options.Filename
	}
	return fileOf("json:" + string(options.File))
}
