package hotplug_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// addsDevice is AddDevice.
func addsDevice(d hotplug.Device) addition {
	return addition{
		add:      func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDevice(ctx, d) },
		remove:   func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveDevice(ctx, d.ID)) },
		commands: []string{"device_add"},
	}
}

var tablet = hotplug.Device{ID: "d", Driver: "usb-tablet", Bus: "usb.0"}

func TestAddDevice(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.ErrorContains(t, vm.AddDevice(ctx, hotplug.Device{Driver: "a"}), `hotplug: add device "": needs an ID`)
	require.ErrorContains(t, errorOf(vm.RemoveDevice(ctx, "")), `hotplug: remove device "": needs an ID`)
	require.NoError(t, vm.AddDevice(ctx, tablet))
	require.ErrorIs(t, vm.AddDevice(ctx, tablet), hotplug.ErrExists)
	require.Equal(t, []string{"device d"}, m.State())
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
	require.Empty(t, m.State())
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")), "what is gone can be removed")
}

// TestChardevThatIsInvalid is refused before anything is sent.
func TestChardevThatIsInvalid(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	negative := listen("/run/agent")
	negative.Options.Branch.(*qemu.ChardevSocket).ReconnectMs = new(int64(-1))
	wrong := listen("/run/agent")
	wrong.ID = "1"
	for want, backend := range map[string]hotplug.Chardev{"ReconnectMs -1: it must not be negative": negative, "ID of Chardev must begin": wrong} {
		require.ErrorContains(t, vm.AddDevice(t.Context(), hotplug.Device{ID: "d", Backend: backend}), want)
	}
	require.Empty(t, m.Requests())
}

// TestRemoveDeviceOfAnyKind removes what the other operations add, too. What somebody else has added stays.
func TestRemoveDeviceOfAnyKind(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	require.NoError(t, qemu.BlockdevAdd(named("shared", nullNode())).Do(ctx, c))
	before := m.State()
	require.NoError(t, vm.AddDisk(ctx, memory("disk")))
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "mem", Backend: hotplug.RAM{Size: mib}}))
	require.NoError(t, vm.AddNIC(ctx, userNet("nic")))
	require.NoError(t, vm.AddDisk(ctx, vhostUser("far", "/run/far")))
	for _, id := range []string{"disk", "mem", "nic", "far"} {
		require.NoError(t, errorOf(vm.RemoveDevice(ctx, id)), id)
	}
	require.Equal(t, before, m.State())

	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "nvme-ns", ID: "d", Props: qmp.Args{"drive": "shared"}}))
	kept, err := vm.RemoveDevice(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "node", Name: "shared", Err: hotplug.ErrNotOurs}}, kept)
	require.Equal(t, before, m.State())
}

// TestDiskWithAnotherNode has one that was added with a node of its name, as before a mirror, and one that is there still.
// Each stays until it is said that it goes.
func TestDiskWithAnotherNode(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	for _, node := range []string{"d", "mirror"} {
		require.NoError(t, qemu.BlockdevAdd(named(node, nullNode())).Do(ctx, c))
	}
	require.NoError(t, qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: new("d"), Props: qmp.Args{"drive": "mirror"}}.Do(ctx, c))
	kept, err := vm.RemoveDisk(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "node", Name: "mirror", Err: hotplug.ErrNotOurs}}, kept)
	require.Equal(t, []string{"node mirror"}, m.State())
	kept, err = vm.RemoveDisk(ctx, "d", hotplug.WithNode("mirror"))
	require.NoError(t, err)
	require.Empty(t, kept)
	require.Empty(t, m.State())
}

// TestRemoveDeviceOfACPU hears of a part only.
func TestRemoveDeviceOfACPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetPlaces(1)
		vm := hotplug.New(pipe(t, m, nil), nil)
		_, err := vm.AddCPU(t.Context(), hotplug.CPU{ID: "c"})
		require.NoError(t, err)
		require.NoError(t, errorOf(vm.RemoveDevice(t.Context(), "c")))
		require.Empty(t, m.State())
	})
}

// TestRemoveDeviceWithoutPlacesForCPUs is for machines that refuse to list them.
func TestRemoveDeviceWithoutPlacesForCPUs(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDevice(t.Context(), tablet))
	m.Handle("query-hotpluggable-cpus", qmptest.Refuse(qmp.ErrGeneric, "the machine does not support hot-plugging CPUs"))
	require.NoError(t, errorOf(vm.RemoveDevice(t.Context(), "d")))
	require.Empty(t, m.State())
}

func TestFaultsAtEveryStepOfADevice(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				faultsAtEveryStep(t, pipe(t, m, nil), fault, addsDevice(tablet), m.State)
			})
		})
	}
}

func TestFaultsOfRemovingADevice(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				removalFaults(t, fakeqemu.New(t), fault, addsDevice(tablet), "qom-get", "device_del")
			})
		})
	}
}

// TestHostDeviceRequest: no test machine has a device to give away, so what QEMU would be asked is
// all there is to see.
func TestHostDeviceRequest(t *testing.T) {
	m := fakeqemu.New(t)
	var sent string
	m.Handle("device_add", func(r *qmptest.Request) (any, error) {
		sent = string(r.Arguments)
		return nil, nil
	})
	require.NoError(t, addHostDevice(t.Context(), hotplug.New(m.Dial(), nil)))
	require.JSONEq(t, `{"driver":"vfio-pci","id":"gpu1","bus":"rp1","host":"0000:01:00.0"}`, sent)
}

// TestHostDeviceThatIsNotThere is refused, with nothing left.
func TestHostDeviceThatIsNotThere(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "q35"}).Dial(t)
		before := stateOf(t, c)
		err := hotplug.New(c, nil).AddDevice(limit(t), hotplug.Device{
			Driver: "vfio-pci", ID: "h", Bus: "rp1", Props: qmp.Args{"host": "ffff:1f:1f.7"},
		})
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "device_add", refusal.Command)
		require.Equal(t, before, stateOf(t, c))
	})
}

// guestAnyDevice adds a device that no other operation is for.
func guestAnyDevice(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	before, fds := stateOf(t, m.c), qemuFds(t, m.VM)
	vm := hotplug.New(m.c, nil)
	dog := hotplug.Device{ID: "dog", Driver: "i6300esb", Bus: "pci.0"}
	if m.machine == "q35" {
		dog = hotplug.Device{ID: "dog", Driver: "virtio-rng-pci", Bus: "rp4"}
	}
	require.NoError(t, vm.AddDevice(ctx, dog))
	require.ErrorIs(t, vm.AddDevice(ctx, dog), hotplug.ErrExists)
	// A device of a root port does not stay for the next steps: QEMU 5.2 may release it unasked at any time.
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "dog")))
	if m.machine == "pc" {
		for _, fault := range fakeqemu.Faults {
			faultsAtEveryStep(t, m.c, fault, addsDevice(dog), func() []string { return stateOf(t, m.c) })
		}
	}
	require.Equal(t, before, stateOf(t, m.c))
	require.Equal(t, fds, qemuFds(t, m.VM))
}
