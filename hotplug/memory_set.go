package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// MemoryOptions configures [VM.SetMemory]. Its fields describe the DIMMs that SetMemory adds.
type MemoryOptions struct {
	// Block is the unit of the sizes of DIMMs in bytes, a power of two. 0 means 128 MiB, the block in which Linux
	// on x86 uses memory. A Linux that was started with 64 GiB or more may need up to 2 GiB, and a pseries machine needs
	// 256 MiB. A guest does not use a DIMM that is not a multiple of its block, and QEMU does not report that.
	Block uint64

	// Backend returns the object behind a DIMM of this size. If it is nil, the object is a [RAM].
	Backend func(size uint64) MemoryBackend

	// Props are further properties of each DIMM, as in [Memory].
	Props qmp.Args
}

const (
	defaultBlock = 128 << 20
	maxSlots     = 256 // for DIMMs, of any machine
)

// check returns an error if o is invalid, and o with its defaults. It sends nothing.
func (o *MemoryOptions) check() (*MemoryOptions, error) {
	all := MemoryOptions{}
	if o != nil {
		all = *o
	}
	if all.Block == 0 {
		all.Block = defaultBlock
	}
	if bits.OnesCount64(all.Block) != 1 {
		return nil, fmt.Errorf("Block is %d, which is not a power of two", all.Block)
	}
	if all.Backend == nil {
		all.Backend = func(size uint64) MemoryBackend { return RAM{Size: size} }
	}
	return &all, checkProps(all.Props, nil, "memdev", "slot")
}

// A MemoryChange is what [VM.SetMemory] has done.
type MemoryChange struct {
	// Before and After are the guest's memory in bytes: the base memory (QEMU's -m), all DIMMs, and as much of the
	// virtio-mem devices as the guest uses. Storage in memory, an nvdimm or a virtio-pmem, does not count.
	Before, After uint64

	Added   []string     // the IDs of DIMMs, in the order of adding
	Removed []string     // the IDs of DIMMs, in the order of removing
	Resized []string     // the IDs of virtio-mem devices whose requested size was changed
	Kept    []KeptMemory // what the guest should have given back and has not
}

// KeptMemory is memory that the guest has not given back to [VM.SetMemory].
type KeptMemory struct {
	ID   string // of a DIMM or a virtio-mem device
	Size uint64 // in bytes; of a virtio-mem device, how much of it
	Err  error  // as from [VM.RemoveMemory] or [VM.ResizeMemory]
}

// SetMemory sets the guest's memory to size bytes: the base memory, DIMMs and virtio-mem devices together. opts
// may be nil.
//
// If the machine has virtio-mem devices, SetMemory resizes them as [VM.ResizeMemory] does, and leaves the DIMMs
// alone. Else it adds or removes DIMMs:
//   - It adds one DIMM for each power of two, the largest first, in the first free slots. If there are not
//     enough slots, the last DIMM is larger. The ID of a DIMM derives from its slot: "dimm-slot3".
//   - It removes DIMMs whose sizes make up the difference, the last ones if there is a choice, and the objects
//     behind them. It takes any DIMM that has an ID, also of other managers, processes or QEMU's command line.
//     If the guest keeps a DIMM, SetMemory tries others. It asks the guest for one DIMM after the other; give
//     ctx a deadline.
//
// A size that the machine cannot have is an error before anything is changed. After that, SetMemory goes as far as it
// can. It undoes nothing, except a DIMM that was added in part. The result says what has happened, also with an error.
// Call SetMemory again to continue. SetMemory also removes objects with the IDs of such DIMMs that no DIMM uses: an
// interrupted call may have left them.
//
// The result does not say how much memory a balloon has taken from the guest, or whether the guest uses a new
// DIMM, see [VM.AddMemory].
//
// SetMemory returns an error that matches:
//   - [*TargetError]: the machine cannot have this size. The error has the next possible ones. Nothing was
//     changed. QEMU before 7.1 does not report its maxmem and slots, so the error is a [*qmp.Error] there.
//   - [ErrUnplugRefused]: the guest keeps DIMMs, which are in Kept, and no others have a suitable size.
//   - [ErrUnplugPending], [ErrResizePending]: ctx ended before the guest released a DIMM, or resized its
//     virtio-mem. What it still has is in Kept.
//   - [ErrExists]: something else has the ID of a DIMM to add.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//
// Source: query-memory-size-summary, query-memory-devices, qom-get, qom-list; then the commands of AddMemory,
// RemoveMemory or ResizeMemory.
func (vm *VM) SetMemory(ctx context.Context, size uint64, opts *MemoryOptions) (MemoryChange, error) {
	var change MemoryChange
	err := vm.changing(ctx, allMemory, "set memory to "+bytesText(size), func() error {
		o, err := opts.check()
		if err != nil {
			return err
		}
		state, err := vm.settledMemory(ctx)
		if err != nil {
			return err
		}
		change.Before, change.After = state.total(), state.total()
		switch have := change.Before; {
		case len(state.virtio) > 0:
			err = vm.setVirtio(ctx, state, size, &change)
		case size > have:
			err = vm.growDIMMs(ctx, state, size, o, &change)
		default:
			err = vm.shrinkDIMMs(ctx, state, size, &change)
		}
		if _, impossible := errors.AsType[*TargetError](err); err != nil && !impossible {
			vm.measure(ctx, &change)
		}
		return err
	})
	return change, err
}

// growDIMMs adds DIMMs until the guest has size bytes.
func (vm *VM) growDIMMs(ctx context.Context, s *memoryState, size uint64, o *MemoryOptions, change *MemoryChange) error {
	var taken error // another manager was faster
	for size > s.total() {
		sizes, err := s.planDIMMs(size-s.total(), o.Block)
		if err != nil {
			return cmp.Or(taken, err)
		}
		var all []Memory
		for i, size := range sizes {
			m := Memory{ID: idOfSlot(s.slots[i]), Backend: o.Backend(size), Driver: defaultMemoryDriver, Props: qmp.Args{"slot": s.slots[i]}}
			maps.Copy(m.Props, o.Props)
			if err := m.check(); err != nil {
				return err
			}
			all = append(all, m)
		}
		if err := vm.removeLeft(ctx, s); err != nil {
			return err
		}
		added, err := vm.addDIMMs(ctx, all, change)
		for _, size := range sizes[:added] {
			change.After += size
		}
		if !errors.Is(err, ErrExists) {
			return err
		}
		again, lookErr := vm.settledMemory(ctx)
		if lookErr != nil || slices.Contains(again.slots, s.slots[added]) {
			return errors.Join(err, lookErr) // the ID is not in use by a DIMM
		}
		s, taken, change.After = again, err, again.total()
	}
	return nil
}

// addDIMMs adds DIMMs, and undoes the last one if that fails. It returns how many it has added.
func (vm *VM) addDIMMs(ctx context.Context, all []Memory, change *MemoryChange) (added int, err error) {
	for i, m := range all {
		err := vm.withID(ctx, m.ID, func() error {
			var undo rollback
			if err := vm.addMemory(ctx, &undo, &m); err != nil {
				return undo.run(ctx, err)
			}
			return nil
		})
		if err != nil {
			return i, fmt.Errorf("DIMM %s: %w", m.ID, err)
		}
		change.Added = append(change.Added, m.ID)
	}
	return len(all), nil
}

// leftGrace is how long an object without a device may belong to an addition that runs.
const leftGrace = time.Second

// waitForOthers waits until an addition of another manager that runs has probably added its device.
func waitForOthers(ctx context.Context) error {
	select {
	case <-time.After(leftGrace):
		return nil
	case <-ctx.Done():
		return wait.Err(ctx)
	}
}

// settledMemory asks for the memory of the machine when no DIMM is being added, as far as can be seen.
func (vm *VM) settledMemory(ctx context.Context) (*memoryState, error) {
	s, err := vm.memoryState(ctx)
	if err != nil || len(s.left) == 0 {
		return s, err
	}
	if err := waitForOthers(ctx); err != nil {
		return nil, err
	}
	again, err := vm.memoryState(ctx)
	if err == nil {
		again.left = slices.DeleteFunc(again.left, func(id string) bool { return !slices.Contains(s.left, id) })
	}
	return again, err
}

// removeLeft removes the objects that an interrupted SetMemory has left, unless they are in use.
func (vm *VM) removeLeft(ctx context.Context, s *memoryState) error {
	for _, id := range s.left {
		err := vm.withID(ctx, id, func() error { return qemu.ObjectDel{ID: id}.Do(ctx, vm.conn) })
		if err != nil && !refused(err) {
			return err
		}
	}
	return nil
}

// shrinkDIMMs removes DIMMs until the guest has size bytes. It looks again after each removal, because another manager can
// remove DIMMs at the same time.
func (vm *VM) shrinkDIMMs(ctx context.Context, s *memoryState, size uint64, change *MemoryChange) error {
	chosen, err := s.planRemoval(s.total() - size)
	if err != nil {
		return err
	}
	if err := vm.removeLeft(ctx, s); err != nil {
		return err
	}
	for len(chosen) > 0 {
		d := chosen[0]
		var left error // the object's
		err := vm.withID(ctx, d.id, func() error {
			err := vm.unplugMemory(ctx, d.id)
			if err == nil {
				left = vm.removeDIMMObject(ctx, d)
			}
			return err
		})
		switch {
		case err == nil:
			change.Removed = append(change.Removed, d.id)
			if left != nil {
				return fmt.Errorf("object %s: %w", d.object, left)
			}
		default:
			change.Kept = append(change.Kept, KeptMemory{d.id, d.size, err})
			if errors.Is(err, ErrUnplugPending) || !errors.Is(err, ErrUnplugRefused) && !refused(err) {
				return fmt.Errorf("DIMM %s: %w", d.id, err)
			}
		}
		if s, err = vm.memoryState(ctx); err != nil {
			return err
		}
		change.After = s.total()
		others := slices.DeleteFunc(s.dimms, func(d dimm) bool {
			return slices.ContainsFunc(change.Kept, func(k KeptMemory) bool { return k.ID == d.id })
		})
		chosen, _, _ = chooseDIMMs(others, max(change.After, size)-size)
	}
	switch {
	case change.After <= size:
		return nil
	case len(change.Kept) > 0:
		first := change.Kept[0]
		return fmt.Errorf("%s too much is left: DIMM %s: %w", bytesText(change.After-size), first.ID, first.Err)
	default:
		return fmt.Errorf("%s too much is left: another manager has added or removed DIMMs", bytesText(change.After-size))
	}
}

// removeDIMMObject removes the object behind a DIMM that is gone, and the mark of AddMemory.
func (vm *VM) removeDIMMObject(ctx context.Context, d dimm) error {
	_, err := vm.removeObject(ctx, d.object)
	if err == nil {
		err = vm.unmark(ctx, d.id, anObject, d.object)
	}
	return err
}

// setVirtio resizes the virtio-mem devices.
func (vm *VM) setVirtio(ctx context.Context, s *memoryState, size uint64, change *MemoryChange) error {
	sizes, err := s.planVirtio(size)
	if err != nil {
		return err
	}
	if err := vm.removeLeft(ctx, s); err != nil {
		return err
	}
	for i, v := range s.virtio {
		if v.RequestedSize == sizes[i] && v.Size == sizes[i] {
			continue
		}
		if v.RequestedSize != sizes[i] {
			change.Resized = append(change.Resized, *v.ID)
		}
		if err := vm.withID(ctx, *v.ID, func() error { return vm.setMemory(ctx, *v.ID, sizes[i]) }); err != nil {
			if sizes[i] < v.Size {
				change.Kept = append(change.Kept, KeptMemory{*v.ID, v.Size - sizes[i], err})
			}
			return fmt.Errorf("device %s: %w", *v.ID, err)
		}
		change.After += sizes[i] - v.Size
	}
	return nil
}

// measure finds out the guest's memory after an error. If QEMU does not answer, it follows from what was done.
func (vm *VM) measure(ctx context.Context, change *MemoryChange) {
	ctx, cancel := wait.Detach(ctx, lookLimit)
	defer cancel()
	state, err := vm.memoryState(ctx)
	if err != nil {
		return
	}
	change.After = state.total()
	for i := range change.Kept {
		k := &change.Kept[i]
		for _, v := range state.virtio {
			if *v.ID == k.ID { // the guest may have given back a part
				k.Size = max(v.Size, v.RequestedSize) - v.RequestedSize
			}
		}
	}
}
