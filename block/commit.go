package block

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// CommitOptions configures [VM.Commit]. The zero value merges the first image of the disk into the image below it.
type CommitOptions struct {
	// Top is the node of the first layer to merge down. If it is empty, it is the first image of the disk: the overlay
	// that the guest writes to.
	Top string

	// Base is the node of the layer that gets the data of Top and of all layers between. If it is empty, it is the image
	// below Top.
	Base string

	// BackingFile is the name of the base, for the header of the image above Top. By default, Commit writes the name that
	// QEMU knows, or [Layer.Path]. If neither is known, the error matches [ErrNoFileName]. BackingFile has no effect if Top
	// is the first image.
	BackingFile string

	// BaseFile makes QEMU open the file of the base again, for writing. Set it if blockdev-add gave the node of the file a
	// name and the option read-only: QEMU does not open such a file for writing by itself. BaseFile has all options with
	// which the node was added. If the file is a set of descriptors, one of them must be open for reading and writing. After
	// a successful commit, the file stays open for writing.
	BaseFile *qemu.BlockdevOptions

	// DropBitmaps leaves the bitmaps on the first image; they are removed with it. Otherwise Commit moves them to the base.
	DropBitmaps bool

	Speed    int64              // the limit in bytes a second; 0 means none
	Progress func(job.Progress) // called about once a second, see [job.Job.Wait]; may be nil
}

// Commit merges layers of a disk into an image below them while the guest uses the disk, and then removes the nodes of
// these layers. Their files stay, but the disk no longer uses them. Other disks must not use the base: its content changes.
// A filter on top of the disk stays on top. The job has the ID "ID.commit".
//
// If the first image is merged, the guest then uses the base. The bitmaps of the first image move to the base with their
// content, except for inconsistent ones. If the base cannot hold persistent bitmaps, they are no longer persistent. A commit
// of layers below the first image changes no bitmap of the first image.
//
// If Commit returns nil, the layers are merged. kept lists their nodes and descriptors that are still in QEMU, because
// something else uses them or a command failed, and the job if QEMU did not dismiss it. [VM.Clean] removes them later. If a
// bitmap could not move, the nodes stay with the bitmap, their Err in kept gives the reason, and the base has a bitmap
// "ID.commit" with what the guest has written since.
//
// If Commit fails or ctx ends, the disk has the same layers as before, unless the error is a [*hotplug.RollbackError]. The
// base may already have some of the data, which changes nothing for the guest. The error matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrNoLayer]: Top or Base is not a layer of the disk, or nothing is below Top.
//   - [ErrBusy]: jobs run on the disk.
//   - [ErrSize]: the first image is merged, and the base is larger than the disk.
//   - [hotplug.ErrInUse]: another disk of the machine uses the file of the base.
//   - [*job.FailedError]: the commit failed, for example because the file system of the base is full.
//   - the other errors of [job.Run].
//
// If the program ends during a commit, QEMU continues the job until it is ready or has ended. [job.Find] with "ID.commit"
// and [job.Job.Wait] finish the commit, and Clean removes the rest. The bitmaps of the first image are then lost.
//
// Source: block-commit, block-dirty-bitmap-add, block-dirty-bitmap-merge, blockdev-reopen (x-blockdev-reopen before QEMU
// 6.1), blockdev-del.
func (vm *VM) Commit(ctx context.Context, id string, opts *CommitOptions) (kept []hotplug.Kept, err error) {
	if opts == nil {
		opts = &CommitOptions{}
	}
	var c *commit
	err = vm.changing(ctx, "commit disk", id, func(undo *rollback) error {
		if c, err = vm.planCommit(ctx, id, opts); err != nil {
			return err
		}
		if opts.BaseFile != nil {
			if err := vm.reopen(ctx, undo, *opts.BaseFile); err != nil {
				return err
			}
		}
		c.ready = func(ctx context.Context) error { return c.bitmaps.record(ctx, undo) }
		if err = c.run(ctx); errors.Is(err, job.ErrNotStarted) && !errors.Is(err, ErrBusy) && opts.BaseFile == nil {
			err = fmt.Errorf("%w (if QEMU has opened the file of the base for reading only, set BaseFile)", err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := wait.Detach(ctx, undoLimit) // the layers are merged
	defer cancel()
	if err := c.bitmaps.finish(ctx); err != nil {
		for _, l := range c.gone {
			c.kept = append(c.kept, hotplug.Kept{What: "node", Name: l.Node, Err: err})
		}
		return c.kept, nil
	}
	return c.release(ctx), nil
}

// A merge is a job that merges layers.
type merge struct {
	vm       *VM
	disk     *Disk
	top      int     // the index of the first layer
	all      []*Disk // of the machine
	job      string  // its ID
	request  qmp.Request
	progress func(job.Progress)
	ready    func(ctx context.Context) error // what to do when the job is ready; may be nil

	gone []Layer        // what the disk does not use afterwards
	kept []hotplug.Kept // the job, if QEMU did not dismiss it
}

// planMerge begins to plan a merge: top is the node of its first layer.
func (vm *VM) planMerge(ctx context.Context, id, purpose, top string, progress func(job.Progress)) (m merge, err error) {
	m = merge{vm: vm, job: jobID(id, purpose), progress: progress}
	if m.all, err = vm.find(ctx, everyDisk); err != nil {
		return m, err
	}
	if i := slices.IndexFunc(m.all, func(d *Disk) bool { return id != "" && d.Name == id }); i >= 0 {
		m.disk = m.all[i]
	}
	if err = m.disk.idle(); err == nil {
		m.top, err = m.disk.topLayer(top)
	}
	return m, err
}

// run runs the job. If it returns nil, the disk no longer uses the layers.
func (m *merge) run(ctx context.Context) error {
	j, err := job.Start(ctx, m.vm.conn, m.job, m.request)
	if err == nil {
		defer j.Detach()
		err = j.WaitReady(ctx, m.progress)
	}
	if err == nil && m.ready != nil {
		err = m.ready(ctx)
	}
	if err == nil {
		err = j.Complete(ctx)
	}
	if _, failed := errors.AsType[*job.FailedError](err); failed || errors.Is(err, job.ErrNotStarted) || errors.Is(err, job.ErrCancelled) {
		return m.vm.orBusy(ctx, m.disk.Name, m.job, err)
	}
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	switch {
	case errors.Is(err, job.ErrNotDismissed): // without that, QEMU does not remove the nodes
		if again := m.dismiss(ctx); again != nil {
			m.kept = append(m.kept, hotplug.Kept{What: "job", Name: m.job, Err: err})
		}
		err = nil
	case err != nil:
		if j, findErr := job.Find(ctx, m.vm.conn, m.job); findErr == nil {
			cancelErr := j.Cancel(ctx)                                                                 // the nodes show the outcome
			if cancelErr == nil && !errors.Is(err, job.ErrUnknown) && !errors.Is(err, job.ErrGoesOn) { // ready has failed
				err = fmt.Errorf("%w: %w", job.ErrCancelled, err)
			}
			j.Detach()
		}
	}
	d, lookErr := m.vm.look(ctx, m.disk.Name)
	switch {
	case lookErr == nil && !d.uses(m.gone[0].Node):
		return nil
	case lookErr == nil && err == nil:
		return because(job.ErrCancelled, "another client has ended job %q: the disk uses node %q", m.job, m.gone[0].Node)
	}
	return err
}

// release removes the layers, and returns what stays.
func (m *merge) release(ctx context.Context) []hotplug.Kept {
	return append(m.kept, m.vm.release(ctx, m.disk.Name, m.gone)...)
}

// dismiss dismisses the job, which has ended.
func (m *merge) dismiss(ctx context.Context) error {
	j, err := job.Find(ctx, m.vm.conn, m.job)
	if err == nil {
		defer j.Detach()
		err = j.Wait(ctx, nil)
	}
	if errors.Is(err, job.ErrGone) {
		return nil
	}
	return err
}

// A commit is a merge into a layer below.
type commit struct {
	merge
	bitmaps bitmapMove // to the base
}

func (vm *VM) planCommit(ctx context.Context, id string, opts *CommitOptions) (*commit, error) {
	m, err := vm.planMerge(ctx, id, "commit", opts.Top, opts.Progress)
	if err != nil {
		return nil, err
	}
	d, top := m.disk, m.top
	base, err := d.imageBelow(top, opts.Base)
	if err != nil {
		return nil, err
	}
	below := d.Layers[base]
	if err := m.checkShared(below, opts.BaseFile != nil); err != nil {
		return nil, err
	}
	if top == d.imageIndex() && below.Size > d.Layers[top].Size {
		return nil, because(ErrSize, "base %q has %d bytes, and the disk %d: the disk would grow", below.Node, below.Size, d.Layers[top].Size)
	}
	c := &commit{merge: m}
	request := qemu.BlockCommit{Device: d.root(), BaseNode: &below.Node, Speed: qmp.NonZero(opts.Speed)}
	if top > 0 {
		request.TopNode = new(d.Layers[top].Node)
	}
	if top == d.imageIndex() {
		c.bitmaps = bitmapMove{vm, d.Layers[top].Node, below.Node, m.job, d.movable(opts.DropBitmaps)}
	} else {
		file, _, err := vm.named(ctx, d, base, opts.BackingFile)
		if err != nil {
			return nil, err
		}
		request.BackingFile, request.BackingMaskProtocol = &file, vm.masksProtocol()
	}
	c.request, c.gone = request, d.Layers[top:base]
	return c, nil
}

// checkShared returns an error if another disk of the machine has another node for the file of a base. The commit would
// change that disk, too. If QEMU opens the file again from a set of descriptors that both use, its locks do not prevent that,
// and QEMU terminates.
func (m *merge) checkShared(base Layer, reopens bool) error {
	if _, isSet := base.FDSet(); base.File == "" || base.part || isSet && !reopens { // a set can be gone, and its number another's
		return nil
	}
	for _, other := range m.all {
		for _, l := range other.Layers {
			if l.File == base.File && l.Node != base.Node && !l.part {
				return because(hotplug.ErrInUse, "disk %q uses the file of node %q, too", cmp.Or(other.Name, other.Path), base.Node)
			}
		}
	}
	return nil
}

// topLayer returns the index of the image with a node, or of the first image.
func (d *Disk) topLayer(node string) (int, error) {
	if node == "" {
		return d.imageIndex(), nil
	}
	return d.imageBelow(-1, node)
}

// imageBelow returns the index of the image with a node below a layer, or of the next image below it.
func (d *Disk) imageBelow(layer int, node string) (int, error) {
	for i := layer + 1; i < len(d.Layers); i++ {
		if l := d.Layers[i]; !l.Filter() && (node == "" || l.Node == node) {
			return i, nil
		}
	}
	switch {
	case node == "":
		return 0, because(ErrNoLayer, "node %q has no image below it", d.Layers[layer].Node)
	case layer < 0:
		return 0, because(ErrNoLayer, "node %q is not an image of the disk", node)
	}
	return 0, because(ErrNoLayer, "node %q is not an image below node %q", node, d.Layers[layer].Node)
}

// reopen opens the file of a node for writing, as a step of an operation.
func (vm *VM) reopen(ctx context.Context, undo *rollback, file qemu.BlockdevOptions) error {
	if qmp.Value(file.NodeName) == "" {
		return errors.New("BaseFile has no NodeName")
	}
	set := func(ctx context.Context, readOnly bool) error {
		file.ReadOnly = new(readOnly)
		err := qemu.BlockdevReopen{Options: []qemu.BlockdevOptions{file}}.Do(ctx, vm.conn)
		if errors.Is(err, errors.ErrUnsupported) {
			err = vm.conn.Execute(ctx, &qmp.Call{Command: "x-blockdev-reopen", Args: &file})
		}
		return err
	}
	undo.add("node "+*file.NodeName, func(ctx context.Context) error { return set(ctx, true) })
	return set(ctx, false)
}

// masksProtocol returns the member "backing-mask-protocol": QEMU 9.0 and later then write "raw" into a header as the
// format of an image that is a bare file, instead of "file".
func (vm *VM) masksProtocol() *bool {
	greeted, ok := vm.conn.(interface{ Version() qmp.Version })
	if !ok || greeted.Version().Major < 9 {
		return nil
	}
	return new(true)
}

// StreamOptions configures [VM.Stream]. The zero value copies the data of all images below the first image into it.
type StreamOptions struct {
	// Top is the node of the layer that gets the data. If it is empty, it is the first image of the disk.
	Top string

	// Base is the node of a layer that stays below Top. If it is empty, Top then has no image below it.
	Base string

	// BackingFile is the name of the base, for the header of Top. By default, Stream writes the name that QEMU knows,
	// or [Layer.Path]. If neither is known, the error matches [ErrNoFileName]. BackingFile has no effect without Base.
	BackingFile string

	Speed    int64              // the limit in bytes a second; 0 means none
	Progress func(job.Progress) // called about once a second, see [job.Job.Wait]; may be nil
}

// Stream copies the data of the layers below an image into it while the guest uses the disk, and then removes the nodes of
// these layers. Their files stay, unchanged: other disks can use them. The job has the ID "ID.stream".
//
// If Stream returns nil, the disk no longer uses the layers. kept lists their nodes and descriptors that are still in
// QEMU, because something else uses them or a command failed, and the job if QEMU did not dismiss it. [VM.Clean] removes
// them later.
//
// If Stream fails or ctx ends, the disk has the same layers as before. The image may already have some of the data; a second
// Stream copies the rest. The error matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrNoLayer]: Top or Base is not a layer of the disk.
//   - [ErrBusy]: jobs run on the disk.
//   - [*job.FailedError]: the stream failed, for example because the file system is full.
//   - the other errors of [job.Run].
//
// If the program ends during a stream, QEMU continues the job. [job.Find] with "ID.stream" and [job.Job.Wait] finish the
// stream, and Clean removes the rest.
//
// Source: block-stream, blockdev-snapshot (to flush the image), blockdev-del.
func (vm *VM) Stream(ctx context.Context, id string, opts *StreamOptions) (kept []hotplug.Kept, err error) {
	if opts == nil {
		opts = &StreamOptions{}
	}
	var m *merge
	err = vm.do(ctx, "stream disk", id, func() error {
		if m, err = vm.planStream(ctx, id, opts); err != nil || len(m.gone) == 0 {
			return err
		}
		return m.run(ctx)
	})
	if err != nil || len(m.gone) == 0 {
		return nil, err
	}
	vm.flush(ctx, m.request.(qemu.BlockStream).Device)
	return m.release(ctx), nil
}

// flush makes QEMU write out what it has of an image in its caches. QEMU before 11 does not do that at the end of a stream:
// if the host then lost power, the image would lack data, and its header would no longer name the images that have the data.
// No command flushes. But QEMU flushes an image before it looks for the overlay of a snapshot, and then refuses the
// snapshot, because no node has such a name.
func (vm *VM) flush(ctx context.Context, node string) {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	_ = qemu.BlockdevSnapshot{Node: node, Overlay: "#none"}.Do(ctx, vm.conn)
}

func (vm *VM) planStream(ctx context.Context, id string, opts *StreamOptions) (*merge, error) {
	m, err := vm.planMerge(ctx, id, "stream", opts.Top, opts.Progress)
	if err != nil {
		return nil, err
	}
	d, top, base := m.disk, m.top, len(m.disk.Layers)
	// The device must not be a filter: that terminates QEMU 5.2, and later ones never remove the node again.
	request := qemu.BlockStream{Device: d.Layers[top].Node, Speed: qmp.NonZero(opts.Speed)}
	if opts.Base != "" {
		if base, err = d.imageBelow(top, opts.Base); err != nil {
			return nil, err
		}
		file, _, err := vm.named(ctx, d, base, opts.BackingFile)
		if err != nil {
			return nil, err
		}
		request.BaseNode, request.BackingFile, request.BackingMaskProtocol = &opts.Base, &file, vm.masksProtocol()
	}
	m.request, m.gone = request, d.Layers[top+1:base]
	return &m, nil
}
