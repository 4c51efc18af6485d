package hotplug_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A single is a kind of thing that is removed if it is there.
type single struct {
	name   string
	add    func(t *testing.T, c *qmp.Client)
	remove func(ctx context.Context, vm *hotplug.VM) (removed bool, err error)

	// use makes something that uses it and returns what removes that; nil for a kind of which QEMU does
	// not know.
	use func(t *testing.T, c *qmp.Client) (end func(ctx context.Context, vm *hotplug.VM) error)
}

// nodeOver is the node "over", which uses the node "x".
func nodeOver(t *testing.T, c *qmp.Client, branch qemu.BlockdevOptionsBranch) func(context.Context, *hotplug.VM) error {
	require.NoError(t, qemu.BlockdevAdd(named("over", &qemu.BlockdevOptions{Branch: branch})).Do(t.Context(), c))
	return func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.RemoveNode(ctx, "over")
		return err
	}
}

// usbUser is a device "user", which goes without the guest.
func usbUser(t *testing.T, c *qmp.Client, driver string, props qmp.Args) func(context.Context, *hotplug.VM) error {
	require.NoError(t, qemu.DeviceAdd{Driver: driver, ID: new("user"), Props: props}.Do(t.Context(), c))
	return func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveDevice(ctx, "user")) }
}

var singles = []single{
	{
		"node",
		func(t *testing.T, c *qmp.Client) {
			require.NoError(t, qemu.BlockdevAdd(named("x", nullNode())).Do(t.Context(), c))
		},
		func(ctx context.Context, vm *hotplug.VM) (bool, error) { return vm.RemoveNode(ctx, "x") },
		func(t *testing.T, c *qmp.Client) func(context.Context, *hotplug.VM) error {
			return nodeOver(t, c, &qemu.BlockdevOptionsRaw{File: qemu.BlockdevRef{Reference: new("x")}})
		},
	},
	{
		"node inside a tree",
		func(t *testing.T, c *qmp.Client) {},
		func(ctx context.Context, vm *hotplug.VM) (bool, error) { return vm.RemoveNode(ctx, "x") },
		func(t *testing.T, c *qmp.Client) func(context.Context, *hotplug.VM) error {
			x := nullNode()
			x.NodeName = new("x")
			return nodeOver(t, c, &qemu.BlockdevOptionsRaw{File: define(x)})
		},
	},
	{
		"chardev",
		func(t *testing.T, c *qmp.Client) {
			_, err := qemu.ChardevAdd{ID: "x", Backend: qemu.ChardevBackend{Type: "null", Branch: &qemu.ChardevCommon{}}}.Do(t.Context(), c)
			require.NoError(t, err)
		},
		func(ctx context.Context, vm *hotplug.VM) (bool, error) { return vm.RemoveChardev(ctx, "x") },
		func(t *testing.T, c *qmp.Client) func(context.Context, *hotplug.VM) error {
			return usbUser(t, c, "usb-serial", qmp.Args{"chardev": "x"})
		},
	},
	{
		"netdev",
		func(t *testing.T, c *qmp.Client) {
			require.NoError(t, qemu.NetdevAdd{ID: "x", Branch: &qemu.NetdevHubPortOptions{HubID: 7}}.Do(t.Context(), c))
		},
		func(ctx context.Context, vm *hotplug.VM) (bool, error) { return vm.RemoveNetdev(ctx, "x") },
		func(t *testing.T, c *qmp.Client) func(context.Context, *hotplug.VM) error {
			return usbUser(t, c, "usb-net", qmp.Args{"netdev": "x"})
		},
	},
	{
		"object",
		func(t *testing.T, c *qmp.Client) {
			require.NoError(t, qemu.ObjectAdd{ID: "x", Branch: &qemu.ThrottleGroupProperties{}}.Do(t.Context(), c))
		},
		func(ctx context.Context, vm *hotplug.VM) (bool, error) { return vm.RemoveObject(ctx, "x") },
		func(t *testing.T, c *qmp.Client) func(context.Context, *hotplug.VM) error {
			return nodeOver(t, c, &qemu.BlockdevOptionsThrottle{ThrottleGroup: "x", File: define(nullNode())})
		},
	},
	{
		"fdset",
		func(t *testing.T, c *qmp.Client) {
			_, err := qmpfd.AddSet(t.Context(), c, "somebody's", devNull(t))
			require.NoError(t, err)
		},
		func(ctx context.Context, vm *hotplug.VM) (bool, error) { return vm.RemoveFDSet(ctx, 0) },
		nil,
	},
}

// removeInASecond does not wait for users as long as the operation would. The time can end while a command is in
// flight, of which nobody knows then what it did: it is done again.
func removeInASecond(ctx context.Context, vm *hotplug.VM, remove func(context.Context, *hotplug.VM) (bool, error)) (removed bool, err error) {
	for {
		short, cancel := context.WithTimeout(ctx, time.Second)
		removed, err = remove(short, vm)
		cancel()
		if !errors.Is(err, qmp.ErrOutcomeUnknown) {
			return removed, err
		}
	}
}

// TestRemoveSingle removes what is there, what is not, and what is in use, of QEMUs of all versions.
func TestRemoveSingle(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm, c := startUSB(t, q)
		vm := hotplug.New(c, nil)
		before, fds := append(stateOf(t, c), chardevs(t, c)...), qemuFds(t, qvm)
		for _, s := range singles {
			t.Run(s.name, func(t *testing.T) {
				ctx := limit(t)
				remove := func(want bool) {
					removed, err := s.remove(ctx, vm)
					require.NoError(t, err)
					require.Equal(t, want, removed)
				}
				remove(false)
				s.add(t, c)
				if s.use != nil {
					end := s.use(t, c)
					used := append(stateOf(t, c), chardevs(t, c)...)
					removed, err := removeInASecond(ctx, vm, s.remove)
					require.ErrorIs(t, err, hotplug.ErrInUse)
					require.False(t, removed)
					require.Equal(t, used, append(stateOf(t, c), chardevs(t, c)...))
					require.NoError(t, end(ctx, vm))
				}
				remove(s.name != "node inside a tree")
				remove(false)
				require.Equal(t, before, append(stateOf(t, c), chardevs(t, c)...))
				require.Equal(t, fds, qemuFds(t, qvm))
			})
		}
	})
}

// TestRemoveFDSetOfANode takes the descriptors from a node, which keeps its own.
func TestRemoveFDSetOfANode(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm, c := startUSB(t, q)
		vm := hotplug.New(c, nil)
		ctx := limit(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		require.NoError(t, vm.AddDisk(ctx, usbDisk("d", image(t))))
		for _, want := range []bool{true, false} {
			removed, err := vm.RemoveFDSet(ctx, 0)
			require.NoError(t, err)
			require.Equal(t, want, removed)
		}
		require.EqualValues(t, 1<<20, sizeOf(t, c, "d"))
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// TestRemoveSingleFaults lets each command go wrong in each way. Calling it again finishes.
func TestRemoveSingleFaults(t *testing.T) {
	for _, s := range singles {
		if s.name == "node inside a tree" {
			continue
		}
		for _, fault := range fakeqemu.Faults {
			t.Run(s.name+"/"+string(fault), func(t *testing.T) {
				m := fakeqemu.New(t)
				c := m.Dial()
				require.NoError(t, hotplug.New(c, nil).AddNIC(t.Context(), userNet("other")))
				before := m.State()
				s.add(t, c)
				with := m.State()
				var removed bool
				met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, x *fakeqemu.Faulty) (err error) {
					removed, err = s.remove(ctx, hotplug.New(x, nil))
					return err
				}, func(command string, err error) {
					after := m.State()
					require.Contains(t, [][]string{before, with}, after, command)
					if err == nil {
						require.Equal(t, fakeqemu.Refused, fault, command)
						require.Equal(t, before, after, command)
					} else {
						require.False(t, removed, command)
						again, err := s.remove(t.Context(), hotplug.New(c, nil))
						require.NoError(t, err, command)
						require.Equal(t, slices.Equal(after, with), again, command)
						require.Equal(t, before, m.State(), command)
					}
					s.add(t, c)
				})
				require.NoError(t, err)
				require.NotEmpty(t, met)
				require.True(t, removed)
				require.Equal(t, before, m.State())
			})
		}
	}
}

// TestRemoveSingleInUse waits for users that leave, and only so long for others.
func TestRemoveSingleInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		ctx := t.Context()
		singles[0].add(t, c)
		m.Linger(20)
		removed, err := vm.RemoveNode(ctx, "x")
		require.NoError(t, err)
		require.True(t, removed)

		singles[0].add(t, c)
		m.Linger(1 << 30)
		start := time.Now()
		_, err = vm.RemoveNode(ctx, "x")
		require.ErrorIs(t, err, hotplug.ErrInUse)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.ErrorContains(t, err, `hotplug: remove node "x": in use: `)
		require.InDelta(t, 10, time.Since(start).Seconds(), 1)

		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = vm.RemoveNode(ctx, "x")
		require.ErrorIs(t, err, hotplug.ErrInUse)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		ctx, cancel = context.WithCancel(t.Context()) // it ends while RemoveNode looks once more
		defer cancel()
		looks := 0
		m.Intercept("query-blockstats", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
			if looks++; looks == 2 {
				cancel()
				synctest.Wait()
			}
			return machine(r)
		})
		_, err = vm.RemoveNode(ctx, "x")
		require.ErrorIs(t, err, hotplug.ErrInUse)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 2, looks)
	})
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	require.NoError(t, vm.AddNIC(ctx, userNet("d")))
	_, err := vm.RemoveNetdev(ctx, "d")
	require.ErrorIs(t, err, hotplug.ErrInUse)
	require.ErrorContains(t, err, `hotplug: remove netdev "d": device /machine/peripheral/d uses a netdev with this ID`)
	require.Equal(t, []string{"device d", "netdev d"}, m.State())

	m.Stop(true)
	singles[len(singles)-1].add(t, c)
	removed, err := vm.RemoveFDSet(ctx, 0)
	require.ErrorIs(t, err, hotplug.ErrDescriptorsKept)
	require.False(t, removed)
	m.Stop(false)
	removed, err = vm.RemoveFDSet(ctx, 0)
	require.NoError(t, err)
	require.True(t, removed)

	n := len(m.Requests())
	for _, remove := range []func(context.Context, string) (bool, error){vm.RemoveNode, vm.RemoveChardev, vm.RemoveNetdev, vm.RemoveObject} {
		_, err := remove(ctx, "")
		require.ErrorContains(t, err, "name is empty")
	}
	require.Len(t, m.Requests(), n)

	m.Handle("blockdev-del", qmptest.Refuse(qmp.ErrCommandNotFound, "no such command"))
	_, err = vm.RemoveNode(ctx, "x")
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.NotErrorIs(t, err, hotplug.ErrInUse)
}
