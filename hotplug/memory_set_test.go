package hotplug_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const gib = 1 << 30

// dimmIDs are the IDs that SetMemory gives the DIMMs in these slots.
func dimmIDs(slots ...int) (ids []string) {
	for _, slot := range slots {
		ids = append(ids, fmt.Sprint("dimm-slot", slot))
	}
	return ids
}

// TestSetMemory walks a machine with 1 GiB and 6 slots.
func TestSetMemory(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetRoom(gib, 16*gib, 6)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	for i, step := range []struct {
		size           uint64
		added, removed []string
	}{
		{size: gib},
		{size: 4 * gib, added: dimmIDs(0, 1)},                // of 2 and 1 GiB
		{size: 4*gib + 896*mib, added: dimmIDs(2, 3, 4)},     // of 512, 256 and 128 MiB
		{size: 4 * gib, removed: dimmIDs(2, 3, 4)},           //
		{size: 3 * gib, removed: dimmIDs(1)},                 //
		{size: 12*gib + 384*mib, added: dimmIDs(1, 2, 3, 4)}, // of 8 GiB, 1 GiB, 256 MiB and 128 MiB
		{size: 12*gib + 512*mib, added: dimmIDs(5)},          // the last slot
		{size: 2*gib + 384*mib, removed: dimmIDs(5, 1, 0)},   // of 128 MiB, 8 GiB and 2 GiB
		{size: gib, removed: dimmIDs(2, 3, 4)},               //
		{size: 16*gib - 128*mib, added: dimmIDs(0, 1, 2, 3, 4, 5)},
	} {
		change, err := vm.SetMemory(ctx, step.size, nil)
		require.NoError(t, err, "step %d", i)
		require.Equal(t, step.size, change.After, "step %d", i)
		require.Equal(t, step.added, change.Added, "step %d", i)
		require.ElementsMatch(t, step.removed, change.Removed, "step %d", i)
		require.Empty(t, change.Kept)
		require.Empty(t, change.Resized)
	}
	require.Len(t, m.State(), 12, "a device and an object for each DIMM")
}

// TestDIMMs looks at the requests for DIMMs. When there are not enough slots, the last DIMM is larger.
func TestDIMMs(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetRoom(gib, 16*gib, 3)
	vm := hotplug.New(m.Dial(), nil)
	_, err := vm.SetMemory(t.Context(), 15*gib, &hotplug.MemoryOptions{
		Backend: func(size uint64) hotplug.MemoryBackend {
			return hotplug.Object{Options: qemu.ObjectOptions{Branch: &qemu.MemoryBackendMemfdProperties{Size: size, Share: new(true)}}}
		},
		Props: qmp.Args{"node": 1},
		Block: gib,
	})
	require.NoError(t, err)
	var sent []string
	for _, r := range m.Requests() {
		if strings.HasSuffix(r.Command, "add") {
			sent = append(sent, string(r.Arguments))
		}
	}
	require.Len(t, sent, 6)
	for i, size := range []int{8, 4, 2} {
		id := dimmIDs(i)[0]
		require.JSONEq(t, fmt.Sprintf(`{"qom-type":"memory-backend-memfd","id":%q,"share":true,"size":%d}`, id, size<<30), sent[2*i])
		require.JSONEq(t, fmt.Sprintf(`{"driver":"pc-dimm","id":%q,"memdev":%[1]q,"node":1,"slot":%d}`, id, i), sent[2*i+1])
	}
	change, err := vm.SetMemory(t.Context(), gib, nil)
	require.NoError(t, err)
	require.Len(t, change.Removed, 3)
	m.SetRoom(gib, 16*gib, 2)
	change, err = vm.SetMemory(t.Context(), 8*gib, nil)
	require.NoError(t, err)
	require.Equal(t, dimmIDs(0, 1), change.Added) // 4 and 3 GiB
	_, err = vm.SetMemory(t.Context(), 4*gib, nil)
	require.NoError(t, err)
	_, err = vm.SetMemory(t.Context(), gib, nil)
	require.NoError(t, err)
	require.Empty(t, m.State())
}

// TestMemoryThatIsNotPossible is an error before anything is changed.
func TestMemoryThatIsNotPossible(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetRoom(gib, 8*gib, 3)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "nv", Backend: hotplug.RAM{Size: gib}, Driver: fakeqemu.NVDIMM}))
	_, err := vm.SetMemory(ctx, 5*gib, nil)
	require.NoError(t, err)
	before := m.State()
	impossible := func(size uint64, says string, nearest ...uint64) {
		t.Helper()
		change, err := vm.SetMemory(ctx, size, nil)
		require.ErrorContains(t, err, says)
		var target *hotplug.TargetError
		require.ErrorAs(t, err, &target)
		require.Equal(t, nearest, target.Nearest)
		require.Equal(t, change.Before, change.After)
		require.Equal(t, before, m.State())
	}
	impossible(6*gib+mib, "hotplug: set memory to 6145 MiB: not possible: the size of a DIMM is a multiple of 128 MiB; "+
		"next possible: 6 GiB, 6272 MiB", 6*gib, 6*gib+128*mib)
	impossible(7*gib-mib, "multiple of 128 MiB", 7*gib-128*mib, 7*gib) // the NVDIMM has taken 1 GiB
	impossible(9*gib, "it is more than QEMU's -m maxmem; next possible: 7 GiB", 7*gib)
	impossible(4*gib, "a DIMM is removed as a whole; next possible: 1 GiB, 5 GiB", gib, 5*gib)
	impossible(512*mib, "the other memory was there at the start, or QEMU cannot remove it; next possible: 1 GiB", gib)
	_, err = vm.SetMemory(ctx, 5*gib+128*mib, nil)
	require.NoError(t, err)
	before = m.State()
	impossible(6*gib, "no slot for a DIMM is free (QEMU's -m slots); next possible: 5248 MiB", 5*gib+128*mib)
	for _, c := range []struct {
		opts hotplug.MemoryOptions
		says string
	}{
		{hotplug.MemoryOptions{Block: 3}, "Block is 3, which is not a power of two"},
		{hotplug.MemoryOptions{Props: qmp.Args{"slot": 1}}, `Props has "slot"`},
	} {
		_, err = vm.SetMemory(ctx, gib, &c.opts)
		require.ErrorContains(t, err, c.says)
	}
	_, err = vm.SetMemory(ctx, gib, nil)
	require.NoError(t, err)
	before = m.State()
	_, err = vm.SetMemory(ctx, 2*gib, &hotplug.MemoryOptions{Backend: func(uint64) hotplug.MemoryBackend { return nil }})
	require.ErrorContains(t, err, "needs a Backend")
	require.Equal(t, before, m.State())

	without := fakeqemu.New(t)
	without.SetRoom(gib, gib, 0) // -m 1G alone
	m, vm, before = without, hotplug.New(without.Dial(), nil), nil
	impossible(2*gib, "no slot for a DIMM is free", gib)
}

// TestSetMemoryOfOthers removes DIMMs that others have added, and objects that an interrupted call has left.
func TestSetMemoryOfOthers(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetRoom(gib, 8*gib, 4)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	object := func(id string) {
		require.NoError(t, qemu.ObjectAdd{ID: id, QOMType: qemu.ObjectTypeMemoryBackendRAM, Branch: &qemu.MemoryBackendProperties{Size: gib}}.Do(ctx, c))
	}
	object("theirs")
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "pc-dimm", ID: "d", Props: qmp.Args{"memdev": "theirs"}}))
	object("dimm-slot1")
	object("dimm-slot7")
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "nv", Backend: hotplug.RAM{Size: gib}, Driver: fakeqemu.NVDIMM}))
	object("spare")
	change, err := vm.SetMemory(ctx, 3*gib, nil)
	require.NoError(t, err)
	require.Equal(t, hotplug.MemoryChange{Before: 2 * gib, After: 3 * gib, Added: dimmIDs(2)}, change)
	change, err = vm.SetMemory(ctx, 1*gib, nil)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"d", "dimm-slot2"}, change.Removed)
	require.Equal(t, []string{"device nv", "object nv", "object spare"}, m.State())

	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "a", ID: "dimm-slot2"}))
	before := m.State()
	change, err = vm.SetMemory(ctx, 4*gib, nil)
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.ErrorContains(t, err, "hotplug: set memory to 4 GiB: DIMM dimm-slot2: device ID is in use")
	require.Equal(t, hotplug.MemoryChange{Before: gib, After: 3 * gib, Added: dimmIDs(0)}, change, "it goes as far as it can")
	_, err = vm.SetMemory(ctx, gib, nil)
	require.NoError(t, err)
	require.Equal(t, before, m.State())
}

// TestSetMemoryWithoutLimits: a QEMU before 7.1 does not report its limits, and refuses.
func TestSetMemoryWithoutLimits(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	change, err := vm.SetMemory(t.Context(), 4*gib, nil)
	require.NoError(t, err)
	require.Equal(t, dimmIDs(0, 1), change.Added)
	change, err = vm.SetMemory(t.Context(), 1<<41, nil)
	require.ErrorIs(t, err, qmp.ErrGeneric)
	require.Less(t, change.After, uint64(1<<41))
}

// TestDIMMsThatTheGuestKeeps: others go instead, as far as there are any.
func TestDIMMsThatTheGuestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetRoom(gib, 16*gib, 8)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		ctx := t.Context()
		for size := uint64(2); size <= 4; size++ { // DIMMs of 1 GiB
			_, err := vm.SetMemory(ctx, size*gib, nil)
			require.NoError(t, err)
		}
		asOne := refuses(m, "dimm-slot2")
		change, err := vm.SetMemory(ctx, 3*gib, nil)
		require.NoError(t, err)
		require.Equal(t, dimmIDs(1), change.Removed)
		require.Len(t, change.Kept, 1)
		require.Equal(t, "dimm-slot2", change.Kept[0].ID)
		require.Equal(t, uint64(gib), change.Kept[0].Size)
		require.ErrorIs(t, change.Kept[0].Err, hotplug.ErrUnplugRefused)

		change, err = vm.SetMemory(ctx, gib, nil)
		require.ErrorIs(t, err, hotplug.ErrUnplugRefused)
		require.ErrorContains(t, err, "hotplug: set memory to 1 GiB: 1 GiB too much is left: DIMM dimm-slot2: guest refused to release the device")
		require.Equal(t, dimmIDs(0), change.Removed)
		require.Equal(t, uint64(2*gib), change.After)

		asOne()
		m.SetGuest(fakeqemu.Deaf)
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		change, err = vm.SetMemory(short, gib, nil)
		require.ErrorIs(t, err, hotplug.ErrUnplugPending)
		require.Len(t, change.Kept, 1)
		require.Equal(t, uint64(2*gib), change.After)

		m.SetGuest(fakeqemu.Willing) // and releases it, later
		require.NoError(t, qemu.SystemReset{}.Do(ctx, c))
		require.Equal(t, []string{"object dimm-slot2"}, m.State())
		_, err = vm.SetMemory(ctx, gib, nil)
		require.NoError(t, err)
		require.Empty(t, m.State())
	})
}

// TestSetMemoryOfVirtioMem has two devices of 4 GiB, beside a DIMM.
func TestSetMemoryOfVirtioMem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetRoom(gib, 16*gib, 4)
		vm := hotplug.New(pipe(t, m, nil), nil)
		ctx := t.Context()
		_, err := vm.SetMemory(ctx, 2*gib, nil)
		require.NoError(t, err)
		for _, id := range []string{"vm0", "vm1"} {
			require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: id, Backend: hotplug.RAM{Size: 4 * gib}, Driver: fakeqemu.VirtioMem}))
		}
		before := m.State()
		for _, step := range []struct {
			size    uint64
			resized []string
		}{
			{2 * gib, nil},
			{3*gib + 2*mib, []string{"vm0"}},
			{8 * gib, []string{"vm0", "vm1"}},
			{10 * gib, []string{"vm1"}},
			{7 * gib, []string{"vm1"}},
			{5 * gib, []string{"vm0", "vm1"}},
		} {
			change, err := vm.SetMemory(ctx, step.size, nil)
			require.NoError(t, err)
			require.Equal(t, step.resized, change.Resized)
			require.Equal(t, step.size, change.After)
		}
		for _, c := range []struct {
			size    uint64
			nearest []uint64
		}{
			{11 * gib, []uint64{10 * gib}},
			{gib, []uint64{2 * gib}},
			{6*gib + mib, []uint64{6 * gib, 6*gib + 2*mib}},
			{3*gib + mib, []uint64{3 * gib, 3*gib + 2*mib}},
		} {
			_, err := vm.SetMemory(ctx, c.size, nil)
			var target *hotplug.TargetError
			require.ErrorAs(t, err, &target)
			require.Equal(t, c.nearest, target.Nearest)
		}
		m.SetGuest(fakeqemu.Deaf)
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		change, err := vm.SetMemory(short, 4*gib, nil)
		require.ErrorIs(t, err, hotplug.ErrResizePending)
		require.ErrorContains(t, err, "hotplug: set memory to 4 GiB: device vm0: guest has not resized its memory yet")
		require.Equal(t, uint64(5*gib), change.After)
		require.Len(t, change.Kept, 1)
		require.Equal(t, "vm0", change.Kept[0].ID)
		require.Equal(t, uint64(gib), change.Kept[0].Size)
		require.ErrorIs(t, change.Kept[0].Err, hotplug.ErrResizePending)
		m.SetGuest(fakeqemu.Willing)
		change, err = vm.SetMemory(ctx, 2*gib, nil)
		require.NoError(t, err)
		require.Equal(t, uint64(2*gib), change.After)
		require.Equal(t, before, m.State())
	})
}

// TestSetMemoryRemovesMarks of memory whose object has a name of the caller's.
func TestSetMemoryRemovesMarks(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetRoom(gib, 8*gib, 4)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddMemory(t.Context(), hotplug.Memory{ID: "d", ObjectID: "ram", Backend: hotplug.RAM{Size: gib}}))
	require.Equal(t, []string{"device d", "object d.object.ram", "object ram"}, m.State())
	_, err := vm.SetMemory(t.Context(), gib, nil)
	require.NoError(t, err)
	require.Empty(t, m.State())
}
