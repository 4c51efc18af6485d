package hotplug_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// late is a connection on which a command takes a minute.
type late struct {
	*qmp.Client
	command string
}

func (l late) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == l.command {
		time.Sleep(time.Minute)
	}
	return l.Client.Execute(ctx, call)
}

// refuses makes the guest of a machine refuse to release one device, and release the others, until asOne is called.
func refuses(m *fakeqemu.Machine, id string) (asOne func()) {
	m.Intercept("device_del", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		m.SetGuest(fakeqemu.Willing)
		if string(r.Arguments) == fmt.Sprintf(`{"id":%q}`, id) {
			m.SetGuest(fakeqemu.Refusing)
		}
		return machine(r)
	})
	return func() {
		m.Intercept("device_del", func(r *qmptest.Request, machine qmptest.Handler) (any, error) { return machine(r) })
	}
}

// An amount is what SetMemory or SetCPUs sets.
type amount struct {
	least, most uint64
	set         func(ctx context.Context, vm *hotplug.VM, to uint64) (before, after uint64, err error)
	remove      func(ctx context.Context, vm *hotplug.VM) error // the first device
}

var amounts = map[string]amount{
	"memory": {
		least: gib, most: 4 * gib,
		set: func(ctx context.Context, vm *hotplug.VM, to uint64) (before, after uint64, err error) {
			change, err := vm.SetMemory(ctx, to, nil)
			return change.Before, change.After, err
		},
		remove: func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveMemory(ctx, "dimm-slot0")) },
	},
	"CPUs": {
		least: 1, most: 4,
		set: func(ctx context.Context, vm *hotplug.VM, to uint64) (before, after uint64, err error) {
			change, err := vm.SetCPUs(ctx, int(to), nil)
			return uint64(change.Before), uint64(change.After), err
		},
		remove: func(ctx context.Context, vm *hotplug.VM) error { return vm.RemoveCPU(ctx, "cpu-socket1-core0") },
	},
}

// settable is a machine that has the least of each amount, and places for the most.
func settable(t *testing.T) *fakeqemu.Machine {
	m := fakeqemu.New(t)
	m.SetRoom(gib, 8*gib, 4)
	m.SetTopology(4, 1, 1, 1)
	return m
}

// TestSetWaitsForIDs has SetMemory and SetCPUs work on a device while another operation has its ID: one waits for the other.
func TestSetWaitsForIDs(t *testing.T) {
	for name, amount := range amounts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := settable(t)
				vm := hotplug.New(late{pipe(t, m, nil), "device_add"}, nil)
				set := make(chan error, 1)
				go func() {
					_, _, err := amount.set(t.Context(), vm, 2*amount.least)
					set <- err
				}()
				synctest.Wait()
				begin := time.Now()
				err := amount.remove(t.Context(), vm)
				waited := time.Since(begin)
				require.NoError(t, <-set)
				require.NoError(t, err)
				require.Equal(t, time.Minute, waited)
				require.Empty(t, m.State())
			})
		})
	}
}

// TestFaultsAtEveryStepOfSet: the result is what QEMU has, and the next call finishes.
func TestFaultsAtEveryStepOfSet(t *testing.T) {
	for name, amount := range amounts {
		for _, fault := range fakeqemu.Faults {
			t.Run(name+", more, "+string(fault), func(t *testing.T) {
				met := faultsOfSet(t, fault, amount, amount.least, amount.most)
				require.Contains(t, met, "device_add")
			})
			t.Run(name+", less, "+string(fault), func(t *testing.T) {
				met := faultsOfSet(t, fault, amount, amount.most, amount.least)
				require.Contains(t, met, "device_del")
			})
		}
	}
}

func faultsOfSet(t *testing.T, fault fakeqemu.Fault, amount amount, from, to uint64) (met []string) {
	synctest.Test(t, func(t *testing.T) {
		m := settable(t)
		client := pipe(t, m, nil)
		set := func(to uint64) (before uint64) {
			before, _, err := amount.set(t.Context(), hotplug.New(client, nil), to)
			require.NoError(t, err)
			return before
		}
		set(from)
		var before, after uint64
		var err error
		met, err = fakeqemu.AtEveryStep(t.Context(), client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) (err error) {
			before, after, err = amount.set(ctx, hotplug.New(conn, nil), to)
			return err
		}, func(command string, err error) {
			require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
			if now := set(to); before > 0 { // the first queries have their answers
				require.Equal(t, now, after, command)
			}
			set(amount.least)
			require.Empty(t, m.State(), command)
			set(from)
		})
		require.NoError(t, err)
		require.Equal(t, to, after)
	})
	return met
}
