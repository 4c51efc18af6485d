package hotplug_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestWaitGuest waits for the signs of a guest that runs. A machine that has not started has none.
func TestWaitGuest(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		for _, guest := range []bool{true, false} {
			args := []string{"-smp", "1,maxcpus=3", "-m", "256,slots=4,maxmem=2G", "-device", "virtio-scsi-pci,id=sc"}
			if !guest { // or its firmware would set up the devices
				args = append(args, "-S")
			}
			qvm := q.Start(t, qemutest.Config{Machine: machine, Guest: guest, Args: args})
			c := qvm.Dial(t)
			ctx := limit(t)
			if !q.AtLeast(7, 2) {
				require.NoError(t, modernCPUHotplug(ctx, c))
			}
			if guest {
				require.NoError(t, qvm.WaitGuest(ctx))
			}
			vm := hotplug.New(c, nil)
			disk := hotplug.Disk{ID: "disk1", Backend: hotplug.File{Path: image(t)}, Bus: qemutest.HotplugBus(machine)}
			scsi := hotplug.Disk{ID: "scsi1", Backend: hotplug.File{Path: image(t)}, Driver: "scsi-hd", Bus: "sc.0"}
			nic := userNet("nic1")
			if nic.NoROM = true; machine == "q35" {
				nic.Bus = "rp2"
			}
			for _, device := range []struct {
				id  string
				add func() error
			}{
				{"disk1", func() error { return vm.AddDisk(ctx, disk) }},
				{"scsi1", func() error { return vm.AddDisk(ctx, scsi) }},
				{"nic1", func() error { return vm.AddNIC(ctx, nic) }},
				{"mem1", func() error {
					return vm.AddMemory(ctx, hotplug.Memory{ID: "mem1", Backend: hotplug.RAM{Size: 128 * mib}})
				}},
				{"cpu1", func() error { _, err := vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"}); return err }},
			} {
				require.NoError(t, device.add())
				if guest {
					require.NoError(t, vm.WaitGuest(ctx, device.id), device.id)
					continue
				}
				short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
				require.ErrorIs(t, vm.WaitGuest(short, device.id), hotplug.ErrGuestPending)
				cancel()
			}
		}
	})
}

// TestSigns gives WaitGuest the answers of machines.
func TestSigns(t *testing.T) {
	pciDevice := func(regions ...int64) qmptest.Handler {
		device := qemu.PCIDeviceInfo{QdevID: "d", Regions: []qemu.PCIMemoryRegion{}}
		for _, address := range regions {
			device.Regions = append(device.Regions, qemu.PCIMemoryRegion{Address: address, Type: "memory"})
		}
		bridge := qemu.PCIDeviceInfo{PCIBridge: &qemu.PCIBridgeInfo{Devices: []qemu.PCIDeviceInfo{{}, device}}, Regions: []qemu.PCIMemoryRegion{}}
		return qmptest.Return([]qemu.PCIInfo{{Devices: []qemu.PCIDeviceInfo{{Regions: []qemu.PCIMemoryRegion{}}, bridge}}})
	}
	slot := func(source, status int64) qmptest.Handler {
		return qmptest.Return([]qemu.ACPIOSTInfo{{Slot: "0", SlotType: "DIMM"}, {Device: new("d"), Slot: "1", SlotType: "DIMM", Source: source, Status: status}})
	}
	reads := func(n int64) qmptest.Handler {
		return qmptest.Return([]qemu.BlockStats{{Qdev: new("other")}, {Qdev: new("/machine/peripheral/d/virtio-backend"), Stats: qemu.BlockDeviceStats{RdOperations: n}}})
	}
	state := func(state qemu.S390CPUState) qmptest.Handler {
		return qmptest.Return([]qemu.CPUInfoFast{{QOMPath: "/machine/peripheral/d", Target: "s390x", Branch: &qemu.CPUInfoS390{CPUState: state}}})
	}
	onPCI := qmp.Args{"addr": "3.0"}
	for name, c := range map[string]struct {
		target qemu.SysEmuTarget
		props  qmp.Args
		answer map[string]qmptest.Handler
		want   error
	}{
		"PCI":                         {props: onPCI, answer: map[string]qmptest.Handler{"query-pci": pciDevice(-1, 4096)}},
		"PCI, not mapped":             {props: onPCI, answer: map[string]qmptest.Handler{"query-pci": pciDevice(-1, -1)}, want: hotplug.ErrGuestPending},
		"PCI, behind a new bridge":    {props: onPCI, want: hotplug.ErrGuestPending},
		"PCI, without memory":         {props: onPCI, answer: map[string]qmptest.Handler{"query-pci": pciDevice()}, want: errors.ErrUnsupported},
		"PCI of an s390x":             {target: "s390x", props: onPCI, answer: map[string]qmptest.Handler{"query-pci": pciDevice(-1)}, want: errors.ErrUnsupported},
		"disk of PCI, read":           {target: "s390x", props: onPCI, answer: map[string]qmptest.Handler{"query-pci": pciDevice(-1), "query-blockstats": reads(1)}},
		"disk, read":                  {answer: map[string]qmptest.Handler{"query-blockstats": reads(1)}},
		"disk, not read":              {answer: map[string]qmptest.Handler{"query-blockstats": reads(0)}, want: hotplug.ErrGuestPending},
		"accepted":                    {answer: map[string]qmptest.Handler{"query-acpi-ospm-status": slot(1, 0)}},
		"accepted, and asked to free": {answer: map[string]qmptest.Handler{"query-acpi-ospm-status": slot(3, 0x80)}},
		"not accepted yet":            {answer: map[string]qmptest.Handler{"query-acpi-ospm-status": slot(0, 0)}, want: hotplug.ErrGuestPending},
		"refused":                     {answer: map[string]qmptest.Handler{"query-acpi-ospm-status": slot(1, 1)}, want: hotplug.ErrGuestRefused},
		"CPU of an s390x":             {target: "s390x", answer: map[string]qmptest.Handler{"query-cpus-fast": state("operating")}},
		"CPU of an s390x, stopped":    {target: "s390x", answer: map[string]qmptest.Handler{"query-cpus-fast": state("stopped")}, want: hotplug.ErrGuestPending},
		"no sign":                     {want: errors.ErrUnsupported},
		"no sign of a pseries":        {target: "ppc64", want: errors.ErrUnsupported},
		"QEMU fails":                  {answer: map[string]qmptest.Handler{"query-blockstats": qmptest.Refuse(qmp.ErrGeneric, "no")}, want: qmp.ErrGeneric},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "x86_64")
			if c.target != "" {
				m.SetTarget(c.target)
			}
			m.Handle("query-cpus-fast", qmptest.Return([]qemu.CPUInfoFast{}))
			vm := hotplug.New(m.Dial(), nil)
			device := hotplug.Device{Driver: "virtio-rng-pci", ID: "d", Props: c.props}
			if c.props != nil {
				device.Bus = "pci.0"
			}
			require.NoError(t, vm.AddDevice(t.Context(), device))
			for command, h := range c.answer {
				m.Handle(command, h)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			err := vm.WaitGuest(ctx, "d")
			require.ErrorIs(t, err, c.want)
			if c.want == hotplug.ErrGuestPending {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			if c.want != nil {
				require.True(t, strings.HasPrefix(err.Error(), `hotplug: wait for the guest to use device "d": `), err)
			}
		})
	}
}

// TestWaitGuestWithoutDevice has nothing to wait for.
func TestWaitGuestWithoutDevice(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	err := vm.WaitGuest(t.Context(), "d")
	require.ErrorIs(t, err, qmp.ErrDeviceNotFound)
	require.EqualError(t, err, `hotplug: wait for the guest to use device "d": no such device`)
	require.Error(t, vm.WaitGuest(t.Context(), "0"))
	require.NoError(t, vm.AddDevice(t.Context(), hotplug.Device{Driver: "virtio-rng-pci", ID: "d"}))
	m.Handle("query-blockstats", qmptest.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, vm.WaitGuest(ctx, "d"), hotplug.ErrGuestPending)
}

// ExampleVM_WaitGuest adds a disk and waits until the guest uses it.
func ExampleVM_WaitGuest() {
	add := func(ctx context.Context, vm *hotplug.VM, disk hotplug.Disk) error {
		if err := vm.AddDisk(ctx, disk); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		err := vm.WaitGuest(soon, disk.ID)
		if errors.Is(err, errors.ErrUnsupported) { // no way to know
			return nil
		}
		return err
	}
	_ = add
}
