package hotplug_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// addsCPU is AddCPU for one in any place.
func addsCPU(id string) addition {
	return addition{
		add: func(ctx context.Context, vm *hotplug.VM) error {
			_, err := vm.AddCPU(ctx, hotplug.CPU{ID: id})
			return err
		},
		remove:   func(ctx context.Context, vm *hotplug.VM) error { return vm.RemoveCPU(ctx, id) },
		commands: []string{"query-hotpluggable-cpus", "device_add"},
	}
}

// socket is a place by its socket.
func socket(n int64) qemu.CPUInstanceProperties { return qemu.CPUInstanceProperties{SocketID: &n} }

func TestAddCPU(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetPlaces(3)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()

	first, err := vm.AddCPU(ctx, hotplug.CPU{ID: "a"})
	require.NoError(t, err)
	require.Equal(t, qemu.HotpluggableCPU{
		Type: fakeqemu.CPUType, VCPUsCount: 1, QOMPath: new("/machine/peripheral/a"),
		Props: qemu.CPUInstanceProperties{SocketID: new(int64(0)), CoreID: new(int64(0))},
	}, first)
	third, err := vm.AddCPU(ctx, hotplug.CPU{ID: "b", Place: socket(2)})
	require.NoError(t, err)
	require.Equal(t, int64(2), *third.Props.SocketID)
	second, err := vm.AddCPU(ctx, hotplug.CPU{ID: "c"})
	require.NoError(t, err)
	require.Equal(t, int64(1), *second.Props.SocketID)
	require.Equal(t, []string{"device a", "device b", "device c"}, m.State())

	for _, id := range []string{"b", "a", "c"} {
		require.NoError(t, vm.RemoveCPU(ctx, id))
	}
	require.Empty(t, m.State())
	require.NoError(t, vm.RemoveCPU(ctx, "a"), "what is gone can be removed")
}

func TestCPURequest(t *testing.T) {
	m := fakeqemu.New(t)
	all := qemu.CPUInstanceProperties{NodeID: new(int64(1)), DrawerID: new(int64(2)), BookID: new(int64(3)),
		SocketID: new(int64(4)), DieID: new(int64(5)), ClusterID: new(int64(6)), ModuleID: new(int64(7)),
		CoreID: new(int64(8)), ThreadID: new(int64(9))}
	m.Handle("query-hotpluggable-cpus", func(*qmptest.Request) (any, error) {
		return []qemu.HotpluggableCPU{{Type: "a-cpu", VCPUsCount: 1, Props: all}}, nil
	})
	var sent string
	m.Handle("device_add", func(r *qmptest.Request) (any, error) {
		sent = string(r.Arguments)
		return nil, nil
	})
	_, err := hotplug.New(m.Dial(), nil).AddCPU(t.Context(), hotplug.CPU{ID: "c", Place: all, Props: qmp.Args{"pmu": true}})
	require.NoError(t, err)
	require.JSONEq(t, `{"driver":"a-cpu","id":"c","node-id":1,"drawer-id":2,"book-id":3,"socket-id":4,
		"die-id":5,"cluster-id":6,"module-id":7,"core-id":8,"thread-id":9,"pmu":true}`, sent)
}

func TestCPUThatCannotBeAdded(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetPlaces(2)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "a", ID: "other"}))
	_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "a"})
	require.NoError(t, err)
	before := m.State()
	for _, c := range []struct {
		cpu  hotplug.CPU
		is   error
		says string
	}{
		{hotplug.CPU{}, nil, `hotplug: add CPU "": needs an ID`},
		{hotplug.CPU{ID: "b", Props: qmp.Args{"core-id": 1}}, nil, `Props has "core-id", which follows from Place`},
		{hotplug.CPU{ID: "other"}, hotplug.ErrExists, "device ID is in use"},
		{hotplug.CPU{ID: "b", Place: socket(0)}, hotplug.ErrNoFreePlace, "1 of 2 places match, and are taken"},
		{hotplug.CPU{ID: "b", Place: socket(7)}, hotplug.ErrNoFreePlace, "0 of 2 places match"},
		{hotplug.CPU{ID: "b", Place: qemu.CPUInstanceProperties{DieID: new(int64(0))}}, hotplug.ErrNoFreePlace, "0 of 2 places match"},
	} {
		_, err := vm.AddCPU(ctx, c.cpu)
		require.ErrorContains(t, err, c.says)
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
		require.Equal(t, before, m.State())
	}
	require.ErrorIs(t, vm.RemoveCPU(ctx, "other"), hotplug.ErrNotCPU)
	require.ErrorContains(t, vm.RemoveCPU(ctx, "1"), "ID must begin with a letter")
	require.Equal(t, before, m.State())
}

func TestFaultsAtEveryStepOfACPU(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetPlaces(1)
				faultsAtEveryStep(t, pipe(t, m, nil), fault, addsCPU("c"), m.State)
			})
		})
	}
}

// TestFaultsOfRemovingACPU has each command go wrong, and is finished by calling it again.
func TestFaultsOfRemovingACPU(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetPlaces(1)
				removalFaults(t, m, fault, addsCPU("c"), "query-hotpluggable-cpus", "device_del")
			})
		})
	}
}

// removalFaults checks a removal with a fault at its first command, its second, and so on. What
// is left is removed by another VM without one.
func removalFaults(t *testing.T, m *fakeqemu.Machine, fault fakeqemu.Fault, op addition, commands ...string) {
	t.Helper()
	c := pipe(t, m, nil)
	require.NoError(t, op.add(t.Context(), hotplug.New(c, nil)))
	met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
		return op.remove(ctx, hotplug.New(conn, nil))
	}, func(command string, err error) {
		if err != nil {
			require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
		}
		require.NoError(t, op.remove(t.Context(), hotplug.New(c, nil)), command)
		require.Empty(t, m.State(), command)
		require.NoError(t, op.add(t.Context(), hotplug.New(c, nil)), command)
	})
	require.NoError(t, err)
	require.Empty(t, m.State())
	for _, command := range commands {
		require.Contains(t, met, command)
	}
}

// TestCPUThatTheGuestKeeps is refused in the way that ACPI has, or not answered.
func TestCPUThatTheGuestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetPlaces(1)
		vm := hotplug.New(pipe(t, m, nil), nil)
		_, err := vm.AddCPU(t.Context(), hotplug.CPU{ID: "c"})
		require.NoError(t, err)

		m.SetGuest(fakeqemu.Refusing)
		require.ErrorIs(t, vm.RemoveCPU(t.Context(), "c"), hotplug.ErrUnplugRefused)
		m.SetGuest(fakeqemu.Deaf)
		for _, limit := range []time.Duration{time.Second, 5 * time.Second} {
			short, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			require.ErrorIs(t, vm.RemoveCPU(short, "c"), hotplug.ErrUnplugPending)
		}
		require.Equal(t, []string{"device c"}, m.State())

		m.SetGuest(fakeqemu.Willing)
		require.NoError(t, vm.RemoveCPU(t.Context(), "c"))
		require.Empty(t, m.State())
	})
}

// TestGuestThatMissesTheRequest is asked again. What QEMU says to that only counts when the device
// is gone.
func TestGuestThatMissesTheRequest(t *testing.T) {
	for name, c := range map[string]struct {
		second func(m *fakeqemu.Machine) error
		check  func(err error)
	}{
		"goes":          {func(*fakeqemu.Machine) error { return nil }, func(err error) { require.NoError(t, err) }},
		"refused":       {func(*fakeqemu.Machine) error { return &qmp.Error{Class: qmp.ErrGeneric} }, func(err error) { require.NoError(t, err) }},
		"has gone":      {func(*fakeqemu.Machine) error { return &qmp.Error{Class: qmp.ErrDeviceNotFound} }, func(err error) { require.NoError(t, err) }},
		"has no answer": {func(m *fakeqemu.Machine) error { m.Disconnect(); return nil }, func(err error) { require.ErrorIs(t, err, qmp.ErrOutcomeUnknown) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetPlaces(1)
				vm := hotplug.New(pipe(t, m, nil), nil)
				_, err := vm.AddCPU(t.Context(), hotplug.CPU{ID: "c"})
				require.NoError(t, err)
				asked := 0
				m.Intercept("device_del", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
					switch asked++; asked {
					case 2:
						return nil, c.second(m)
					case 3:
						return machine(r)
					}
					return nil, nil
				})
				start := time.Now()
				c.check(vm.RemoveCPU(t.Context(), "c"))
				require.GreaterOrEqual(t, time.Since(start), 2*time.Second)
				require.GreaterOrEqual(t, asked, 2)
			})
		})
	}
}

// TestEventsThatAreNoAnswer come before the one that is.
func TestEventsThatAreNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetPlaces(2)
		m.SetGuest(fakeqemu.Deaf)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		for _, id := range []string{"c", "c2"} {
			_, err := vm.AddCPU(t.Context(), hotplug.CPU{ID: id})
			require.NoError(t, err)
		}
		removed := make(chan error, 1)
		go func() { removed <- vm.RemoveCPU(t.Context(), "c") }()
		synctest.Wait()
		ost := func(device string, source, status int) {
			m.Event(qemu.EventACPIDeviceOST, map[string]any{"info": map[string]any{
				"device": device, "slot": "0", "slot-type": "CPU", "source": source, "status": status}})
		}
		ost("c", 1, 0)                                     // it was told of the CPU
		ost("c", 1, 1)                                     // and could not use it
		ost("c", 3, 0x84)                                  // it is about to let go
		ost("c2", 3, 1)                                    // it keeps the other
		m.Event(qemu.EventACPIDeviceOST, map[string]any{}) // nonsense
		m.Event(qemu.EventDeviceDeleted, map[string]any{"path": "/machine/peripheral/c2/lapic"})
		m.Event(qemu.EventDeviceDeleted, map[string]any{"path": "/machine/peripheral/c/timer"}) // it is still there
		synctest.Wait()
		require.Empty(t, removed)
		ost("c", 3, 1)
		require.ErrorIs(t, <-removed, hotplug.ErrUnplugRefused)
	})
}

func seesCPUs(n int) *regexp.Regexp { return regexp.MustCompile("^cpus=" + strconv.Itoa(n) + " ") }

// guestCPU adds a CPU, which the guest uses.
func guestCPU(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(1)))
	vm := hotplug.New(m.c, nil)
	cpu, err := vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"})
	require.NoError(t, err)
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(2)))
	infos, err := qemu.QueryCPUsFast{}.Do(ctx, m.c)
	require.NoError(t, err)
	require.Len(t, infos, 2)
	require.Equal(t, *cpu.QOMPath, infos[1].QOMPath)
	require.Equal(t, &cpu.Props, infos[1].Props)
	_, err = vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"})
	require.ErrorIs(t, err, hotplug.ErrExists)
	_, err = vm.AddCPU(ctx, hotplug.CPU{ID: "cpu2", Place: cpu.Props})
	require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
}

// guestCPURemoved removes the CPU that guestCPU added, and another one of the same name.
func guestCPURemoved(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	if !losesCPUs(m.QEMU) {
		before := stateOf(t, m.c)
		for _, err := range []error{hotplug.New(m.c, nil).RemoveCPU(ctx, "cpu1"), errorOf(hotplug.New(m.c, nil).RemoveDevice(ctx, "cpu1"))} {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorContains(t, err, "may not survive the removal of a CPU")
		}
		require.Equal(t, before, stateOf(t, m.c))
		t.Skip("it crashes without KVM, so RemoveCPU refuses")
	}
	fds := qemuFds(t, m.VM)
	vm := m.unansweredThenDone(t, func(ctx context.Context, vm *hotplug.VM) error { return vm.RemoveCPU(ctx, "cpu1") })
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(1)))
	require.NoError(t, vm.RemoveCPU(ctx, "cpu1"), "what is gone can be removed")
	_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"})
	require.NoError(t, err, "a name can be used again")
	require.NoError(t, m.WaitGuestSees(ctx, seesCPUs(2)))
	require.Equal(t, fds, qemuFds(t, m.VM))
	require.NoError(t, vm.RemoveCPU(ctx, "cpu1"))
}

// losesCPUs reports whether a QEMU survives the removal of a CPU under TCG. 5.2 and 7.2 end at one of the
// next commands.
func losesCPUs(q *qemutest.QEMU) bool { return q.AtLeast(10, 0) }

// guestCPUFaults ends with the one fault by which there is a CPU to be undone.
func guestCPUFaults(t *testing.T, m *guestMachine) {
	before, fds := stateOf(t, m.c), qemuFds(t, m.VM)
	for _, fault := range []fakeqemu.Fault{fakeqemu.Refused, fakeqemu.CtxEnds, fakeqemu.LostBefore, fakeqemu.LostAfter} {
		for at, command := range []string{"query-hotpluggable-cpus", "device_add"} {
			ctx, cancel := context.WithCancel(limit(t))
			conn := &fakeqemu.Faulty{Client: m.c, Fault: fault, At: at, Cancel: cancel}
			_, err := hotplug.New(conn, nil).AddCPU(ctx, hotplug.CPU{ID: "c"})
			cancel()
			require.Equal(t, command, conn.Met)
			require.Error(t, err)
			if !losesCPUs(m.QEMU) && command == "device_add" && fault == fakeqemu.LostAfter {
				var rollback *hotplug.RollbackError // see guestCPURemoved
				require.ErrorAs(t, err, &rollback)
				require.Equal(t, []string{"device c"}, rollback.Left)
				return // with a CPU too many
			}
			require.NotErrorAs(t, err, new(*hotplug.RollbackError))
			require.Equal(t, before, stateOf(t, m.c))
		}
	}
	require.Equal(t, fds, qemuFds(t, m.VM))
}
