package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// BitmapOptions configures [VM.AddBitmap].
type BitmapOptions struct {
	// Granularity is the number of bytes of the disk for each bit: a power of 2, at least 512. 0 leaves it to QEMU: 64 KiB.
	Granularity uint32

	// Volatile makes a bitmap that ends with QEMU. Without Volatile, QEMU stores the bitmap in the image when it ends, if the
	// image is a qcow2 image that is not read-only, and has no filter on top.
	Volatile bool

	// Disabled makes a bitmap that does not record writes until [VM.EnableBitmap].
	Disabled bool
}

// AddBitmap adds a bitmap to a disk. The bitmap records which parts of the disk the guest writes. [VM.Backup] and
// [VM.OpenView] add their bitmaps themselves. [Disk.Bitmaps] lists bitmaps with their states.
//
// A bitmap belongs to the node at the top of the disk. If QEMU is killed, its bitmaps are lost. If an image has stored one
// before, this bitmap is then inconsistent: only [VM.RemoveBitmap] and a full backup accept it.
//
// AddBitmap returns an error that matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [hotplug.ErrExists]: the disk has a bitmap with this name.
//   - [ErrBusy]: a frozen view of the disk is open.
//
// Source: block-dirty-bitmap-add.
func (vm *VM) AddBitmap(ctx context.Context, id, name string, opts *BitmapOptions) error {
	if opts == nil {
		opts = &BitmapOptions{}
	}
	return vm.do(ctx, "add bitmap to disk", id, func() error {
		if strings.HasSuffix(name, nextSuffix) {
			return fmt.Errorf("bitmap %q: backups use the names that end with %q", name, nextSuffix)
		}
		d, err := vm.lookBitmaps(ctx, id)
		if err != nil {
			return err
		}
		if d.bitmap(name) != nil {
			return because(hotplug.ErrExists, "disk has a bitmap %q", name)
		}
		add := qemu.BlockDirtyBitmapAdd{Node: d.root(), Name: name, Granularity: qmp.NonZero(opts.Granularity)}
		if !opts.Volatile && d.storesBitmaps() {
			add.Persistent = new(true)
		}
		if opts.Disabled {
			add.Disabled = new(true)
		}
		return add.Do(ctx, vm.conn)
	})
}

// RemoveBitmap removes a bitmap of a disk, also an inconsistent one. The next backup with this bitmap must be a full
// one.
//
// RemoveBitmap returns an error that matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrNoBitmap]: the disk has no bitmap with this name.
//   - [ErrBitmapBusy]: a job or an export uses the bitmap.
//   - [ErrBusy]: a frozen view of the disk is open.
//
// Source: block-dirty-bitmap-remove.
func (vm *VM) RemoveBitmap(ctx context.Context, id, name string) error {
	return vm.onBitmap(ctx, "remove bitmap of disk", id, name, true, func(node string) error {
		return qemu.BlockDirtyBitmapRemove{Node: node, Name: name}.Do(ctx, vm.conn)
	})
}

// ClearBitmap makes a bitmap of a disk empty. The errors are those of [VM.RemoveBitmap], and [ErrInconsistent].
//
// Source: block-dirty-bitmap-clear.
func (vm *VM) ClearBitmap(ctx context.Context, id, name string) error {
	return vm.onBitmap(ctx, "clear bitmap of disk", id, name, false, func(node string) error {
		return qemu.BlockDirtyBitmapClear{Node: node, Name: name}.Do(ctx, vm.conn)
	})
}

// EnableBitmap makes a disabled bitmap of a disk record writes. The errors are those of [VM.ClearBitmap].
//
// Source: block-dirty-bitmap-enable.
func (vm *VM) EnableBitmap(ctx context.Context, id, name string) error {
	return vm.onBitmap(ctx, "enable bitmap of disk", id, name, false, func(node string) error {
		return qemu.BlockDirtyBitmapEnable{Node: node, Name: name}.Do(ctx, vm.conn)
	})
}

// DisableBitmap makes a bitmap of a disk record no more writes, and keep its content. The next backup with this bitmap
// must be a full one, because the bitmap lacks what the guest writes from then on. The errors are those of
// [VM.ClearBitmap].
//
// Source: block-dirty-bitmap-disable.
func (vm *VM) DisableBitmap(ctx context.Context, id, name string) error {
	return vm.onBitmap(ctx, "disable bitmap of disk", id, name, false, func(node string) error {
		return qemu.BlockDirtyBitmapDisable{Node: node, Name: name}.Do(ctx, vm.conn)
	})
}

// MergeBitmaps adds the content of other bitmaps to a bitmap of a disk. A source without a Node is a bitmap of the same
// disk; Node can be any node of the same size, for example an image below. MergeBitmaps merges all of them or none.
//
// The errors are those of [VM.ClearBitmap]. Without sources, MergeBitmaps returns an error: QEMU would terminate.
//
// Source: block-dirty-bitmap-merge.
func (vm *VM) MergeBitmaps(ctx context.Context, id, into string, sources ...qemu.BlockDirtyBitmap) error {
	return vm.do(ctx, "merge bitmaps of disk", id, func() error {
		if len(sources) == 0 {
			return errors.New("no bitmap to merge is given")
		}
		d, err := vm.lookBitmaps(ctx, id)
		if err == nil {
			err = d.usable(into)
		}
		merge := qemu.BlockDirtyBitmapMerge{Node: d.rootOrNone(), Target: into}
		for _, source := range sources {
			if err == nil && (source.Node == "" || source.Node == merge.Node) {
				source.Node = merge.Node
				err = d.usable(source.Name)
			}
			merge.Bitmaps = append(merge.Bitmaps, qemu.BlockDirtyBitmapOrStr{External: &source})
		}
		if err != nil {
			return err
		}
		return merge.Do(ctx, vm.conn)
	})
}

// onBitmap does something with a bitmap of a disk.
func (vm *VM) onBitmap(ctx context.Context, operation, id, name string, inconsistent bool, do func(node string) error) error {
	return vm.do(ctx, operation, id, func() error {
		d, err := vm.lookBitmaps(ctx, id)
		if err == nil {
			err = d.usable(name)
		}
		if err != nil && !(inconsistent && errors.Is(err, ErrInconsistent)) {
			return err
		}
		return do(d.root())
	})
}

// lookBitmaps is look for an operation on the bitmaps of a disk. QEMU does not list those below the filter of a view.
func (vm *VM) lookBitmaps(ctx context.Context, id string) (*Disk, error) {
	d, err := vm.look(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case len(d.Layers) == 0:
		return nil, because(ErrNoDisk, "drive has no medium")
	case d.frozen():
		return nil, ErrFrozen
	}
	return d, nil
}

// bitmap returns a bitmap of the disk, or nil.
func (d *Disk) bitmap(name string) *qemu.BlockDirtyInfo {
	i := slices.IndexFunc(d.Bitmaps, func(b qemu.BlockDirtyInfo) bool { return *b.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Bitmaps[i]
}

// usable returns an error if QEMU refuses to work with a bitmap.
func (d *Disk) usable(name string) error {
	switch b := d.bitmap(name); {
	case b == nil:
		return because(ErrNoBitmap, "disk has no bitmap %q", name)
	case b.Busy:
		return because(ErrBitmapBusy, "a job or an export uses bitmap %q", name)
	case qmp.Value(b.Inconsistent):
		return because(ErrInconsistent, "bitmap %q is inconsistent: a QEMU was killed", name)
	}
	return nil
}

// storesBitmaps reports whether the top of the disk can hold persistent bitmaps.
func (d *Disk) storesBitmaps() bool {
	return d.Layers[0].Driver == qemu.BlockdevDriverQcow2 && !d.ReadOnly
}

// rootOrNone is root for a disk that may be nil.
func (d *Disk) rootOrNone() string {
	if d == nil {
		return ""
	}
	return d.root()
}

// A chain is the bitmap of a chain of backups of a disk: a full one and increments.
//
// While a backup runs, two bitmaps record: the chain's bitmap, and a second bitmap that begins at the moment of the backup.
// If the backup succeeds, the content of the second bitmap replaces the content of the first. If the backup fails, the first
// bitmap lacks no writes, because it has recorded all the time. No image stores the second bitmap.
type chain struct {
	node, name  string
	known       *qemu.BlockDirtyInfo // nil if there is no such bitmap
	persistent  bool                 // for a new one
	granularity *uint32
}

const nextSuffix = ".next"

// next returns the name of the second bitmap.
func (c *chain) next() string { return c.name + nextSuffix }

// chain returns the chain for a backup with a bitmap, or nil if name is empty.
func (d *Disk) chain(name string, incremental bool) (*chain, error) {
	switch {
	case name == "" && incremental:
		return nil, errors.New("an increment needs a Bitmap")
	case name == "":
		return nil, nil
	}
	c := d.chainOf(name)
	err := d.usable(name)
	switch {
	case errors.Is(err, ErrBitmapBusy):
		return nil, err
	case slices.ContainsFunc(d.Bitmaps, isNext):
		return nil, ErrFrozen
	case incremental && err != nil:
		return nil, &needFullError{err}
	case incremental && !c.known.Recording:
		return nil, &needFullError{fmt.Errorf("bitmap %q is disabled", name)}
	}
	if c.known != nil {
		c.granularity = new(c.known.Granularity)
	}
	return c, nil
}

func (d *Disk) chainOf(name string) *chain {
	return &chain{node: d.root(), name: name, known: d.bitmap(name), persistent: d.storesBitmaps()}
}

// isNext reports whether a bitmap is a second one. A persistent bitmap is one of a user.
func isNext(b qemu.BlockDirtyInfo) bool {
	return strings.HasSuffix(*b.Name, nextSuffix) && !b.Persistent
}

// chains returns the chains that have a second bitmap.
func (d *Disk) chains() (all []*chain) {
	for _, b := range d.Bitmaps {
		if isNext(b) {
			c := d.chainOf(strings.TrimSuffix(*b.Name, nextSuffix))
			c.granularity = new(b.Granularity)
			all = append(all, c)
		}
	}
	return all
}

// begin returns the action that makes the second bitmap.
func (c *chain) begin() qemu.TransactionAction {
	return qemu.TransactionAction{Branch: &qemu.BlockDirtyBitmapAdd{Node: c.node, Name: c.next(), Granularity: c.granularity}}
}

// removeNext removes the second bitmaps that exist.
func (vm *VM) removeNext(ctx context.Context, all []*source) error {
	disks, err := vm.lookAll(ctx, idsOf(all)...)
	for i, d := range disks {
		c := all[i].chain
		if d == nil || c == nil || len(d.Layers) > 0 && !d.frozen() && d.bitmap(c.next()) == nil {
			continue
		}
		err = errors.Join(err, qemu.BlockDirtyBitmapRemove{Node: c.node, Name: c.next()}.Do(ctx, vm.conn))
	}
	return err
}

// drop returns the action that removes the second bitmap.
func (c *chain) drop() qemu.TransactionAction {
	return qemu.TransactionAction{
		Type: qemu.TransactionActionKindBlockDirtyBitmapRemove, Branch: &qemu.BlockDirtyBitmap{Node: c.node, Name: c.next()},
	}
}

// advance returns the actions that replace the content of the chain's bitmap with that of the second one.
func (c *chain) advance() []qemu.TransactionAction {
	first := qemu.TransactionAction{
		Type: qemu.TransactionActionKindBlockDirtyBitmapClear, Branch: &qemu.BlockDirtyBitmap{Node: c.node, Name: c.name},
	}
	if c.known == nil {
		add := &qemu.BlockDirtyBitmapAdd{Node: c.node, Name: c.name, Granularity: c.granularity}
		if c.persistent {
			add.Persistent = new(true)
		}
		first = qemu.TransactionAction{Branch: add}
	}
	return []qemu.TransactionAction{first, mergeInto(c.node, c.name, c.node, c.next()), c.drop()}
}

// copyBitmap returns the actions that make a copy of a bitmap at another node.
func (d *Disk) copyBitmap(name, node string) []qemu.TransactionAction {
	add := &qemu.BlockDirtyBitmapAdd{Node: node, Name: name, Granularity: new(d.bitmap(name).Granularity), Disabled: new(true)}
	return []qemu.TransactionAction{{Branch: add}, mergeInto(node, name, d.root(), name)}
}

func mergeInto(node, into, from, name string) qemu.TransactionAction {
	return qemu.TransactionAction{Branch: &qemu.BlockDirtyBitmapMerge{
		Node: node, Target: into,
		Bitmaps: []qemu.BlockDirtyBitmapOrStr{{External: &qemu.BlockDirtyBitmap{Node: from, Name: name}}},
	}}
}
