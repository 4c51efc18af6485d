package hotplug_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// othersRemove has another manager remove a device as soon as the first removal begins.
func othersRemove(t *testing.T, m *fakeqemu.Machine, id string) {
	raced := false
	m.Intercept("device_del", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		if !raced {
			raced = true
			_, err := machine(&qmptest.Request{Arguments: fmt.Appendf(nil, `{"id":%q}`, id)})
			require.NoError(t, err)
		}
		return machine(r)
	})
}

// TestShrinkCPUsWithOthers removes fewer CPUs if another manager removes some at the same time, and reports the number that
// the machine has.
func TestShrinkCPUsWithOthers(t *testing.T) {
	for want, removed := range map[int][]string{
		2: {"cpu-socket4-core0", "cpu-socket3-core0"},
		4: {"cpu-socket4-core0"}, // and the other manager's
	} {
		m := fakeqemu.New(t)
		m.SetPlaces(5)
		vm := hotplug.New(m.Dial(), nil)
		_, err := vm.SetCPUs(t.Context(), 5, nil)
		require.NoError(t, err)
		othersRemove(t, m, "cpu-socket0-core0")
		change, err := vm.SetCPUs(t.Context(), want, nil)
		require.NoError(t, err)
		require.Equal(t, removed, idsOf(change.Removed))
		require.Equal(t, min(want, 3), change.After)
		require.Len(t, m.State(), min(want, 3))
	}
}

// TestShrinkMemoryWithOthers is the same for DIMMs of 4, 2 and 1 GiB. If no DIMMs make up the rest, the error says so.
func TestShrinkMemoryWithOthers(t *testing.T) {
	for other, test := range map[string]struct {
		size, after uint64
		removed     []string
		err         string
	}{
		"dimm-slot1": {gib, gib, []string{"dimm-slot0", "dimm-slot2"}, ""},
		"dimm-slot0": {5 * gib, 2 * gib, []string{"dimm-slot1"}, ""},
		"dimm-slot2": {2 * gib, 3 * gib, []string{"dimm-slot0"}, "1 GiB too much is left: another manager has"},
	} {
		m := fakeqemu.New(t)
		m.SetRoom(gib, 16*gib, 8)
		vm := hotplug.New(m.Dial(), nil)
		_, err := vm.SetMemory(t.Context(), 8*gib, nil)
		require.NoError(t, err)
		othersRemove(t, m, other)
		change, err := vm.SetMemory(t.Context(), test.size, nil)
		if test.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, test.err)
		}
		require.Equal(t, test.removed, change.Removed)
		require.Equal(t, test.after, change.After)
	}
}
