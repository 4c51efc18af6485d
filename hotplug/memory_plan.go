package hotplug

import (
	"context"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

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

// memoryTarget returns the error for an impossible amount of memory. possible are the next possible amounts; it ignores
// 0.
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

// chooseDIMMs returns DIMMs that have so many bytes together, the last ones if there is a choice. If no DIMMs do, it
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
