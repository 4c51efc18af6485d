package block

import (
	"context"
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

// MoveOptions configures [VM.Move].
type MoveOptions struct {
	// Top moves only the first image of the disk. The target gets the images below it.
	Top bool

	// BackingFile is the name of the image below, for the header of a target that Create makes with Top. If it is empty,
	// it is the file of that image; Move returns an error if QEMU was given a descriptor and does not know the name.
	BackingFile string

	// WriteBlocking makes the guest's writes wait until the target has them too. Use it if the guest writes faster than
	// the target: else the copy never ends.
	WriteBlocking bool

	Speed    int64              // the limit for the copy in bytes a second; 0 means none
	Progress func(job.Progress) // called about once a second, see [job.Job.Wait]; may be nil
}

// Move moves the storage of a disk to a target while the guest uses the disk, and then removes the nodes that it used
// before. Files stay. A filter on top of the disk stays on top. The job has the ID "ID.move".
//
// If Move returns nil, the device uses the target. kept lists the old nodes and descriptors that are still in QEMU, because
// something else uses them or a command failed. [VM.Clean] removes them later.
//
// If Move fails or ctx ends, the device uses the same nodes as before, and the target's node is removed, unless the error
// is a [*hotplug.RollbackError]. The error matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrBusy]: jobs run on the disk.
//   - [ErrNotEmpty], [ErrSize]: the target does not fit.
//   - [*job.FailedError]: the copy failed, for example because the target is full.
//   - the other errors of [job.Run].
//
// Source: blockdev-mirror with sync full or top, blockdev-create, blockdev-add, blockdev-del.
func (vm *VM) Move(ctx context.Context, id string, t Target, opts *MoveOptions) (kept []hotplug.Kept, err error) {
	if opts == nil {
		opts = &MoveOptions{}
	}
	var old []Layer
	err = vm.changing(ctx, "move disk", id, func(undo *rollback) error {
		old, err = vm.move(ctx, undo, id, t, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return vm.release(ctx, id, old), nil
}

// move moves a disk and returns the layers that it does not use any more.
func (vm *VM) move(ctx context.Context, undo *rollback, id string, t Target, opts *MoveOptions) (old []Layer, err error) {
	d, err := vm.lookIdle(ctx, id)
	if err != nil {
		return nil, err
	}
	first := d.imageIndex()
	old = d.Layers[first:]
	var below backing
	sync := qemu.MirrorSyncModeFull
	if opts.Top {
		sync, old = qemu.MirrorSyncModeTop, old[:1]
		if below, err = d.below(first, opts.BackingFile, t.Create); err != nil {
			return nil, err
		}
	}
	target, err := vm.addTarget(ctx, undo, id, t, d.Size(), below)
	if err != nil {
		return nil, err
	}
	mirror := qemu.BlockdevMirror{Device: d.root(), Target: target, Sync: sync, Speed: qmp.NonZero(opts.Speed)}
	if first > 0 {
		mirror.Replaces = new(old[0].Node)
	}
	if opts.WriteBlocking {
		mirror.CopyMode = new(qemu.MirrorCopyModeWriteBlocking)
	}
	err = job.Run(ctx, vm.conn, jobID(id, "move"), mirror, opts.Progress)
	if err != nil && !errors.Is(err, job.ErrGone) && !errors.Is(err, job.ErrNotDismissed) {
		return nil, err
	}
	return old, vm.checkMoved(ctx, id, target, err)
}

// checkMoved looks whether a disk uses a node. err is that of the job, if its outcome is unknown.
func (vm *VM) checkMoved(ctx context.Context, id, node string, err error) error {
	d, lookErr := vm.look(ctx, id)
	switch {
	case lookErr != nil && err == nil:
		return nil // the job has succeeded
	case lookErr != nil:
		return errors.Join(err, lookErr)
	}
	if _, uses := d.layer(node); uses {
		return nil
	}
	return errors.Join(err, fmt.Errorf("disk does not use node %q after the job", node))
}

// below returns what is below a layer, for a target with the same image below. file is the caller's name for that image.
func (d *Disk) below(layer int, file string, create bool) (backing, error) {
	if layer+1 >= len(d.Layers) {
		return backing{}, fmt.Errorf("node %q has no image below it", d.Layers[layer].Node)
	}
	b := d.Layers[layer+1]
	below := backing{node: b.Node}
	if !create {
		return below, nil
	}
	var err error
	below.file, below.format, err = b.named(file)
	return below, err
}

// named returns the name and the format of an image, for the header of the image above it. file is the caller's name.
func (l Layer) named(file string) (name string, format qemu.BlockdevDriver, err error) {
	if _, isSet := l.FDSet(); file == "" && (isSet || l.File == "") {
		return "", "", fmt.Errorf("BackingFile is empty, and QEMU does not know the name of the file of node %q", l.Node)
	}
	if file == "" {
		file = l.File
	}
	switch l.Driver {
	case qemu.BlockdevDriverFile, qemu.BlockdevDriverHostDevice:
		return file, qemu.BlockdevDriverRaw, nil
	}
	return file, l.Driver, nil
}

// release removes the layers that a disk does not use any more, and their descriptors, whoever added them. It returns
// what stays.
func (vm *VM) release(ctx context.Context, id string, old []Layer) (kept []hotplug.Kept) {
	var names []string
	for _, l := range old {
		if !strings.HasPrefix(l.Node, "#") { // goes with the drive of -drive
			names = append(names, l.Node)
		}
	}
	kept, err := vm.plug.RemoveNodes(ctx, id, names...)
	if err != nil && len(kept) == 0 {
		return []hotplug.Kept{{What: "node", Name: names[0], Err: err}}
	}
	for _, l := range old {
		set, ok := l.FDSet()
		if !ok || slices.ContainsFunc(kept, func(k hotplug.Kept) bool { return k.Name == l.Node }) {
			continue
		}
		if _, err := vm.plug.RemoveFDSet(ctx, set); err != nil {
			kept = append(kept, hotplug.Kept{What: "fdset", Name: strconv.FormatInt(set, 10), Err: err})
		}
	}
	return kept
}
