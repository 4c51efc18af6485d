package block

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// MoveOptions configures [VM.Move].
type MoveOptions struct {
	// Top moves only the first image of the disk. The target gets the images below it.
	Top bool

	// BackingFile is the name of the image below, for the header of a target that Create makes with Top. By default, Move
	// writes the name that QEMU knows, or [Layer.Path]. If neither is known, the error matches [ErrNoFileName].
	BackingFile string

	// WriteBlocking makes each write of the guest wait until the target has it, too. Use it if the guest writes faster than
	// the target: otherwise the copy never ends.
	WriteBlocking bool

	// DropBitmaps leaves the bitmaps on the old image; they are removed with its node. Otherwise Move moves them to the
	// target.
	DropBitmaps bool

	// Ready, if not nil, is called when the target has everything. Until it returns, the target also gets what the guest
	// writes, and the guest uses the old image. Then the disk moves at once. If Ready returns an error, Move cancels the job.
	// The context of Ready ends when the job ends, for example because the target is full.
	Ready func(context.Context) error

	Speed    int64              // the limit for the copy in bytes a second; 0 means none
	Progress func(job.Progress) // called about once a second, see [job.Job.Wait]; may be nil
}

// Move moves the storage of a disk to a target while the guest uses the disk. Then it removes the nodes that the disk used
// before, with their descriptors, also nodes of other programs. Files stay. A filter on top of the disk stays on top. The
// job has the ID "ID.move".
//
// The bitmaps of the disk move to the target with their content, except for inconsistent ones. If the target cannot hold
// persistent bitmaps, they are no longer persistent. If a bitmap cannot move, the old nodes stay with it, and their Err in
// kept gives the reason. Bitmaps below a filter are lost, because QEMU does not report them.
//
// If Move returns nil, the device uses the target. kept lists the old nodes and descriptors that are still in QEMU, because
// something else uses them or a command failed, and the job if QEMU did not dismiss it. [VM.Clean] removes them later.
//
// If Move fails or ctx ends, the device uses the same nodes as before, and the target's node is removed, unless the error
// is a [*hotplug.RollbackError]. The error matches:
//   - [ErrNoDisk]: there is no such disk, it has no medium, or it was removed while the job ran.
//   - [ErrBusy]: jobs run on the disk.
//   - [ErrNotEmpty], [ErrSize]: the target does not fit.
//   - [*job.FailedError]: the copy failed, for example because the target is full, or is a Node of another size.
//   - [job.ErrCancelled]: ctx ended, Ready returned an error, or another client cancelled the job, or ended it without moving
//     the disk.
//   - the other errors of [job.Run].
//
// If the program ends during a move, QEMU continues the job until it is ready. [job.Find] with "ID.move" and
// [job.Job.Wait] finish the move, and Clean removes the rest. The bitmaps are then lost.
//
// Source: blockdev-mirror with sync full or top, job-complete, blockdev-create, blockdev-add, blockdev-del,
// block-dirty-bitmap-add, block-dirty-bitmap-merge.
func (vm *VM) Move(ctx context.Context, id string, t Target, opts *MoveOptions) (kept []hotplug.Kept, err error) {
	var old []Layer
	var bitmaps bitmapMove
	err = vm.changing(ctx, "move disk", id, func(undo *rollback) error {
		m, err := vm.planMirror(ctx, undo, id, t, opts, true)
		if err != nil {
			return err
		}
		m.job = jobID(id, "move")
		m.bitmaps = bitmapMove{vm, m.old[0].Node, m.Target, m.job, m.disk.movable(opts != nil && opts.DropBitmaps)}
		_, err = m.run(ctx)
		old, kept, bitmaps = m.old, m.kept, m.bitmaps
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := wait.Detach(ctx, undoLimit) // the disk has moved
	defer cancel()
	if err := bitmaps.finish(ctx); err != nil {
		for _, l := range old {
			kept = append(kept, hotplug.Kept{What: "node", Name: l.Node, Err: err})
		}
		return kept, nil
	}
	return append(kept, vm.release(ctx, id, old)...), nil
}

// CopyOptions configures [VM.Copy]. The fields are those of [MoveOptions]. The copy has the content of the disk when Ready
// returns.
//
// Top copies only the first image. The target can be on top of another image, or have the data of the images below already,
// for example because the caller has copied their files: then it is raw, or a [hotplug.Blockdev].
type CopyOptions struct {
	Top           bool
	BackingFile   string
	WriteBlocking bool
	Ready         func(context.Context) error
	Speed         int64
	Progress      func(job.Progress)
}

func (o *CopyOptions) mirror() *MoveOptions {
	if o == nil {
		return nil
	}
	return &MoveOptions{
		Top: o.Top, BackingFile: o.BackingFile, WriteBlocking: o.WriteBlocking, Ready: o.Ready, Speed: o.Speed, Progress: o.Progress,
	}
}

// Copy copies a disk to a target while the guest uses the disk. Then it removes the target's node, unless the target is a
// [hotplug.Node]. The copy has the content of the disk at the end of the job, as after a power failure. The guest uses the
// same nodes as before. The job has the ID "ID.copy".
//
// If Copy returns nil, the copy is complete. kept lists what is still in QEMU: the target's node if something else uses
// it, and the job if QEMU did not dismiss it. [VM.Clean] removes them later.
//
// If Copy fails or ctx ends, the target's node is removed, and the copy is incomplete. The errors are those of [VM.Move].
// If another client completes the job, the error matches [job.ErrTooLate]: the guest then uses the target.
//
// If the program ends during a copy, QEMU continues the job. Cancel it ([job.Find] with "ID.copy", [job.Job.Cancel]), and
// call [VM.Clean]. Do not call [job.Job.Wait]: it completes the job, and the guest then uses the target.
//
// Source: blockdev-mirror with sync full or top, block-job-cancel, blockdev-create, blockdev-add, blockdev-del.
func (vm *VM) Copy(ctx context.Context, id string, t Target, opts *CopyOptions) (kept []hotplug.Kept, err error) {
	target := ""
	err = vm.changing(ctx, "copy disk", id, func(undo *rollback) error {
		m, err := vm.planMirror(ctx, undo, id, t, opts.mirror(), false)
		if err != nil {
			return err
		}
		m.job = jobID(id, "copy")
		moved, err := m.run(ctx)
		if moved {
			*undo = nil // the guest needs the target
			return because(job.ErrTooLate, "another client has completed job %q: the disk uses node %q", m.job, m.Target)
		}
		if len(*undo) > 0 {
			target = m.Target
		}
		kept = m.kept
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case target != "":
		kept = append(kept, vm.release(ctx, id, []Layer{{Node: target}})...)
	}
	return kept, nil
}

// A mirror copies a disk to a target.
type mirror struct {
	qemu.BlockdevMirror
	vm       *VM
	undo     *rollback
	disk     *Disk
	job      string // its ID
	pivots   bool   // the disk uses the target afterwards
	ready    func(context.Context) error
	progress func(job.Progress)

	old     []Layer // that the disk does not use if it uses the target
	bitmaps bitmapMove
	kept    []hotplug.Kept // the job, if QEMU did not dismiss it
}

// planMirror adds the target for a mirror.
func (vm *VM) planMirror(ctx context.Context, undo *rollback, id string, t Target, opts *MoveOptions, pivots bool) (*mirror, error) {
	if opts == nil {
		opts = &MoveOptions{}
	}
	d, err := vm.lookIdle(ctx, id)
	if err != nil {
		return nil, err
	}
	first := d.imageIndex()
	m := &mirror{vm: vm, undo: undo, disk: d, pivots: pivots, old: d.Layers[first:], ready: opts.Ready, progress: opts.Progress}
	m.Device, m.Sync, m.Speed = d.root(), qemu.MirrorSyncModeFull, qmp.NonZero(opts.Speed)
	var below backing
	if opts.Top {
		m.Sync, m.old = qemu.MirrorSyncModeTop, m.old[:1]
		if below, err = vm.below(ctx, d, first, opts.BackingFile, t.Create); err != nil {
			return nil, err
		}
		below.needed = pivots
	}
	if first > 0 {
		m.Replaces = new(m.old[0].Node)
	}
	if opts.WriteBlocking {
		m.CopyMode = new(qemu.MirrorCopyModeWriteBlocking)
	}
	m.Target, err = vm.addTarget(ctx, undo, wanted{Target: t, disk: id, size: d.Size(), below: below})
	return m, err
}

// run runs the job, and then looks whether the disk uses the target. If err is nil, moved is as planned.
func (m *mirror) run(ctx context.Context) (moved bool, err error) {
	j, err := job.Start(ctx, m.vm.conn, m.job, m.BlockdevMirror)
	if err == nil {
		defer j.Detach()
		err = j.WaitReady(ctx, m.progress)
	}
	if err == nil && m.ready != nil {
		err = m.hold(ctx, j)
	}
	switch {
	case err != nil:
	case m.pivots:
		err = m.pivot(ctx, j)
	default:
		err = j.EndWithoutPivot(ctx)
	}
	if _, failed := errors.AsType[*job.FailedError](err); failed || errors.Is(err, job.ErrNotStarted) || errors.Is(err, job.ErrCancelled) {
		return false, m.vm.orBusy(ctx, m.disk.Name, m.job, err)
	}
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	if errors.Is(err, job.ErrGoesOn) || errors.Is(err, job.ErrUnknown) {
		_ = m.vm.endJob(ctx, m.job) // the nodes show the outcome
	}
	if errors.Is(err, job.ErrNotDismissed) {
		m.kept, err = append(m.kept, hotplug.Kept{What: "job", Name: m.job, Err: err}), nil
	}
	d, lookErr := m.vm.look(ctx, m.disk.Name)
	switch {
	case lookErr == nil && d.uses(m.Target):
		return true, nil
	case err != nil:
		return false, err
	case !m.pivots:
		return false, nil
	case errors.Is(lookErr, ErrNoDisk):
		return false, because(ErrNoDisk, "disk was removed while it moved")
	case lookErr == nil:
		return false, because(job.ErrCancelled, "disk does not use node %q: another client has ended job %q, or has moved the disk again", m.Target, m.job)
	}
	return true, nil // the job has succeeded, and QEMU no longer answers
}

// hold keeps the job ready until the caller's function returns. If that fails, hold cancels the job.
func (m *mirror) hold(ctx context.Context, j *job.Job) error {
	holding, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	ended := false
	go func() {
		defer close(watched)
		for !ended && sleep(holding, holdInterval) == nil {
			p, err := j.Progress(ctx)
			ended = err != nil || p.Status == qemu.JobStatusAborting || p.Status == qemu.JobStatusConcluded
		}
		stop()
	}()
	err := m.ready(holding)
	stop()
	<-watched
	if err != nil && ended && ctx.Err() == nil {
		return cmp.Or(j.Wait(ctx, nil), err)
	}
	if err == nil {
		return nil
	}
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	if cancelErr := j.Cancel(ctx); cancelErr != nil {
		return errors.Join(err, cancelErr)
	}
	return fmt.Errorf("%w: %w", job.ErrCancelled, err)
}

const holdInterval = time.Second // between two looks at a job that is ready

// pivot ends the job so that the disk uses the target.
func (m *mirror) pivot(ctx context.Context, j *job.Job) error {
	err := m.bitmaps.record(ctx, m.undo)
	if err == nil {
		return j.Complete(ctx)
	}
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	_ = j.Cancel(ctx) // the nodes show the outcome
	return err
}

// below returns what is below a layer, for a target with the same image below. file is the caller's name for that image.
func (vm *VM) below(ctx context.Context, d *Disk, layer int, file string, create bool) (backing, error) {
	if layer+1 >= len(d.Layers) {
		return backing{}, fmt.Errorf("node %q has no image below it", d.Layers[layer].Node)
	}
	b := d.Layers[layer+1]
	below := backing{node: b.Node}
	if !create {
		return below, nil
	}
	var err error
	below.file, below.format, err = vm.named(ctx, d, layer+1, file)
	return below, err
}

// named returns the name and the format of a layer's image, for the header of the image above it. file is the caller's name.
func (vm *VM) named(ctx context.Context, d *Disk, layer int, file string) (name string, format qemu.BlockdevDriver, err error) {
	if file == "" {
		if err := vm.findPaths(ctx, d); err != nil {
			return "", "", err
		}
	}
	return d.Layers[layer].named(file)
}

func (l Layer) named(file string) (name string, format qemu.BlockdevDriver, err error) {
	if file == "" && !l.part {
		file = l.Path
		if _, isSet := l.FDSet(); file == "" && !isSet {
			file = l.File
		}
		if isRelative(file) {
			return "", "", because(ErrNoFileName, "BackingFile is empty, and QEMU knows the file of node %q as %q, which is relative to its working directory", l.Node, file)
		}
	}
	if file == "" {
		return "", "", because(ErrNoFileName, "BackingFile is empty, and QEMU does not know the name of the file of node %q", l.Node)
	}
	switch l.Driver {
	case qemu.BlockdevDriverFile, qemu.BlockdevDriverHostDevice:
		return file, qemu.BlockdevDriverRaw, nil
	}
	return file, l.Driver, nil
}

// isRelative reports whether QEMU's name of a file is a path that does not begin at the root. The header of an image must
// not have such a name of QEMU's: there, it is relative to the folder of that image.
func isRelative(file string) bool {
	if strings.HasPrefix(file, "json:") {
		return relativeInJSON.MatchString(file)
	}
	protocol, _, _ := strings.Cut(file, "/")
	return file != "" && !strings.HasPrefix(file, "/") && !strings.Contains(protocol, ":")
}

var relativeInJSON = regexp.MustCompile(`"(file\.)?filename": ?"[^/":]+["/]`)

// findPaths fills in the paths of the images of which QEMU got descriptors. A layer can name a set that is gone, and whose
// number another set has: so the set must be one of the layer's node.
func (vm *VM) findPaths(ctx context.Context, disks ...*Disk) error {
	hasSet := func(l Layer) bool { _, ok := l.FDSet(); return ok }
	if !slices.ContainsFunc(disks, func(d *Disk) bool { return slices.ContainsFunc(d.Layers, hasSet) }) {
		return nil
	}
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	paths := map[int64]map[string]string{} // by the number of a set and the node
	for _, s := range sets {
		for _, fd := range s.FDs {
			if _, node, path := hotplug.FileOf(qmp.Value(fd.Opaque)); path != "" {
				paths[s.FDSetID] = map[string]string{node: path}
			}
		}
	}
	for _, d := range disks {
		for i := range d.Layers {
			l := &d.Layers[i]
			if set, ok := l.FDSet(); ok {
				l.Path = paths[set][l.Node]
			}
		}
	}
	return nil
}

// release removes the layers that a disk no longer uses, and their descriptors, also those of other programs. It returns
// what stays. The disk does not go back, so release works even if ctx has ended.
func (vm *VM) release(ctx context.Context, id string, old []Layer) (kept []hotplug.Kept) {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	var names []string
	for _, l := range old { // a nameless layer goes with the drive of -drive
		for _, node := range append([]string{l.Node}, l.below...) {
			if !isNameless(node) && !slices.Contains(names, node) {
				names = append(names, node)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	kept = vm.releaseAll(ctx, map[string][]string{id: names})
	isKept := func(node string) bool { return isKept(kept, node) }
	return append(kept, vm.releaseSets(ctx, old, isKept)...)
}

func isKept(kept []hotplug.Kept, node string) bool {
	return slices.ContainsFunc(kept, func(k hotplug.Kept) bool { return k.Name == node })
}

// releaseAll removes nodes after an operation has succeeded, by the IDs of their disks. It returns what stays.
func (vm *VM) releaseAll(ctx context.Context, nodes map[string][]string) (kept []hotplug.Kept) {
	kept, err := vm.releaseNodes(ctx, nodes)
	if err != nil {
		kept, err = vm.releaseNodes(ctx, nodes)
	}
	if err == nil {
		return kept
	}
	exist, nodesErr := vm.nodes(ctx) // RemoveNodesOf has stopped
	for _, node := range namesIn(nodes) {
		if (nodesErr != nil || exist[node]) && !isKept(kept, node) {
			kept = append(kept, hotplug.Kept{What: "node", Name: node, Err: err})
		}
	}
	return kept
}

// releaseSets removes the sets of layers. If another disk, or a layer that stays, uses a set, the set stays.
func (vm *VM) releaseSets(ctx context.Context, old []Layer, isKept func(node string) bool) (kept []hotplug.Kept) {
	var sets []int64
	for _, l := range old {
		if set, ok := l.FDSet(); ok {
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	keep := func(set int64, err error) {
		kept = append(kept, hotplug.Kept{What: "fdset", Name: strconv.FormatInt(set, 10), Err: err})
	}
	foreign, err := vm.foreignSets(ctx)
	sets = slices.DeleteFunc(sets, func(set int64) bool { return err == nil && !slices.Contains(foreign, set) })
	if len(sets) == 0 {
		return nil
	}
	all, disksErr := vm.Disks(ctx)
	err = errors.Join(err, disksErr)
	for _, set := range sets {
		uses := func(l Layer) bool { s, ok := l.FDSet(); return ok && s == set }
		switch {
		case err != nil:
			keep(set, err)
		case slices.ContainsFunc(old, func(l Layer) bool { return uses(l) && isKept(l.Node) }):
		case slices.ContainsFunc(all, func(d *Disk) bool { return slices.ContainsFunc(d.Layers, uses) }):
			keep(set, hotplug.ErrInUse)
		default:
			if _, err := vm.plug.RemoveFDSet(ctx, set); err != nil {
				keep(set, err)
			}
		}
	}
	return kept
}

// foreignSets lists the sets of descriptors that this library has not added. RemoveNodes removes those of this library. A
// layer can name a set that is gone, and whose number another set has: QEMU 5.2 removes the set of an image below an overlay
// when the last monitor disconnects.
func (vm *VM) foreignSets(ctx context.Context) (ids []int64, err error) {
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	for _, s := range sets {
		if !slices.ContainsFunc(s.FDs, func(fd qemu.FDSetFDInfo) bool { return strings.HasPrefix(qmp.Value(fd.Opaque), "qmpkit:") }) {
			ids = append(ids, s.FDSetID)
		}
	}
	return ids, err
}
