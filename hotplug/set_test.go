package hotplug_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
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

// TestSetWaitsForIDs has SetMemory and SetCPUs work on a device while another operation has its ID: one waits for the other.
func TestSetWaitsForIDs(t *testing.T) {
	for name, test := range map[string]struct {
		command string
		set     func(ctx context.Context, vm *hotplug.VM) error
		remove  func(ctx context.Context, vm *hotplug.VM) error
	}{
		"memory": {"device_add",
			func(ctx context.Context, vm *hotplug.VM) error { _, err := vm.SetMemory(ctx, 2*gib, nil); return err },
			func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveMemory(ctx, "dimm-slot0")) }},
		"CPUs": {"device_add",
			func(ctx context.Context, vm *hotplug.VM) error { _, err := vm.SetCPUs(ctx, 1, nil); return err },
			func(ctx context.Context, vm *hotplug.VM) error { return vm.RemoveCPU(ctx, "cpu-socket0-core0") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetRoom(gib, 8*gib, 4)
				m.SetPlaces(2)
				before := m.State()
				vm := hotplug.New(late{pipe(t, m, nil), test.command}, nil)
				set := make(chan error, 1)
				go func() { set <- test.set(t.Context(), vm) }()
				synctest.Wait()
				begin := time.Now()
				err := test.remove(t.Context(), vm)
				waited := time.Since(begin)
				require.NoError(t, <-set)
				require.NoError(t, err)
				require.Equal(t, time.Minute, waited)
				require.Equal(t, before, m.State())
			})
		})
	}
}

// TestFaultsAtEveryStepOfSetMemory: the result is what QEMU has, and the next call finishes.
func TestFaultsAtEveryStepOfSetMemory(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		for _, c := range []struct{ from, to uint64 }{{gib, 4 * gib}, {4 * gib, gib}} {
			t.Run(string(fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := fakeqemu.New(t)
					m.SetRoom(gib, 8*gib, 4)
					client := pipe(t, m, nil)
					set := func(size uint64) {
						_, err := hotplug.New(client, nil).SetMemory(t.Context(), size, nil)
						require.NoError(t, err)
					}
					set(c.from)
					var change hotplug.MemoryChange
					met, err := fakeqemu.AtEveryStep(t.Context(), client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) (err error) {
						change, err = hotplug.New(conn, nil).SetMemory(ctx, c.to, nil)
						return err
					}, func(command string, err error) {
						require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
						if change.Before > 0 { // the first queries have their answers
							now, err := hotplug.New(client, nil).SetMemory(t.Context(), c.to, nil)
							require.NoError(t, err)
							require.Equal(t, now.Before, change.After, command)
						}
						set(gib)
						require.Empty(t, m.State(), command)
						set(c.from)
					})
					require.NoError(t, err)
					require.Equal(t, c.to, change.After)
					require.Contains(t, met, map[bool]string{true: "device_add", false: "device_del"}[c.to > c.from])
				})
			})
		}
	}
}

// TestFaultsAtEveryStepOfSetCPUs: the result is what QEMU has, and the next call finishes.
func TestFaultsAtEveryStepOfSetCPUs(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		for _, c := range []struct{ from, to int }{{1, 4}, {4, 1}} {
			t.Run(string(fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := fakeqemu.New(t)
					m.SetTopology(4, 1, 1, 1)
					client := pipe(t, m, nil)
					set := func(n int) {
						_, err := hotplug.New(client, nil).SetCPUs(t.Context(), n, nil)
						require.NoError(t, err)
					}
					set(c.from)
					var change hotplug.CPUChange
					met, err := fakeqemu.AtEveryStep(t.Context(), client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) (err error) {
						change, err = hotplug.New(conn, nil).SetCPUs(ctx, c.to, nil)
						return err
					}, func(command string, err error) {
						require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
						if change.Before > 0 { // the first query has its answer
							require.Equal(t, 1+len(m.State()), change.After, command)
						}
						set(c.to)
						set(c.from)
					})
					require.NoError(t, err)
					require.Equal(t, c.to, change.After)
					require.Contains(t, met, map[bool]string{true: "device_add", false: "device_del"}[c.to > c.from])
				})
			})
		}
	}
}
