package block

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An Overlay is a new image on top of a disk, for [VM.Snapshot]. The guest writes to the overlay from then on; the image
// below it keeps the content of the snapshot.
type Overlay struct {
	// Disk is the ID of the disk.
	Disk string

	// Target is the overlay. Snapshot always creates the image, as if Create were true, so the Backend is a
	// [hotplug.File] or a [hotplug.Descriptor]. Its format must be qcow2, or empty.
	Target Target

	// BackingFile is the name of the image below, for the header of the overlay. By default, Snapshot writes the name that
	// QEMU knows, or [Layer.Path]. If neither is known, the error matches [ErrNoFileName].
	BackingFile string

	// Unencrypted allows an overlay on top of an encrypted image. The overlay is not encrypted: what the guest writes from
	// then on is readable in its file.
	Unencrypted bool

	// Bitmaps are new bitmaps on the overlay. They record what the guest writes after the snapshot. Node is ignored.
	Bitmaps []qemu.BlockDirtyBitmapAdd
}

// SnapshotOptions configures [VM.Snapshot].
type SnapshotOptions struct {
	// Freezer freezes the guest's file systems for the moment of the snapshot; may be nil. Snapshot creates the images, then
	// calls Freeze, and then always calls Thaw, even if Freeze fails or ctx ends.
	Freezer Freezer

	// FreezeLimit is the time for Freeze and the snapshot, and again the time for Thaw. 0 means 10 seconds.
	FreezeLimit time.Duration

	// DropBitmaps leaves the bitmaps of a disk on the image below, where they record no more writes. Otherwise Snapshot
	// moves them to the overlay.
	DropBitmaps bool
}

// A Freezer freezes the file systems of a guest, so that the guest writes nothing to them until Thaw. The guest agent has
// guest-fsfreeze-freeze and guest-fsfreeze-thaw for that.
type Freezer interface {
	// Freeze returns when the file systems are frozen. If only some are frozen, it returns an error.
	Freeze(ctx context.Context) error

	// Thaw thaws all file systems. Snapshot also calls it after Freeze has failed: if nothing is frozen, Thaw returns nil.
	Thaw(ctx context.Context) error
}

const defaultFreezeLimit = 10 * time.Second

// A ThawError reports that the guest's file systems may still be frozen after [VM.Snapshot].
type ThawError struct {
	Taken bool  // the snapshot is complete
	Err   error // of Thaw
}

// Error says whether the snapshot was taken.
func (e *ThawError) Error() string {
	if e.Taken {
		return fmt.Sprintf("snapshot is taken, and thawing the guest failed: %v", e.Err)
	}
	return fmt.Sprintf("thawing the guest failed: %v", e.Err)
}

// Unwrap returns Err.
func (e *ThawError) Unwrap() error { return e.Err }

// Snapshot takes a snapshot of one disk, or of several disks at one moment: each disk gets an overlay. The guest keeps
// running. A filter on top of a disk stays on top, and the overlay is below it.
//
// The bitmaps of a disk move to its overlay with their content, so that the next incremental backup has everything that
// changed since the last one. Persistent bitmaps stay persistent. Inconsistent bitmaps stay on the image below. The bitmaps
// of an image below a filter stay there, too, because QEMU does not list them.
//
// If Snapshot fails, all disks are as before, and the nodes of the overlays are removed; created files stay. There are two
// exceptions: a [*hotplug.RollbackError], and a [*ThawError] with Taken. If ctx ends while QEMU takes the snapshot, Snapshot
// looks at the disks, and returns nil if they use the overlays. The error matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrBusy]: jobs run on a disk. With QEMU 6.0 to 9.2, also if a job of any disk uses an NBD server: if the server did not
//     answer, QEMU would execute no command.
//   - [ErrNoFileName]: the name for the header of an overlay is not known.
//   - [ErrEncrypted]: the image of a disk is encrypted, and Unencrypted is not set.
//   - [ErrNotEmpty]: the file for an overlay has content.
//   - [ErrSize]: a disk was resized after Snapshot had created its overlay.
//   - [*ThawError]: the file systems of the guest may still be frozen.
//   - [*qmp.Error]: QEMU refused a command.
//
// Source: blockdev-snapshot and block-dirty-bitmap-add, -merge and -remove in a transaction, blockdev-create, blockdev-add.
func (vm *VM) Snapshot(ctx context.Context, overlays []Overlay, opts *SnapshotOptions) error {
	if opts == nil {
		opts = &SnapshotOptions{}
	}
	ids := make([]string, len(overlays))
	for i, o := range overlays {
		ids[i] = o.Disk
	}
	return vm.changing(ctx, "take snapshot of disks", strings.Join(ids, ", "), func(undo *rollback) error {
		return vm.snapshot(ctx, undo, ids, overlays, opts)
	})
}

func (vm *VM) snapshot(ctx context.Context, undo *rollback, ids []string, overlays []Overlay, opts *SnapshotOptions) error {
	disks, err := vm.lookAllIdle(ctx, ids)
	if err == nil {
		err = vm.checkTransaction(ctx)
	}
	if err == nil && slices.ContainsFunc(overlays, func(o Overlay) bool { return o.BackingFile == "" }) {
		err = vm.findPaths(ctx, disks...)
	}
	if err != nil {
		return err
	}
	targets := make([]wanted, len(overlays))
	for i, o := range overlays {
		if targets[i], err = o.target(disks[i]); err != nil {
			return onDisk(o.Disk, err)
		}
	}
	nodes, err := vm.addTargets(ctx, undo, targets)
	if err != nil {
		return err
	}
	var all qemu.Transaction
	for i, o := range overlays {
		all.Actions = append(all.Actions, o.actions(disks[i], nodes[i], opts.DropBitmaps)...)
	}
	take := func(ctx context.Context) error {
		if err := vm.checkSizes(ctx, disks); err != nil {
			return err
		}
		err := all.Do(ctx, vm.conn)
		if err != nil && qmp.MayHaveExecuted(err) {
			err = vm.checkTaken(ctx, overlays[0].Disk, nodes[0], err)
		}
		return err
	}
	if opts.Freezer != nil {
		err = frozen(ctx, opts, take)
	} else {
		err = take(ctx)
	}
	if thaw, ok := errors.AsType[*ThawError](err); ok && thaw.Taken {
		*undo = nil
	}
	return err
}

// checkSizes returns an error if a disk has another size than before. The guest would lose what is behind the end of a
// smaller overlay.
func (vm *VM) checkSizes(ctx context.Context, before []*Disk) error {
	all, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	for _, d := range before {
		i := slices.IndexFunc(all, func(b qemu.BlockInfo) bool { return qmp.Value(b.Qdev) == d.Path && b.Inserted != nil })
		if i < 0 {
			return onDisk(d.Name, ErrNoDisk)
		}
		if size := all[i].Inserted.Image.VirtualSize; size != d.Size() {
			return onDisk(d.Name, because(ErrSize, "disk has %d bytes, and had %d when its overlay was created", size, d.Size()))
		}
	}
	return nil
}

// target returns the target of the overlay, which is created and has the format qcow2. Its node has no backing node:
// blockdev-snapshot connects it with the image below.
func (o *Overlay) target(d *Disk) (w wanted, err error) {
	w = wanted{disk: o.Disk, size: d.Size()}
	if d.image().Encrypted && !o.Unencrypted {
		return w, because(ErrEncrypted, "image is encrypted, and its overlay would not be: set Unencrypted to allow that")
	}
	if w.below.file, w.below.format, err = d.image().named(o.BackingFile); err != nil {
		return w, err
	}
	t := &w.Target
	*t = o.Target
	t.Create = true
	var format *qemu.BlockdevDriver
	switch b := t.Backend.(type) {
	case hotplug.File:
		t.Backend, format = &b, &b.Format
	case hotplug.Descriptor:
		t.Backend, format = &b, &b.Format
	case *hotplug.File:
		if b != nil {
			copied := *b
			t.Backend, format = &copied, &copied.Format
		}
	case *hotplug.Descriptor:
		if b != nil {
			copied := *b
			t.Backend, format = &copied, &copied.Format
		}
	}
	if format == nil {
		return w, fmt.Errorf("target of an overlay is a %T: it must be a File or a Descriptor", t.Backend)
	}
	*format = cmp.Or(*format, qemu.BlockdevDriverQcow2)
	if *format != qemu.BlockdevDriverQcow2 {
		return w, fmt.Errorf("overlay has the format %q: it must be qcow2", *format)
	}
	return w, nil
}

// actions returns what the transaction does for an overlay. A bitmap moves: if it stayed on the image below as well, and
// the disk went back to that image later, it would lack what the guest has written since then.
func (o *Overlay) actions(d *Disk, node string, dropBitmaps bool) (all []qemu.TransactionAction) {
	image := d.image().Node
	for _, b := range d.movable(dropBitmaps) {
		at := qemu.BlockDirtyBitmap{Node: image, Name: *b.Name}
		all = append(all, addBitmap(node, b, b.Persistent), mergeBitmaps(node, *b.Name, at),
			qemu.TransactionAction{Type: qemu.TransactionActionKindBlockDirtyBitmapRemove, Branch: &at})
	}
	for _, b := range o.Bitmaps {
		b.Node = node
		all = append(all, qemu.TransactionAction{Branch: &b})
	}
	return append(all, qemu.TransactionAction{Branch: &qemu.BlockdevSnapshot{Node: image, Overlay: node}})
}

// movable returns the bitmaps of the image of a disk that another image can get. The bitmaps of a filter on top of the
// image stay with the filter.
func (d *Disk) movable(dropped bool) (bitmaps []qemu.BlockDirtyInfo) {
	if dropped || d.imageIndex() > 0 {
		return nil
	}
	for _, b := range d.Bitmaps {
		if !qmp.Value(b.Inconsistent) {
			bitmaps = append(bitmaps, b)
		}
	}
	return bitmaps
}

// addBitmap is the action that adds a bitmap like another one, without its content.
func addBitmap(node string, like qemu.BlockDirtyInfo, persistent bool) qemu.TransactionAction {
	return qemu.TransactionAction{Branch: &qemu.BlockDirtyBitmapAdd{
		Node: node, Name: *like.Name, Granularity: new(like.Granularity), Persistent: new(persistent), Disabled: new(!like.Recording),
	}}
}

// mergeBitmaps is the action that merges bitmaps into the bitmap of a node. There must be at least one: an empty list
// terminates QEMU.
func mergeBitmaps(node, name string, first qemu.BlockDirtyBitmap, others ...qemu.BlockDirtyBitmap) qemu.TransactionAction {
	merge := &qemu.BlockDirtyBitmapMerge{Node: node, Target: name}
	for _, b := range append([]qemu.BlockDirtyBitmap{first}, others...) {
		merge.Bitmaps = append(merge.Bitmaps, qemu.BlockDirtyBitmapOrStr{External: &b})
	}
	return qemu.TransactionAction{Branch: merge}
}

// checkTaken looks whether a disk uses its overlay, because the answer of the transaction is lost. The transaction changes
// all disks or none.
func (vm *VM) checkTaken(ctx context.Context, disk, overlay string, err error) error {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	d, lookErr := vm.look(ctx, disk)
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if _, uses := d.layer(overlay); uses {
		return nil
	}
	return err
}

// frozen calls take while the guest's file systems are frozen.
func frozen(ctx context.Context, opts *SnapshotOptions, take func(ctx context.Context) error) (err error) {
	limit := cmp.Or(opts.FreezeLimit, defaultFreezeLimit)
	defer func() {
		ctx, cancel := wait.Detach(ctx, limit)
		defer cancel()
		if thawErr := opts.Freezer.Thaw(ctx); thawErr != nil {
			err = errors.Join(err, &ThawError{Taken: err == nil, Err: thawErr})
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := opts.Freezer.Freeze(ctx); err != nil {
		return fmt.Errorf("freeze the guest: %w", err)
	}
	return take(ctx)
}
