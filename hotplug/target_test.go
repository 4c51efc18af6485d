package hotplug_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// lastDevice returns the arguments of the last device_add.
func lastDevice(m *fakeqemu.Machine) (args string) {
	for _, r := range m.Requests() {
		if r.Command == "device_add" {
			args = string(r.Arguments)
		}
	}
	return args
}

// TestDriversOfTargets: an s390x has channel devices, all others PCI. A driver that the caller chose stays.
func TestDriversOfTargets(t *testing.T) {
	taps, _ := fakeTaps(t, 2)
	ctx := t.Context()
	for target, want := range map[qemu.SysEmuTarget]struct{ disk, nic string }{
		"x86_64": {`{"driver":"virtio-blk-pci","id":"d","drive":"d"}`,
			`{"driver":"virtio-net-pci","id":"n","mq":true,"netdev":"n","romfile":"","vectors":6}`},
		"aarch64": {`{"driver":"virtio-blk-pci","id":"d","drive":"d"}`,
			`{"driver":"virtio-net-pci","id":"n","mq":true,"netdev":"n","romfile":"","vectors":6}`},
		"s390x": {`{"driver":"virtio-blk-ccw","id":"d","drive":"d"}`,
			`{"driver":"virtio-net-ccw","id":"n","mq":true,"netdev":"n"}`},
	} {
		m := fakeqemu.New(t)
		m.SetTarget(target)
		vm := hotplug.New(m.Dial(), nil)
		require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}))
		require.JSONEq(t, want.disk, lastDevice(m), target)
		require.NoError(t, vm.AddNIC(ctx, hotplug.NIC{ID: "n", Backend: hotplug.Tap{Queues: taps}, NoROM: true}))
		require.JSONEq(t, want.nic, lastDevice(m), target)

		disk := hotplug.Disk{ID: "c", Backend: hotplug.File{Path: image(t)}, Driver: "virtio-blk-ccw", Props: qmp.Args{"devno": "fe.0.0007"}}
		require.NoError(t, vm.AddDisk(ctx, disk))
		require.JSONEq(t, `{"driver":"virtio-blk-ccw","id":"c","drive":"c","devno":"fe.0.0007"}`, lastDevice(m), target)

		asked := 0
		for _, r := range m.Requests() {
			if r.Command == "query-target" {
				asked++
			}
		}
		require.Equal(t, 1, asked, "once for each VM")
	}
}

// TestQEMUWithoutQueryTarget is too old for anything but PCI.
func TestQEMUWithoutQueryTarget(t *testing.T) {
	m := fakeqemu.New(t)
	m.Handle("query-target", qmptest.Refuse(qmp.ErrCommandNotFound, "no such command"))
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}))
	require.JSONEq(t, `{"driver":"virtio-blk-pci","id":"d","drive":"d"}`, lastDevice(m))
}

// TestTargetIsUnknown: an operation that cannot choose a driver is undone.
func TestTargetIsUnknown(t *testing.T) {
	m := fakeqemu.New(t)
	m.Handle("query-target", qmptest.Refuse(qmp.ErrGeneric, "not now"))
	vm := hotplug.New(m.Dial(), nil)
	require.ErrorIs(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}), qmp.ErrGeneric)
	require.ErrorIs(t, vm.AddNIC(t.Context(), userNet("n")), qmp.ErrGeneric)
	require.Empty(t, m.State())
}

// unsupported checks that an operation did not work for a reason, and has changed nothing.
func unsupported(t *testing.T, m *fakeqemu.Machine, err error, text string) {
	t.Helper()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.EqualError(t, err, "hotplug: "+text)
	require.Empty(t, m.State())
}

// newMachine returns a machine of a target, which has all commands.
func newMachine(t *testing.T, target qemu.SysEmuTarget) *fakeqemu.Machine {
	m := fakeqemu.New(t)
	m.SetTarget(target)
	m.Handle("query-commands", lacks())
	return m
}

// TestMachinesThatCannot refuses with a reason what the machine can never do, before anything is changed.
func TestMachinesThatCannot(t *testing.T) {
	ctx := t.Context()
	memory := hotplug.Memory{ID: "m", Backend: hotplug.RAM{Size: 128 * mib}}
	nothing := qmptest.Return([]any{})
	noTypes := func(known string) qmptest.Handler {
		return func(r *qmptest.Request) (any, error) {
			if known != "" && !strings.Contains(string(r.Arguments), "pc-dimm") {
				return []qemu.ObjectTypeInfo{{Name: known}}, nil
			}
			return []qemu.ObjectTypeInfo{}, nil
		}
	}
	noPlaces := qmptest.Refuse(qmp.ErrGeneric, "machine does not support hot-plugging CPUs")

	t.Run("vhost-user disk", func(t *testing.T) {
		m := newMachine(t, "s390x")
		vm := hotplug.New(m.Dial(), nil)
		unsupported(t, m, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: "/run/d.sock"}}}),
			`add disk "d": s390x has no channel device for a vhost-user disk; set Driver to "vhost-user-blk-pci" if the guest has PCI`)
	})
	t.Run("no PCI", func(t *testing.T) {
		m := newMachine(t, "x86_64")
		m.Handle("query-pci", nothing)
		m.Handle("device_add", qmptest.Refuse(qmp.ErrGeneric, "No 'PCI' bus found"))
		vm := hotplug.New(m.Dial(), nil)
		unsupported(t, m, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}),
			`add disk "d": machine has no PCI bus for a virtio-blk-pci; set Driver to "scsi-hd": `+
				`QEMU must have been started with a controller, for example -device virtio-scsi-device`)
		unsupported(t, m, vm.AddNIC(ctx, userNet("n")),
			`add NIC "n": machine has no PCI bus for a virtio-net-pci; QEMU can only have a NIC there that it was started with`)
		unsupported(t, m, vm.Supports(ctx, hotplug.NICs),
			"check support for NICs: machine has no PCI bus; QEMU can only have a NIC there that it was started with")
		require.NoError(t, vm.Supports(ctx, hotplug.Disks))
		err := vm.AddDevice(ctx, hotplug.Device{ID: "r", Backend: rng})
		require.ErrorAs(t, err, new(*qmp.Error))
		unsupported(t, m, err, `add device "r": machine has no PCI bus for a virtio-rng-pci; `+
			"set Driver to one for a bus that the machine has: SCSI, USB or virtio-serial")
	})
	t.Run("CPUs", func(t *testing.T) {
		m := newMachine(t, "x86_64")
		m.Handle("query-hotpluggable-cpus", noPlaces)
		vm := hotplug.New(m.Dial(), nil)
		_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "c"})
		unsupported(t, m, err, `add CPU "c": machine cannot get CPUs while it runs; start QEMU with all of them (-smp)`)
		unsupported(t, m, vm.Supports(ctx, hotplug.CPUs),
			"check support for CPUs: machine cannot get CPUs while it runs; start QEMU with all of them (-smp)")
	})
	t.Run("no driver", func(t *testing.T) {
		m := newMachine(t, "riscv64")
		m.Handle("qom-list-types", noTypes(""))
		vm := hotplug.New(m.Dial(), nil)
		unsupported(t, m, vm.AddMemory(ctx, memory), `add memory "m": QEMU has no pc-dimm for riscv64; start it with all memory (-m)`)
		unsupported(t, m, vm.Supports(ctx, hotplug.MemoryDevices),
			"check support for memory: QEMU has no pc-dimm for riscv64; start it with all memory (-m)")
	})
	t.Run("another driver", func(t *testing.T) {
		m := newMachine(t, "s390x")
		m.Handle("qom-list-types", noTypes("virtio-mem-ccw"))
		vm := hotplug.New(m.Dial(), nil)
		dimm := memory
		dimm.Driver = "pc-dimm"
		unsupported(t, m, vm.AddMemory(ctx, dimm), `add memory "m": QEMU has no pc-dimm for s390x; set Driver to "virtio-mem-ccw"`)
		_, err := vm.SetMemory(ctx, 2<<30, nil)
		require.ErrorContains(t, err, "QEMU has no pc-dimm for s390x")
		require.NoError(t, vm.Supports(ctx, hotplug.MemoryDevices))
		require.NoError(t, vm.AddMemory(ctx, memory))
		require.JSONEq(t, `{"driver":"virtio-mem-ccw","id":"m","memdev":"m","requested-size":134217728}`, lastDevice(m))
		other := memory
		other.ID, other.Props = "o", qmp.Args{"requested-size": 0, "devno": "fe.0.0009"}
		require.NoError(t, vm.AddMemory(ctx, other))
		require.JSONEq(t, `{"driver":"virtio-mem-ccw","id":"o","memdev":"o","requested-size":0,"devno":"fe.0.0009"}`, lastDevice(m))
	})
	t.Run("s390x before QEMU 10.0", func(t *testing.T) {
		m := newMachine(t, "s390x")
		m.Handle("qom-list-types", noTypes(""))
		vm := hotplug.New(m.Dial(), nil)
		unsupported(t, m, vm.AddMemory(ctx, memory), `add memory "m": QEMU has no pc-dimm for s390x; start it with all memory (-m)`)
	})
	t.Run("no ACPI", func(t *testing.T) {
		m := newMachine(t, "aarch64")
		m.Handle("qom-list-types", qmptest.Return([]qemu.ObjectTypeInfo{{Name: "pc-dimm"}, {Name: "virtio-mem-pci"}}))
		vm := hotplug.New(m.Dial(), nil)
		unsupported(t, m, vm.AddMemory(ctx, memory), `add memory "m": machine cannot tell its guest about a DIMM, because it has no ACPI; `+
			`start QEMU with acpi=on and, on aarch64, UEFI firmware, or set Driver to "virtio-mem-pci"`)
		require.NoError(t, vm.Supports(ctx, hotplug.MemoryDevices), "it has virtio-mem")
	})
	t.Run("no slots", func(t *testing.T) {
		m := newMachine(t, "x86_64")
		m.Handle("query-acpi-ospm-status", nothing)
		vm := hotplug.New(m.Dial(), nil)
		unsupported(t, m, vm.AddMemory(ctx, memory), `add memory "m": machine has no slots for memory; `+
			"start QEMU with -m SIZE,slots=NUMBER,maxmem=SIZE, on another machine than microvm")
	})
	t.Run("pseries", func(t *testing.T) {
		m := newMachine(t, "ppc64")
		require.NoError(t, hotplug.New(m.Dial(), nil).AddMemory(ctx, memory), "it needs no ACPI")
	})
}

// TestDeviceNumber is the place of a channel device.
func TestDeviceNumber(t *testing.T) {
	m := newMachine(t, "s390x")
	m.Intercept("qom-get", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		var args struct{ Path, Property string }
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		switch args.Property {
		case "parent_bus":
			return "/machine/virtual-css-bridge/virtual-css", nil
		case "dev_id":
			return "fe.0.0007", nil
		}
		return machine(r)
	})
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}))
	info, err := vm.DeviceInfo(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, "virtual-css", info.Bus)
	require.Equal(t, "fe.0.0007", info.DeviceNumber)
}

// TestCPUsOfS390xStay: a CPU can be added, and not be removed. Nobody waits.
func TestCPUsOfS390xStay(t *testing.T) {
	m := newMachine(t, "s390x")
	m.SetPlaces(1)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, addsCPU("c").add(ctx, vm))
	before := len(m.Requests())
	for _, err := range []error{vm.RemoveCPU(ctx, "c"), errorOf(vm.RemoveDevice(ctx, "c")), vm.Supports(ctx, hotplug.CPUs)} {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, "QEMU cannot remove CPUs of an s390x")
	}
	for _, r := range m.Requests()[before:] {
		require.NotEqual(t, "device_del", r.Command)
	}
}

// TestGuestWithoutPCI never releases a PCI device: a caller without a deadline does not wait for it.
func TestGuestWithoutPCI(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "s390x")
	m.SetGuest(fakeqemu.Deaf)
	m.Handle("query-cpus-fast", qmptest.Return([]qemu.CPUInfoFast{{QOMPath: "/machine/cpu", Target: "s390x", Branch: &qemu.CPUInfoS390{CPUState: "operating"}}}))
	var zpci atomic.Bool
	zpci.Store(true)
	m.Intercept("qom-get", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		if strings.Contains(string(r.Arguments), "/machine/cpu") {
			return zpci.Load(), nil
		}
		return machine(r)
	})
	vm := hotplug.New(m.Dial(), nil)
	disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}, Driver: "virtio-blk-pci", Bus: "pci.0", Props: qmp.Args{"addr": "3.0"}}
	require.NoError(t, vm.AddDisk(t.Context(), disk))
	short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := errorOf(vm.RemoveDisk(short, "d"))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	zpci.Store(false)
	err = errorOf(vm.RemoveDisk(t.Context(), "d"))
	require.ErrorIs(t, err, hotplug.ErrUnplugPending)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.EqualError(t, err, `hotplug: remove disk "d": guest has not released the device yet: guest has no PCI: the feature zpci of its CPUs is off`)
}
