package hotplug_test

import (
	"context"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestLinkDown has the link of a NIC down before the guest sees the device, and the guest see that.
func TestLinkDown(t *testing.T) {
	m := fakeqemu.New(t)
	c := &counted{Client: m.Dial()}
	nic := userNet("d")
	nic.LinkDown = true
	require.NoError(t, hotplug.New(c, nil).AddNIC(t.Context(), nic))
	require.Equal(t, []string{"query-target", "qom-get", "netdev_add", "set_link", "device_add", "set_link"}, c.take())
	require.JSONEq(t, `{"name":"d","up":false}`, argumentsOf(m, "set_link"))
	require.NoError(t, errorOf(hotplug.New(c, nil).RemoveNIC(t.Context(), "d")))
	for _, fault := range fakeqemu.Faults {
		faultsAtEveryStep(t, c.Client, fault, addition{
			add:    func(ctx context.Context, vm *hotplug.VM) error { return vm.AddNIC(ctx, nic) },
			remove: func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveNIC(ctx, "d")) },
		}, m.State)
	}
}

// TestLinkOfAnother leaves the link of a NIC up whose ID is the name of the new netdev: set_link would turn off both.
func TestLinkOfAnother(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	for _, id := range []string{"a", "b"} {
		nic := userNet(id)
		nic.NetdevID = "host-" + id
		require.NoError(t, vm.AddNIC(ctx, nic))
	}
	m.Intercept("set_link", func(*qmptest.Request, qmptest.Handler) (any, error) {
		t.Error("set_link was sent")
		return nil, nil
	})
	before := m.State()
	for _, nic := range []hotplug.NIC{{ID: "c", NetdevID: "a"}, {ID: "a"}} {
		nic.LinkDown, nic.Backend = true, userNet("").Backend
		require.ErrorIs(t, vm.AddNIC(ctx, nic), hotplug.ErrExists)
		require.Equal(t, before, m.State())
	}
	nic := hotplug.NIC{ID: "b", NetdevID: "a", Backend: userNet("").Backend, LinkDown: true}
	_, err := vm.ReplaceNIC(ctx, nic)
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.Equal(t, before, m.State(), "the old NIC is there")
}

// TestReplaceNIC keeps the place and the address, if the caller does not say others.
func TestReplaceNIC(t *testing.T) {
	taps, _ := fakeTaps(t, 1)
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.ErrorIs(t, errorOf(vm.ReplaceNIC(ctx, userNet("d"))), qmp.ErrDeviceNotFound)
	require.NoError(t, vm.AddDisk(ctx, memory("disk")))
	disk := userNet("disk")
	require.ErrorIs(t, errorOf(vm.ReplaceNIC(ctx, disk)), hotplug.ErrNotNIC)

	old := userNet("d")
	old.Bus, old.Props = "br", qmp.Args{"addr": "1d.0"}
	require.NoError(t, vm.AddNIC(ctx, old))
	before := m.State()
	require.Error(t, errorOf(vm.ReplaceNIC(ctx, hotplug.NIC{ID: "d"})), "it has no Backend")
	require.Equal(t, before, m.State())

	nic := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}, Driver: "e1000", LinkDown: true}
	require.NoError(t, errorOf(vm.ReplaceNIC(ctx, nic)))
	require.JSONEq(t, `{"driver":"e1000","id":"d","netdev":"d","bus":"br","addr":"1d.0"}`, argumentsOf(m, "device_add"))
	require.Equal(t, before, m.State())
	nic.Bus, nic.MAC = "br2", "52:54:00:00:00:01"
	require.NoError(t, errorOf(vm.ReplaceNIC(ctx, nic)))
	require.JSONEq(t, `{"driver":"e1000","id":"d","netdev":"d","bus":"br2","mac":"52:54:00:00:00:01"}`, argumentsOf(m, "device_add"))
	require.Empty(t, nic.Props)
}

// TestReplaceNICFaults has each command fail: the old NIC is there, or a part of it that RemoveNIC removes, or
// the new one is not.
func TestReplaceNICFaults(t *testing.T) {
	taps, _ := fakeTaps(t, 1)
	for _, fault := range fakeqemu.Faults {
		m := fakeqemu.New(t)
		c := m.Dial()
		vm := hotplug.New(c, nil)
		met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
			if len(m.State()) == 0 {
				require.NoError(t, vm.AddNIC(t.Context(), userNet("d")))
			}
			return errorOf(hotplug.New(conn, nil).ReplaceNIC(ctx, hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}))
		}, func(command string, err error) {
			if err != nil && !slices.Contains(m.State(), "netdev d") {
				require.Empty(t, m.State(), command)
			}
			require.NoError(t, errorOf(vm.RemoveNIC(t.Context(), "d")), command)
			require.Empty(t, m.State(), command)
		})
		require.NoError(t, err)
		require.Subset(t, met, []string{"device_del", "netdev_del", "getfd", "netdev_add", "device_add"})
		require.Equal(t, []string{"device d", "netdev d"}, m.State())
	}
}

// TestReplaceNICThatCannotCome keeps the old NIC if it is clear before that QEMU will not take the new one.
func TestReplaceNICThatCannotCome(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, qemu.NetdevAdd{ID: "hostnet0", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c))
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "e1000", Props: qmp.Args{"netdev": "hostnet0"}}))
	before := m.State()
	nic := userNet("d")
	nic.NetdevID = "hostnet0"
	_, err := vm.ReplaceNIC(ctx, nic)
	require.ErrorIs(t, err, hotplug.ErrNotOurs)
	require.Equal(t, before, m.State())
	m.Private(true)
	_, err = vm.ReplaceNIC(ctx, hotplug.NIC{ID: "d", Backend: server("/run/s")})
	require.ErrorIs(t, err, hotplug.ErrNotShared)
	require.Equal(t, before, m.State())
	require.NoError(t, errorOf(vm.ReplaceNIC(ctx, nic, hotplug.WithBackend())))
	require.Equal(t, []string{"device d", "netdev hostnet0", "object d.netdev.hostnet0"}, m.State())
	require.NoError(t, errorOf(vm.ReplaceNIC(ctx, nic)))
	require.Equal(t, []string{"device d", "netdev hostnet0", "object d.netdev.hostnet0"}, m.State())
}

// TestReplaceNICInTheLastMoment has the context end when the old NIC is gone: the new one comes.
func TestReplaceNICInTheLastMoment(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddNIC(t.Context(), userNet("d")))
	before := m.State()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.Intercept("netdev_add", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		cancel()
		return machine(r)
	})
	require.NoError(t, errorOf(vm.ReplaceNIC(ctx, userNet("d"))))
	require.Equal(t, before, m.State())
}

// TestReplaceNICOfUSB replaces one on a real QEMU, which needs no guest for it.
func TestReplaceNICOfUSB(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "qemu-xhci,id=usb0", "-device", "qemu-xhci,id=usb1"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		nic := userNet("n")
		nic.Driver, nic.Bus, nic.MAC, nic.LinkDown = "usb-net", "usb0.0", "52:54:00:00:00:01", true
		require.NoError(t, vm.AddNIC(ctx, nic))
		before := stateOf(t, c)
		nic.Bus, nic.MAC = "", ""
		require.NoError(t, errorOf(vm.ReplaceNIC(ctx, nic)))
		require.Equal(t, before, stateOf(t, c))
		requirePlace(t, c, "n", "usb0.0", nil)
		require.NoError(t, qemu.SetLink{Name: "n", Up: true}.Do(ctx, c))
		require.NoError(t, errorOf(vm.ReplaceNIC(ctx, userNet("n"))), "the default driver is of PCI")
		info, err := vm.DeviceInfo(ctx, "n")
		require.NoError(t, err)
		require.Equal(t, "pci.0", info.Bus)
	})
}

// hooked is a connection that calls functions before and after commands.
type hooked struct {
	*qmp.Client
	before, after map[string]func()
}

func (h hooked) Execute(ctx context.Context, call *qmp.Call) error {
	if hook := h.before[call.Command]; hook != nil {
		hook()
	}
	err := h.Client.Execute(ctx, call)
	if hook := h.after[call.Command]; hook != nil {
		hook()
	}
	return err
}

// TestReplaceNICWithoutItsPlace has another manager take the place of the old NIC: the new one gets another place. If QEMU
// refuses the new NIC for another reason, it does not.
func TestReplaceNICWithoutItsPlace(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		nic := userNet("n")
		nic.Bus, nic.MAC, nic.Props = "pci.0", "52:54:00:00:00:01", qmp.Args{"addr": "1c"}
		require.NoError(t, vm.AddNIC(ctx, nic))
		before := stateOf(t, c)
		conn := hooked{c, map[string]func(){}, map[string]func(){}}
		conn.before["netdev_add"] = func() { // the old NIC is gone
			delete(conn.before, "netdev_add")
			require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "theirs", Driver: "virtio-rng-pci", Bus: "pci.0", Props: nic.Props}))
		}
		conn.after["device_del"] = func() { require.NoError(t, qemu.SystemReset{}.Do(ctx, c)) } // in place of a guest
		_, err := hotplug.New(conn, nil).ReplaceNIC(ctx, userNet("n"))
		require.ErrorIs(t, err, hotplug.ErrMoved)
		info, err := vm.DeviceInfo(ctx, "n")
		require.NoError(t, err)
		require.Equal(t, "pci.0", info.Bus)
		requirePlace(t, c, "n", "pci.0", info.PCI)
		require.NotEqual(t, 0x1c, info.PCI.Slot)
		require.Equal(t, slices.Sorted(slices.Values(append(before, "device theirs"))), stateOf(t, c))

		nic = userNet("n")
		nic.Props = qmp.Args{"no-such-property": 1}
		_, err = hotplug.New(conn, nil).ReplaceNIC(ctx, nic)
		require.ErrorContains(t, err, "the old NIC is removed")
		require.ErrorContains(t, err, "no-such-property")
		require.NotErrorIs(t, err, hotplug.ErrMoved)
	})
}

// requirePlace requires a NIC with the address of these tests in a place.
func requirePlace(t *testing.T, c *qmp.Client, id, bus string, at *hotplug.PCIAddress) {
	t.Helper()
	info, err := hotplug.New(c, nil).DeviceInfo(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, bus, info.Bus)
	require.Equal(t, at, info.PCI)
	raw, err := qemu.QOMGet{Path: info.Path, Property: "mac"}.Do(t.Context(), c)
	require.NoError(t, err)
	require.JSONEq(t, `"52:54:00:00:00:01"`, string(raw))
}

// guestReplacesNIC has a guest release a NIC, which comes back where it was.
func guestReplacesNIC(t *testing.T, m *guestMachine) {
	if !m.QEMU.AtLeast(7, 2) && m.machine == "q35" {
		t.Skip("root ports of QEMU 5.2 release devices unasked")
	}
	ctx := limit(t)
	vm := hotplug.New(m.c, nil)
	before := stateOf(t, m.c)
	nic := userNet("n")
	nic.MAC = "52:54:00:00:00:01"
	if m.machine == "pc" {
		nic.Bus, nic.Props = "pci.0", qmp.Args{"addr": "1c"}
	}
	require.NoError(t, vm.AddNIC(ctx, nic))
	info, err := vm.DeviceInfo(ctx, "n")
	require.NoError(t, err)
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`net=eth0 lo`)))
	require.NoError(t, errorOf(vm.ReplaceNIC(ctx, userNet("n"))))
	requirePlace(t, m.c, "n", info.Bus, info.PCI)
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`net=eth0 lo`)))
	require.NoError(t, errorOf(vm.RemoveNIC(ctx, "n")))
	require.Equal(t, before, stateOf(t, m.c))
}
