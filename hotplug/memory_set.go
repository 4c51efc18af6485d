package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// MemoryOptions configures [VM.SetMemory]. It is about the DIMMs that SetMemory adds.
type MemoryOptions struct {
	// Block is the unit of the sizes of DIMMs in bytes, a power of two. 0 means 128 MiB, in which Linux on x86 uses
	// memory. A Linux that was started with 64 GiB or more may need up to 2 GiB, and a pseries machine needs 256 MiB.
	// A guest does not use a DIMM of another size, and QEMU does not report that.
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

// A dimm is a DIMM of the machine that can be removed.
type dimm struct {
	id, object string
	size       uint64
}

// memoryState is the memory of a machine.
type memoryState struct {
	fixed  uint64                      // without the DIMMs below and the virtio-mem devices below
	dimms  []dimm                      // that can be removed, in QEMU's order
	virtio []*qemu.VirtioMemDeviceInfo // that have an ID
	room   uint64                      // for more devices, in bytes
	slots  []int64                     // the free ones
	left   []string                    // objects that an interrupted SetMemory has left
}

// total is the guest's memory.
func (s *memoryState) total() uint64 {
	total := s.fixed
	for _, d := range s.dimms {
		total += d.size
	}
	for _, v := range s.virtio {
		total += v.Size
	}
	return total
}

// memoryState asks for the memory of the machine.
func (vm *VM) memoryState(ctx context.Context) (*memoryState, error) {
	var summary qemu.MemoryInfo
	var devices []qemu.MemoryDeviceInfo
	var objects []object
	var machine struct { // since QEMU 7.1
		Max   uint64 `json:"max-size"`
		Slots int64  `json:"slots"`
	}
	var told bool
	err := together(
		func() (err error) { summary, err = qemu.QueryMemorySizeSummary{}.Do(ctx, vm.conn); return err },
		func() (err error) { devices, err = qemu.QueryMemoryDevices{}.Do(ctx, vm.conn); return err },
		func() (err error) { told, err = vm.objectProperty(ctx, "/machine", "memory", &machine); return err },
		func() (err error) { objects, err = vm.objects(ctx, objectsPath, "child"); return err },
	)
	if err != nil {
		return nil, err
	}
	s := &memoryState{fixed: summary.BaseMemory, room: math.MaxUint64}
	used := summary.BaseMemory
	slots, ids := map[int64]bool{}, map[string]bool{}
	for _, device := range devices {
		switch d := device.Branch.(type) {
		case *qemu.PCDIMMDeviceInfo:
			slots[d.Slot], ids[qmp.Value(d.ID)] = true, true
			used += uint64(d.Size)
			switch {
			case device.Type == qemu.MemoryDeviceInfoKindNVDIMM:
			case d.Hotpluggable && qmp.Value(d.ID) != "":
				s.dimms = append(s.dimms, dimm{*d.ID, strings.TrimPrefix(d.Memdev, objectPath("")), uint64(d.Size)})
			default:
				s.fixed += uint64(d.Size)
			}
		case *qemu.VirtioMemDeviceInfo:
			used += d.MaxSize
			if qmp.Value(d.ID) != "" {
				s.virtio = append(s.virtio, d)
			} else {
				s.fixed += d.Size
			}
		case *qemu.VirtioPMEMDeviceInfo:
			used += d.Size
		}
	}
	if told {
		s.room = max(machine.Max, used) - used
	} else {
		machine.Slots = maxSlots
	}
	for _, o := range objects {
		if dimmName.MatchString(o.name) && !ids[o.name] && strings.HasPrefix(o.kind, memoryBackend) {
			s.left = append(s.left, o.name)
		}
	}
	for slot := range machine.Slots {
		if !slots[slot] && !ids[idOfSlot(slot)] {
			s.slots = append(s.slots, slot)
		}
	}
	return s, nil
}

var dimmName = regexp.MustCompile(`^dimm-slot[0-9]+$`)

// idOfSlot returns the ID that SetMemory gives the DIMM in a slot.
func idOfSlot(slot int64) string { return "dimm-slot" + strconv.FormatInt(slot, 10) }

// memoryTarget returns the error for an amount of memory that is not possible. possible are the next amounts; none is 0.
func memoryTarget(want uint64, reason string, possible ...uint64) *TargetError {
	possible = slices.DeleteFunc(possible, func(size uint64) bool { return size == 0 })
	return &TargetError{Want: want, Nearest: possible, Reason: reason, text: bytesText}
}

// planDIMMs returns the sizes of the DIMMs that add so many bytes, the largest first: one for each power of two, so that
// the guest can give back parts of the memory later. If there are not enough slots, the last DIMM is larger.
func (s *memoryState) planDIMMs(bytes, block uint64) ([]uint64, error) {
	have, want := s.total(), s.total()+bytes
	if len(s.slots) == 0 {
		return nil, memoryTarget(want, "no slot for a DIMM is free (QEMU's -m slots)", have)
	}
	if bytes > s.room {
		return nil, memoryTarget(want, "it is more than QEMU's -m maxmem", have+s.room/block*block)
	}
	if rest := bytes % block; rest > 0 {
		possible := []uint64{want - rest}
		if s.room >= bytes-rest+block {
			possible = append(possible, want-rest+block)
		}
		return nil, memoryTarget(want, "the size of a DIMM is a multiple of "+bytesText(block), possible...)
	}
	var sizes []uint64
	for bytes > 0 {
		size := uint64(1) << (bits.Len64(bytes) - 1)
		if len(sizes) == len(s.slots)-1 {
			size = bytes
		}
		sizes, bytes = append(sizes, size), bytes-size
	}
	return sizes, nil
}

// maxSums limits the work of chooseDIMMs for DIMMs of strange sizes.
const maxSums = 1 << 20

// chooseDIMMs returns DIMMs that have so many bytes together, the last ones if there is a choice. If no DIMMs have, it
// returns those with the next smaller sum. below and above are the next sums; above is 0 if there is none.
func chooseDIMMs(dimms []dimm, bytes uint64) (chosen []dimm, below, above uint64) {
	type last struct {
		dimm dimm
		rest uint64 // the sum without it
	}
	reached, sums := map[uint64]last{}, []uint64{0}
	for _, d := range slices.Backward(dimms) {
		for _, rest := range slices.Clone(sums) {
			sum := rest + d.size
			if _, ok := reached[sum]; ok || len(sums) > maxSums {
				continue
			}
			reached[sum] = last{d, rest}
			if sum <= bytes {
				sums, below = append(sums, sum), max(below, sum)
			} else if above == 0 || sum < above {
				above = sum
			}
		}
	}
	for sum := below; sum > 0; sum = reached[sum].rest {
		chosen = append(chosen, reached[sum].dimm)
	}
	return chosen, below, above
}

// planRemoval returns the DIMMs that have so many bytes.
func (s *memoryState) planRemoval(bytes uint64) ([]dimm, error) {
	have := s.total()
	chosen, below, above := chooseDIMMs(s.dimms, bytes)
	switch {
	case below == bytes:
		return chosen, nil
	case above == 0:
		return nil, memoryTarget(have-bytes, "the other memory was there at the start, or QEMU cannot remove it", have-below)
	}
	return nil, memoryTarget(have-bytes, "a DIMM is removed as a whole", have-above, have-below)
}

// planVirtio returns the requested sizes of the virtio-mem devices for an amount of memory: the first devices grow
// first, and the last ones shrink first.
func (s *memoryState) planVirtio(size uint64) ([]uint64, error) {
	var sizes []uint64
	have, limit := s.fixed, s.fixed
	for _, d := range s.dimms {
		have, limit = have+d.size, limit+d.size
	}
	least := have
	for _, v := range s.virtio {
		sizes = append(sizes, v.RequestedSize)
		have, limit = have+v.RequestedSize, limit+v.MaxSize
	}
	switch {
	case size < least:
		return nil, memoryTarget(size, "only the memory of virtio-mem devices is changed", least)
	case size > limit:
		return nil, memoryTarget(size, "the virtio-mem devices are not larger", limit)
	}
	for i, v := range s.virtio {
		if have < size {
			more := min(v.MaxSize-sizes[i], size-have) / v.BlockSize * v.BlockSize
			sizes[i], have = sizes[i]+more, have+more
		}
	}
	for i, v := range slices.Backward(s.virtio) {
		if have > size {
			less := min(sizes[i], have-size) / v.BlockSize * v.BlockSize
			sizes[i], have = sizes[i]-less, have-less
		}
	}
	if have == size {
		return sizes, nil
	}
	step := uint64(math.MaxUint64) // the smallest block by which a device can change
	for i, v := range s.virtio {
		if have < size && sizes[i] < v.MaxSize || have > size && sizes[i] > 0 {
			step = min(step, v.BlockSize)
		}
	}
	possible := []uint64{have, have + step}
	if have > size {
		possible = []uint64{have - step, have}
	}
	return nil, memoryTarget(size, "the size of a virtio-mem device is a multiple of "+bytesText(step), possible...)
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
			err = vm.shrinkDIMMs(ctx, state, have-size, &change)
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
			m := Memory{ID: idOfSlot(s.slots[i]), Backend: o.Backend(size), Props: qmp.Args{"slot": s.slots[i]}}
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

// leftGrace is how long an object without a device may belong to an AddMemory that runs.
const leftGrace = time.Second

// settledMemory asks for the memory of the machine when no DIMM is being added, as far as can be seen.
func (vm *VM) settledMemory(ctx context.Context) (*memoryState, error) {
	s, err := vm.memoryState(ctx)
	if err != nil || len(s.left) == 0 {
		return s, err
	}
	select {
	case <-time.After(leftGrace):
	case <-ctx.Done():
		return nil, wait.Err(ctx)
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

// shrinkDIMMs removes DIMMs with so many bytes.
func (vm *VM) shrinkDIMMs(ctx context.Context, s *memoryState, bytes uint64, change *MemoryChange) error {
	chosen, err := s.planRemoval(bytes)
	if err != nil {
		return err
	}
	if err := vm.removeLeft(ctx, s); err != nil {
		return err
	}
	for len(chosen) > 0 {
		d := chosen[0]
		s.dimms = slices.DeleteFunc(s.dimms, func(other dimm) bool { return other == d })
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
			change.Removed, change.After = append(change.Removed, d.id), change.After-d.size
			bytes -= d.size
			if left != nil {
				return fmt.Errorf("object %s: %w", d.object, left)
			}
		default:
			change.Kept = append(change.Kept, KeptMemory{d.id, d.size, err})
			if errors.Is(err, ErrUnplugPending) || !errors.Is(err, ErrUnplugRefused) && !refused(err) {
				return fmt.Errorf("DIMM %s: %w", d.id, err)
			}
		}
		chosen, _, _ = chooseDIMMs(s.dimms, bytes)
	}
	if bytes > 0 {
		first := change.Kept[0]
		return fmt.Errorf("%s too much is left: DIMM %s: %w", bytesText(bytes), first.ID, first.Err)
	}
	return nil
}

// removeDIMMObject removes the object behind a DIMM that is gone, and the mark of AddMemory.
func (vm *VM) removeDIMMObject(ctx context.Context, d dimm) error {
	_, err := vm.removeObject(ctx, d.object)
	if err == nil && !slices.Contains(defaultNames(anObject, d.id), d.object) {
		_, err = vm.removeObject(ctx, markOf(d.id, anObject, d.object))
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
