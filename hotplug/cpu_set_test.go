package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// idsOf returns the last parts of the paths of CPUs.
func idsOf(cpus []qemu.HotpluggableCPU) (ids []string) {
	for _, cpu := range cpus {
		ids = append(ids, (*cpu.QOMPath)[len("/machine/peripheral/"):])
	}
	return ids
}

func TestAddCPUs(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetTopology(2, 2, 2, 1)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	added, err := vm.AddCPUs(ctx, 2, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"cpu-socket0-core0-thread1", "cpu-socket0-core1-thread0"}, idsOf(added))
	added, err = vm.AddCPUs(ctx, 2, &hotplug.CPUOptions{Place: socket(1), Whole: hotplug.WholeCores})
	require.NoError(t, err)
	require.Equal(t, []string{"cpu-socket1-core0-thread0", "cpu-socket1-core0-thread1"}, idsOf(added))
	for _, id := range []string{"cpu-socket0-core0-thread1", "cpu-socket0-core1-thread0", "cpu-socket1-core0-thread0", "cpu-socket1-core0-thread1"} {
		require.NoError(t, vm.RemoveCPU(ctx, id))
	}
	require.Empty(t, m.State())
}

// TestSetCPUs walks a machine of 2 sockets, 2 cores and 2 threads, which has one CPU at the start.
func TestSetCPUs(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetTopology(2, 2, 2, 1)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	for i, step := range []struct {
		n       int
		opts    *hotplug.CPUOptions
		added   []string
		removed []string
	}{
		{n: 1},
		{n: 2, opts: &hotplug.CPUOptions{Whole: hotplug.WholeCores}, added: []string{"cpu-socket0-core0-thread1"}},
		{n: 5, added: []string{"cpu-socket0-core1-thread0", "cpu-socket0-core1-thread1", "cpu-socket1-core0-thread0"}},
		{n: 4, opts: &hotplug.CPUOptions{Whole: hotplug.WholeSockets}, removed: []string{"cpu-socket1-core0-thread0"}},
		{n: 2, removed: []string{"cpu-socket0-core1-thread1", "cpu-socket0-core1-thread0"}},
		{n: 4, opts: &hotplug.CPUOptions{Whole: hotplug.WholeSockets}, added: []string{"cpu-socket0-core1-thread0", "cpu-socket0-core1-thread1"}},
		{n: 8, opts: &hotplug.CPUOptions{Whole: hotplug.WholeDies}, added: []string{"cpu-socket1-core0-thread0",
			"cpu-socket1-core0-thread1", "cpu-socket1-core1-thread0", "cpu-socket1-core1-thread1"}},
		{n: 7, opts: &hotplug.CPUOptions{Place: socket(0)}, removed: []string{"cpu-socket0-core1-thread1"}},
		{n: 6, opts: &hotplug.CPUOptions{Whole: hotplug.WholeCores}, removed: []string{"cpu-socket0-core1-thread0"}}, // the rest of a core first
		{n: 1, removed: []string{"cpu-socket1-core1-thread1", "cpu-socket1-core1-thread0", "cpu-socket1-core0-thread1",
			"cpu-socket1-core0-thread0", "cpu-socket0-core0-thread1"}},
	} {
		change, err := vm.SetCPUs(ctx, step.n, step.opts)
		require.NoError(t, err, "step %d", i)
		require.Equal(t, step.n, change.After, "step %d", i)
		require.Equal(t, change.After-change.Before, len(change.Added)-len(change.Removed), "step %d", i)
		require.Equal(t, step.added, idsOf(change.Added), "step %d", i)
		require.Equal(t, step.removed, idsOf(change.Removed), "step %d", i)
		require.Empty(t, change.Kept)
	}
	require.Empty(t, m.State())
}

// TestNumbersOfCPUsThatAreNotPossible have an error before anything is changed.
func TestNumbersOfCPUsThatAreNotPossible(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetTopology(2, 2, 2, 3)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	_, err := vm.SetCPUs(ctx, 6, nil)
	require.NoError(t, err)
	before := m.State()
	cores := &hotplug.CPUOptions{Whole: hotplug.WholeCores}
	for _, c := range []struct {
		n       int
		opts    *hotplug.CPUOptions
		nearest []uint64
		is      error
		says    string
	}{
		{9, nil, []uint64{8}, hotplug.ErrNoFreePlace, "hotplug: set CPUs to 9: not possible: the machine has too few free places that match (QEMU's -smp maxcpus); next possible: 8"},
		{2, nil, []uint64{3}, nil, "no ID, because QEMU was started with them, or do not match; next possible: 3"},
		{7, cores, []uint64{6, 8}, nil, "not possible: it would split a unit; next possible: 6, 8"},
		{5, cores, []uint64{4, 6}, nil, "next possible: 4, 6"},
		{3, cores, []uint64{4}, nil, "next possible: 4"}, // the other core has a CPU of the start
		{7, &hotplug.CPUOptions{Place: socket(0)}, []uint64{6}, hotplug.ErrNoFreePlace, "next possible: 6"},
		{0, nil, nil, nil, "hotplug: set CPUs to 0: number of CPUs must be at least 1"},
		{7, &hotplug.CPUOptions{Whole: "cores"}, nil, nil, `Whole is "cores", which is not a CPUUnit`},
		{7, &hotplug.CPUOptions{Props: qmp.Args{"core-id": 1}}, nil, nil, `Props has "core-id"`},
	} {
		change, err := vm.SetCPUs(ctx, c.n, c.opts)
		require.ErrorContains(t, err, c.says)
		if c.nearest != nil {
			var target *hotplug.TargetError
			require.ErrorAs(t, err, &target)
			require.Equal(t, c.nearest, target.Nearest)
			require.Equal(t, uint64(c.n), target.Want)
			require.Equal(t, hotplug.CPUChange{Before: 6, After: 6}, change)
		}
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
		require.Equal(t, before, m.State())
	}
	_, err = vm.AddCPUs(ctx, 3, nil)
	require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
	require.ErrorContains(t, err, "hotplug: add 3 CPUs: not possible: the machine has too few free places that match (QEMU's -smp maxcpus); next possible: 2")
	_, err = vm.AddCPUs(ctx, 1, cores)
	require.ErrorContains(t, err, "hotplug: add 1 CPUs: not possible: it would split a unit; next possible: 2")
	require.Equal(t, before, m.State())
}

// TestSetCPUsWithOthers meets CPUs of another manager, and a device that has the ID of a CPU.
func TestSetCPUsWithOthers(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetPlaces(4)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "theirs", Place: socket(3)})
	require.NoError(t, err)
	change, err := vm.SetCPUs(ctx, 3, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"cpu-socket0-core0", "cpu-socket1-core0"}, idsOf(change.Added))
	change, err = vm.SetCPUs(ctx, 1, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"theirs", "cpu-socket1-core0"}, idsOf(change.Removed))

	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "a", ID: "cpu-socket2-core0"}))
	change, err = vm.SetCPUs(ctx, 4, nil)
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.Equal(t, 2, change.After, "it goes as far as it can")
	require.Equal(t, []string{"cpu-socket1-core0"}, idsOf(change.Added))
	_, err = vm.AddCPUs(ctx, 2, nil)
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.Equal(t, []string{"device cpu-socket0-core0", "device cpu-socket1-core0", "device cpu-socket2-core0"}, m.State())
}

// TestPlaceThatAnotherManagerTakes: the next one is taken.
func TestPlaceThatAnotherManagerTakes(t *testing.T) {
	for name, add := range map[string]func(ctx context.Context, vm *hotplug.VM) error{
		"AddCPU": func(ctx context.Context, vm *hotplug.VM) error {
			_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "c"})
			return err
		},
		"AddCPUs": func(ctx context.Context, vm *hotplug.VM) error { _, err := vm.AddCPUs(ctx, 1, nil); return err },
		"SetCPUs": func(ctx context.Context, vm *hotplug.VM) error { _, err := vm.SetCPUs(ctx, 2, nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			m.SetPlaces(2)
			others, raced := m.Dial(), false
			m.Intercept("device_add", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
				if !raced {
					raced = true
					_, err := machine(&qmptest.Request{Arguments: []byte(`{"driver":"fake-x86_64-cpu","id":"theirs","socket-id":0,"core-id":0}`)})
					require.NoError(t, err)
				}
				return machine(r)
			})
			require.NoError(t, add(t.Context(), hotplug.New(others, nil)))
			require.Len(t, m.State(), 2)
			err := add(t.Context(), hotplug.New(others, nil))
			if name == "SetCPUs" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
			}
			require.Len(t, m.State(), 2)
		})
	}
}

// TestSetCPUsWhenOthersAddMore reports the number that the machine has.
func TestSetCPUsWhenOthersAddMore(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetPlaces(3)
	raced := false
	m.Intercept("device_add", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		for i := 0; i < 2 && !raced; i++ {
			_, err := machine(&qmptest.Request{Arguments: fmt.Appendf(nil, `{"driver":"fake-x86_64-cpu","id":"theirs%d","socket-id":%d,"core-id":0}`, i, i)})
			require.NoError(t, err)
		}
		raced = true
		return machine(r)
	})
	change, err := hotplug.New(m.Dial(), nil).SetCPUs(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Equal(t, hotplug.CPUChange{After: 2}, change)
}

func TestFaultsAtEveryStepOfCPUs(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetPlaces(3)
				faultsAtEveryStep(t, pipe(t, m, nil), fault, addition{
					add: func(ctx context.Context, vm *hotplug.VM) error {
						added, err := vm.AddCPUs(ctx, 3, nil)
						require.Equal(t, err == nil, len(added) == 3)
						return err
					},
					remove: func(ctx context.Context, vm *hotplug.VM) error {
						var errs []error
						for _, id := range []string{"cpu-socket0-core0", "cpu-socket1-core0", "cpu-socket2-core0"} {
							errs = append(errs, vm.RemoveCPU(ctx, id))
						}
						return errors.Join(errs...)
					},
					commands: []string{"query-hotpluggable-cpus", "device_add"},
				}, m.State)
			})
		})
	}
}

// TestCPUsThatTheGuestKeeps: others go instead, as far as there are any.
func TestCPUsThatTheGuestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetPlaces(4)
		vm := hotplug.New(pipe(t, m, nil), nil)
		ctx := t.Context()
		_, err := vm.SetCPUs(ctx, 4, nil)
		require.NoError(t, err)
		asOne := refuses(m, "cpu-socket2-core0")
		change, err := vm.SetCPUs(ctx, 2, nil)
		require.NoError(t, err)
		require.Equal(t, 2, change.After)
		require.Equal(t, []string{"cpu-socket3-core0", "cpu-socket1-core0"}, idsOf(change.Removed))
		require.Len(t, change.Kept, 1)
		require.Equal(t, "/machine/peripheral/cpu-socket2-core0", *change.Kept[0].CPU.QOMPath)
		require.ErrorIs(t, change.Kept[0].Err, hotplug.ErrUnplugRefused)

		_, err = vm.AddCPU(ctx, hotplug.CPU{ID: "more"})
		require.NoError(t, err)
		asOne()
		m.SetGuest(fakeqemu.Refusing)
		change, err = vm.SetCPUs(ctx, 1, nil)
		require.ErrorIs(t, err, hotplug.ErrUnplugRefused)
		require.ErrorContains(t, err, "hotplug: set CPUs to 1: 2 CPUs too many are left: CPU cpu-socket2-core0: guest refused to release the device")
		require.Equal(t, 3, change.After)
		require.Len(t, change.Kept, 3)
		require.Empty(t, change.Removed)

		m.SetGuest(fakeqemu.Deaf)
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		change, err = vm.SetCPUs(short, 1, nil)
		require.ErrorIs(t, err, hotplug.ErrUnplugPending)
		require.Equal(t, 3, change.After)
		require.Len(t, change.Kept, 1, "the others were not asked for")
		require.ErrorIs(t, change.Kept[0].Err, hotplug.ErrUnplugPending)

		m.SetGuest(fakeqemu.Willing)
		change, err = vm.SetCPUs(ctx, 1, nil)
		require.NoError(t, err)
		require.Equal(t, 1, change.After)
	})
}

// TestCPUsOfSeveralThreads has places of two virtual CPUs, as a pseries.
func TestCPUsOfSeveralThreads(t *testing.T) {
	m := fakeqemu.New(t)
	m.Handle("query-hotpluggable-cpus", func(*qmptest.Request) (any, error) {
		return []qemu.HotpluggableCPU{
			{Type: "core", VCPUsCount: 2, Props: qemu.CPUInstanceProperties{CoreID: new(int64(2))}},
			{Type: "core", VCPUsCount: 2, Props: qemu.CPUInstanceProperties{CoreID: new(int64(0))}, QOMPath: new("/machine/unattached/device[1]")},
		}, nil
	})
	var sent string
	m.Handle("device_add", func(r *qmptest.Request) (any, error) {
		sent = string(r.Arguments)
		return nil, nil
	})
	vm := hotplug.New(m.Dial(), nil)
	_, err := vm.SetCPUs(t.Context(), 3, nil)
	require.ErrorContains(t, err, "next possible: 2, 4")
	change, err := vm.SetCPUs(t.Context(), 4, nil)
	require.NoError(t, err)
	require.Equal(t, 2, change.Before)
	require.Equal(t, []string{"cpu-core2"}, idsOf(change.Added))
	require.JSONEq(t, `{"driver":"core","id":"cpu-core2","core-id":2}`, sent)
}
