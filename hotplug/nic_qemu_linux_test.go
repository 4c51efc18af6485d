package hotplug_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestGuestSeesNIC adds a NIC to a machine with a booted guest, in the way of a machine that has
// ACPI's hotplug and of one that has PCI Express's, and removes it.
func TestGuestSeesNIC(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		var slot hotplug.PCISlot
		nic := hotplug.NIC{ID: "net1", Backend: hotplug.Tap{Queues: openTaps(t, 2, plainTap)}}
		p := plug(t, q, machine, `net=eth\d lo`, func(vm *hotplug.VM) (err error) {
			slot, err = vm.FreePCISlot(t.Context(), "", 0)
			nic.Bus, nic.Props = slot.Bus, qmp.Args{"addr": slot.Addr()}
			return errors.Join(err, vm.AddNIC(t.Context(), nic))
		})
		ctx := limit(t)
		require.Equal(t, qemutest.HotplugBus(machine), slot.Bus)
		require.ErrorIs(t, p.vm.AddNIC(ctx, nic), hotplug.ErrExists)
		if !p.givenBack {
			info, err := p.vm.DeviceInfo(ctx, "net1")
			require.NoError(t, err)
			require.Equal(t, &hotplug.DeviceInfo{ID: "net1", Driver: "virtio-net-pci", Path: "/machine/peripheral/net1",
				Bus: slot.Bus, Hotpluggable: true, PCI: &hotplug.PCIAddress{Slot: slot.Slot}, Netdev: "net1"}, info)
		}

		require.NoError(t, errorOf(p.vm.RemoveNIC(ctx, "net1")))
		require.NoError(t, p.qvm.WaitGuestSees(ctx, regexp.MustCompile(`net=lo`)))
		require.Equal(t, p.before, stateOf(t, p.c))
		require.Equal(t, p.fds, qemuFds(t, p.qvm))
	})
}

// TestNICsOfEveryKind adds NICs to QEMUs of all versions, whose guest sees them, and removes them;
// then it lets each command go wrong in each way.
func TestNICsOfEveryKind(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := pc(t, q)
		vm := hotplug.New(c, nil)
		for _, k := range []struct {
			name  string
			nic   hotplug.NIC
			props map[string]any // of the device
		}{
			{"tap", hotplug.NIC{Backend: hotplug.Tap{Queues: openTaps(t, 1, plainTap)}, MAC: "52:54:00:00:00:17", NoROM: true},
				map[string]any{"mac": "52:54:00:00:00:17", "romfile": "", "mq": false}},
			{"tap with two queues", hotplug.NIC{Backend: hotplug.Tap{Queues: openTaps(t, 2, plainTap)}}, map[string]any{"mq": true, "vectors": 6.0}},
			{"tap with four queues", hotplug.NIC{Backend: hotplug.Tap{Queues: openTaps(t, 4, plainTap)}}, map[string]any{"mq": true, "vectors": 10.0}},
			{"one of several queues", hotplug.NIC{Backend: hotplug.Tap{Queues: openTaps(t, 2, plainTap)[:1]}}, map[string]any{"mq": false}},
			{"user", hotplug.NIC{Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{Restrict: new(true)}}}}, nil},
		} {
			t.Run(k.name, func(t *testing.T) {
				ctx := limit(t)
				before, fds := stateOf(t, c), qemuFds(t, qvm)
				k.nic.ID = "d"
				require.NoError(t, vm.AddNIC(ctx, k.nic))
				require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`net=eth\d+ lo`)))
				for name, want := range k.props {
					var value any
					raw, err := qemu.QOMGet{Path: "/machine/peripheral/d", Property: name}.Do(ctx, c)
					require.NoError(t, err)
					require.NoError(t, unmarshal(raw, &value))
					require.Equal(t, want, value, name)
				}
				require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
				require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`net=lo`)))
				require.Equal(t, before, stateOf(t, c))
				require.Equal(t, fds, qemuFds(t, qvm))
			})
		}
		taps := openTaps(t, 2, plainTap)
		for _, fault := range fakeqemu.Faults {
			t.Run(string(fault), func(t *testing.T) {
				fds := qemuFds(t, qvm)
				state := func() []string { return stateOf(t, c) }
				const looks = "qom-get" // at each device, which take long when one after the other fails
				nicFaults(t, c, fault, hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}, looks, state, "getfd", "netdev_add", "device_add")
				require.Equal(t, fds, qemuFds(t, qvm))
			})
		}
	})
}

// TestNICThatQEMURefuses is refused at the last step: this machine has no PCI bus. Then it is left
// half-way by one process, and removed by another.
func TestNICThatQEMURefuses(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		ctx := t.Context()
		qvm := q.Start(t, qemutest.Config{})
		c := qvm.Dial(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		vm := hotplug.New(c, nil)
		taps := openTaps(t, 3, plainTap)
		nic := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}
		err := vm.AddNIC(ctx, nic)
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "device_add", refusal.Command)
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))

		for i, f := range taps {
			require.NoError(t, qemu.GetFD{FDName: "d-" + string(rune('0'+i))}.Do(ctx, c, qmp.WithFile(f)))
		}
		require.NoError(t, qemu.CloseFD{FDName: "d-0"}.Do(ctx, c))
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")), "the first is gone already")
		require.Equal(t, fds, qemuFds(t, qvm))

		require.NoError(t, qemu.NetdevAdd{ID: "d", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c))
		require.ErrorIs(t, vm.AddNIC(ctx, nic), hotplug.ErrExists, "5.2 would take a second one")
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// TestHalfMadeNetdevOfQEMU passes off as a tap what is none: QEMU makes the first queue, refuses,
// and keeps it.
func TestHalfMadeNetdevOfQEMU(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		taps := append(openTaps(t, 2, plainTap), devNull(t))
		hotplug.FakeTaps(t, func(*os.File) (string, uint16) { return "tap0", queueFlags })
		c := q.Start(t, qemutest.Config{}).Dial(t)
		vm := hotplug.New(c, nil)
		err := vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}})
		var rollback *hotplug.RollbackError
		require.ErrorAs(t, err, &rollback)
		require.Equal(t, []string{"netdev d"}, rollback.Left)
		require.ErrorIs(t, errorOf(vm.RemoveNIC(t.Context(), "d")), qmp.ErrGeneric, "it is there to stay")
	})
}

// TestVhostThatIsNone is refused before QEMU 7.2 can end of it: it still answers.
func TestVhostThatIsNone(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{})
		c := qvm.Dial(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		vm := hotplug.New(c, nil)
		err := vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: openTaps(t, 1, plainTap), Vhost: []*os.File{devNull(t)}}})
		require.ErrorContains(t, err, "Vhost[0] is not a vhost device")
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// TestVhostVDPAThatIsNotThere is refused by QEMU, which goes on.
func TestVhostVDPAThatIsNotThere(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{}).Dial(t)
		before := stateOf(t, c)
		err := hotplug.New(c, nil).AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{
			Branch: &qemu.NetdevVhostVDPAOptions{Vhostdev: new(filepath.Join(t.TempDir(), "none"))}}}})
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "netdev_add", refusal.Command)
		if left, ok := errors.AsType[*hotplug.RollbackError](err); ok || !q.AtLeast(7, 0) { // 5.2 keeps the netdev that it refuses
			require.Equal(t, []string{"netdev d"}, left.Left)
		} else {
			require.Equal(t, before, stateOf(t, c))
		}
		_, err = qemu.QueryStatus{}.Do(t.Context(), c)
		require.NoError(t, err)
	})
}

// TestVhostUser adds a NIC that another process serves, and removes it when the machine is reset:
// no guest answers.
func TestVhostUser(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		ctx := limit(t)
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "64",
			"-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-numa", "node,memdev=ram"}})
		c := qvm.Dial(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		vm := hotplug.New(c, nil)
		nic := hotplug.NIC{ID: "d", Backend: server(filepath.Join(t.TempDir(), "none"))}
		err := vm.AddNIC(ctx, nic)
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "chardev-add", refusal.Command)

		nic.Backend = server(serveVhostUser(t))
		bad := nic
		bad.Props = qmp.Args{"host_mtu": "none"}
		require.ErrorIs(t, vm.AddNIC(ctx, bad), qmp.ErrGeneric)
		require.Equal(t, before, stateOf(t, c))
		require.NotContains(t, chardevs(t, c), "d-chardev")

		require.NoError(t, vm.AddNIC(ctx, nic))
		require.Contains(t, chardevs(t, c), "d-chardev")
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, errorOf(vm.RemoveNIC(short, "d")), hotplug.ErrUnplugPending)
		require.NoError(t, qemu.SystemReset{}.Do(ctx, c))
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
		require.Equal(t, before, stateOf(t, c))
		require.NotContains(t, chardevs(t, c), "d-chardev")
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// TestBusyChardev is in use under the name that a NIC's would have: it is neither taken for the
// NIC's when one is added, nor for gone when one is removed.
func TestBusyChardev(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		_, c := startUSB(t, q, append(sharedMemory, "-chardev", "null,id=d-chardev")...)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		nic := hotplug.NIC{ID: "d", Backend: server(serveVhostUser(t))}
		require.ErrorIs(t, vm.AddNIC(ctx, nic), hotplug.ErrExists)
		require.Contains(t, chardevs(t, c), "d-chardev")

		require.NoError(t, qemu.DeviceAdd{Driver: "usb-serial", ID: new("user"), Props: qmp.Args{"chardev": "d-chardev"}}.Do(ctx, c))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		for _, remove := range []func(context.Context, string, ...hotplug.RemoveOption) ([]hotplug.Kept, error){vm.RemoveNIC, vm.RemoveDisk} {
			require.Error(t, errorOf(remove(short, "d")))
			require.Contains(t, chardevs(t, c), "d-chardev")
		}
		require.NoError(t, qemu.DeviceDel{ID: "user"}.Do(ctx, c))
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
		require.NotContains(t, chardevs(t, c), "d-chardev")
	})
}

// TestNICOfAStoppedQEMU is one that has not been started: netdevs come and go all the same.
func TestNICOfAStoppedQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}})
		c := qvm.Dial(t)
		ctx := limit(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		vm := hotplug.New(c, nil)
		bad := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: openTaps(t, 1, plainTap)}, Bus: "none"}
		require.ErrorIs(t, vm.AddNIC(ctx, bad), qmp.ErrGeneric)
		_, kept := errors.AsType[*hotplug.RollbackError](vm.AddNIC(ctx, bad))
		require.False(t, kept)
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}
