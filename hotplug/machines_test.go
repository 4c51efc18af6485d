package hotplug_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// patience is for guests of other targets: they boot in 5 to 20 seconds on an idle machine.
const patience = 5 * time.Minute

// An otherMachine is a machine whose guest is up.
type otherMachine struct {
	*qemutest.VM
	t   *testing.T
	ctx context.Context
	c   *qmp.Client
	vm  *hotplug.VM
}

func startOther(t *testing.T, q *qemutest.QEMU, cfg qemutest.Config) *otherMachine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	m := &otherMachine{VM: q.Start(t, cfg), t: t, ctx: ctx}
	m.c = m.Dial(t)
	m.vm = hotplug.New(m.c, nil)
	if cfg.Guest {
		require.NoError(t, m.VM.WaitGuest(ctx))
	}
	return m
}

// sees waits until the guest reports this.
func (m *otherMachine) sees(pattern string) {
	m.t.Helper()
	require.NoError(m.t, m.WaitGuestSees(m.ctx, regexp.MustCompile(pattern)))
}

// uses waits until QEMU has a sign of the guest.
func (m *otherMachine) uses(id string) {
	m.t.Helper()
	require.NoError(m.t, m.vm.WaitGuest(m.ctx, id))
}

// unsupported does something that the machine cannot do: it fails at once and changes nothing.
func (m *otherMachine) unsupported(do func() error, text string) {
	m.t.Helper()
	before, start := stateOf(m.t, m.c), time.Now()
	err := do()
	require.ErrorIs(m.t, err, errors.ErrUnsupported)
	require.ErrorContains(m.t, err, text)
	require.NotErrorAs(m.t, err, new(*hotplug.RollbackError))
	require.Less(m.t, time.Since(start), 5*time.Second)
	require.Equal(m.t, before, stateOf(m.t, m.c))
}

// refused does something that QEMU refuses. It is undone.
func (m *otherMachine) refused(err error, before []string) {
	m.t.Helper()
	require.ErrorAs(m.t, err, new(*qmp.Error))
	require.NotErrorAs(m.t, err, new(*hotplug.RollbackError))
	require.Equal(m.t, before, stateOf(m.t, m.c))
}

func (m *otherMachine) add(err error) {
	m.t.Helper()
	require.NoError(m.t, err)
}

// supports checks the answers of Supports.
func (m *otherMachine) supports(want map[hotplug.Kind]bool) {
	m.t.Helper()
	for kind, good := range want {
		err := m.vm.Supports(m.ctx, kind)
		if good {
			require.NoError(m.t, err, kind)
		} else {
			require.ErrorIs(m.t, err, errors.ErrUnsupported, kind)
		}
	}
}

func (m *otherMachine) disk(id string) hotplug.Disk {
	return hotplug.Disk{ID: id, Backend: hotplug.File{Path: image(m.t)}}
}

func (m *otherMachine) nic(id string) hotplug.NIC {
	n := userNet(id)
	n.NoROM = true
	return n
}

func (m *otherMachine) noCPUs() {
	m.t.Helper()
	m.unsupported(func() error { _, err := m.vm.AddCPU(m.ctx, hotplug.CPU{ID: "cpu1"}); return err }, "machine cannot get CPUs")
	m.supports(map[hotplug.Kind]bool{hotplug.CPUs: false})
}

func dimm(size uint64) hotplug.Memory {
	return hotplug.Memory{ID: "dimm1", Backend: hotplug.RAM{Size: size}}
}

// TestMachineAArch64 is a virt with a device tree.
func TestMachineAArch64(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startOther(t, q, qemutest.Config{Target: "aarch64", Machine: "virt", Guest: true, Args: []string{
			"-smp", "1,maxcpus=3", "-m", "512,slots=4,maxmem=2G", "-device", "virtio-scsi-pci,id=sc"}})
		ctx, vm := m.ctx, m.vm

		m.supports(map[hotplug.Kind]bool{hotplug.Disks: true, hotplug.NICs: true, hotplug.MemoryDevices: true, hotplug.Devices: true})
		m.noCPUs()
		m.unsupported(func() error { return vm.AddMemory(ctx, dimm(128*mib)) }, "UEFI firmware")
		empty := stateOf(t, m.c)

		// A disk in the first free port, and no other beside it.
		slot, err := vm.FreePCISlot(ctx, "", 0)
		require.NoError(t, err)
		require.Equal(t, "rp1", slot.Bus)
		disk := m.disk("disk1")
		disk.Bus = slot.Bus
		m.add(vm.AddDisk(ctx, disk))
		m.uses("disk1")
		m.sees(`^blk=vda net=lo`)
		info, err := vm.DeviceInfo(ctx, "disk1")
		require.NoError(t, err)
		require.Equal(t, &hotplug.PCIAddress{}, info.PCI)
		require.Equal(t, "virtio-blk-pci", info.Driver)
		before := stateOf(t, m.c)
		second := m.disk("disk2")
		second.Bus = slot.Bus
		m.refused(vm.AddDisk(ctx, second), before)

		// A NIC.
		nic := m.nic("nic1")
		nic.Bus = "rp2"
		m.add(vm.AddNIC(ctx, nic))
		m.uses("nic1")
		m.sees(`^blk=vda net=eth0 lo`)

		// A SCSI disk, which the guest has to look for.
		scsi := m.disk("disk3")
		scsi.Driver, scsi.Bus = "scsi-hd", "sc.0"
		m.add(vm.AddDisk(ctx, scsi))
		m.uses("disk3")
		m.sees(`^blk=sda vda net=eth0 lo`)

		// An NVMe disk on a controller that is added too.
		m.add(vm.AddDevice(ctx, hotplug.Device{Driver: "nvme", ID: "nvme1", Bus: "rp3", Props: qmp.Args{"serial": "1"}}))
		m.uses("nvme1")
		m.add(errorOf(vm.RemoveDevice(ctx, "nvme1")))

		// Memory of the PCI device, which needs no firmware.
		m.add(vm.AddMemory(ctx, hotplug.Memory{ID: "mem1", Backend: hotplug.RAM{Size: 256 * mib}, Driver: "virtio-mem-pci", Bus: "rp4"}))
		m.uses("mem1")
		m.add(vm.ResizeMemory(ctx, "mem1", 128*mib))
		m.sees(`mem=6\d\d$`)
		m.add(errorOf(vm.RemoveMemory(ctx, "mem1")))
		m.sees(`mem=4\d\d$`)

		// A guest that stands still, and goes on.
		m.add(qemu.Stop{}.Do(ctx, m.c))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, errorOf(vm.RemoveNIC(short, "nic1")), hotplug.ErrUnplugPending)
		m.add(qemu.Cont{}.Do(ctx, m.c))
		m.add(errorOf(vm.RemoveNIC(ctx, "nic1")))
		m.add(errorOf(vm.RemoveDisk(ctx, "disk3")))
		m.add(errorOf(vm.RemoveDisk(ctx, "disk1")))
		m.sees(`^blk= net=lo`)
		require.Equal(t, empty, stateOf(t, m.c))
	})
}

// TestMachineAArch64Firmware is a virt with UEFI: it has ACPI, and so DIMMs.
func TestMachineAArch64Firmware(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		cfg := qemutest.Config{Target: "aarch64", Machine: "virt", Firmware: true, Guest: true, Args: []string{"-m", "512,slots=4,maxmem=2G"}}
		m := startOther(t, q, cfg)
		ctx, vm := m.ctx, m.vm
		m.supports(map[hotplug.Kind]bool{hotplug.MemoryDevices: true})
		m.noCPUs()
		empty := stateOf(t, m.c)
		m.add(vm.AddMemory(ctx, dimm(256*mib)))
		m.uses("dimm1")
		m.sees(`mem=7\d\d$`)
		disk := m.disk("disk1")
		disk.Bus = "rp1"
		m.add(vm.AddDisk(ctx, disk))
		m.uses("disk1")
		m.sees(`^blk=vda net=lo`)
		m.add(errorOf(vm.RemoveMemory(ctx, "dimm1")))
		m.sees(`mem=4\d\d$`)
		m.add(errorOf(vm.RemoveDisk(ctx, "disk1")))
		require.Equal(t, empty, stateOf(t, m.c))
		require.NoError(t, m.Close())

		cfg.GuestKeeps = true
		m = startOther(t, q, cfg)
		m.add(m.vm.AddMemory(m.ctx, dimm(128*mib)))
		err := errorOf(m.vm.RemoveMemory(m.ctx, "dimm1"))
		require.ErrorIs(t, err, hotplug.ErrUnplugRefused)
	})
}

// TestMachineS390x has channel devices. It removes no PCI device: that ends QEMU, sometimes.
func TestMachineS390x(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startOther(t, q, qemutest.Config{Target: "s390x", Machine: "s390-ccw-virtio", Guest: true, Args: []string{"-smp", "1,maxcpus=3", "-m", "512M,maxmem=2G"}})
		ctx, vm := m.ctx, m.vm
		m.supports(map[hotplug.Kind]bool{hotplug.Disks: true, hotplug.NICs: true, hotplug.MemoryDevices: true, hotplug.CPUs: false})
		m.unsupported(func() error {
			return vm.AddMemory(ctx, hotplug.Memory{ID: "m", Driver: "pc-dimm", Backend: hotplug.RAM{Size: 128 * mib}})
		},
			`set Driver to "virtio-mem-ccw"`)
		empty := stateOf(t, m.c)
		m.add(vm.AddMemory(ctx, dimm(256*mib)))
		info, err := vm.DeviceInfo(ctx, "dimm1")
		require.NoError(t, err)
		require.Equal(t, "virtio-mem-ccw", info.Driver)
		m.add(errorOf(vm.RemoveMemory(ctx, "dimm1"))) // this guest has no driver for it
		require.Equal(t, empty, stateOf(t, m.c))

		disk := m.disk("disk1")
		disk.Props = qmp.Args{"devno": "fe.0.0007"}
		m.add(vm.AddDisk(ctx, disk))
		m.uses("disk1")
		m.sees(`^blk=vda net=lo`)
		info, err = vm.DeviceInfo(ctx, "disk1")
		require.NoError(t, err)
		require.Equal(t, "virtio-blk-ccw", info.Driver)
		require.Equal(t, "virtual-css", info.Bus)
		require.Equal(t, "fe.0.0007", info.DeviceNumber)
		require.Nil(t, info.PCI)
		before := stateOf(t, m.c)
		taken := m.disk("disk2")
		taken.Props = qmp.Args{"devno": "fe.0.0007"}
		m.refused(vm.AddDisk(ctx, taken), before)

		m.add(vm.AddNIC(ctx, m.nic("nic1")))
		m.sees(`^blk=vda net=eth0 lo`)
		require.ErrorIs(t, vm.WaitGuest(ctx, "nic1"), errors.ErrUnsupported)
		m.add(errorOf(vm.RemoveNIC(ctx, "nic1")))
		m.add(errorOf(vm.RemoveDisk(ctx, "disk1")))
		m.sees(`^blk= net=lo`)
		require.Equal(t, empty, stateOf(t, m.c))

		_, err = vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"})
		m.add(err)
		m.uses("cpu1")
		m.sees(`^cpus=2 `)
		m.unsupported(func() error { return vm.RemoveCPU(ctx, "cpu1") }, "QEMU cannot remove CPUs of an s390x")
		m.unsupported(func() error { return errorOf(vm.RemoveDevice(ctx, "cpu1")) }, "QEMU cannot remove CPUs of an s390x")
	})
}

// TestMachineS390xWithoutPCI has a PCI disk that no guest will ever release.
func TestMachineS390xWithoutPCI(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startOther(t, q, qemutest.Config{Target: "s390x", Machine: "s390-ccw-virtio", Args: []string{"-cpu", "max,zpci=off", "-S"}})
		disk := m.disk("disk1")
		disk.Driver = "virtio-blk-pci"
		m.add(m.vm.AddDisk(m.ctx, disk))
		err := errorOf(m.vm.RemoveDisk(m.ctx, "disk1"))
		require.ErrorIs(t, err, hotplug.ErrUnplugPending)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	})
}

// TestMachinePseries has a guest whose kernel takes memory and CPUs, but no PCI device, without its user space. CPUs come
// last: before QEMU 11 under TCG, the next device after a removed CPU ends QEMU, so no CPU is removed there.
func TestMachinePseries(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startOther(t, q, qemutest.Config{Target: "ppc64", Machine: "pseries", Guest: true, Args: []string{
			"-smp", "1,maxcpus=4", "-m", "512,slots=4,maxmem=2G"}})
		ctx, vm := m.ctx, m.vm
		removes := q.AtLeast(11, 0)
		m.supports(map[hotplug.Kind]bool{hotplug.Disks: true, hotplug.NICs: true, hotplug.MemoryDevices: true, hotplug.CPUs: removes})
		empty := stateOf(t, m.c)
		m.refused(vm.AddMemory(ctx, dimm(128*mib)), empty)
		m.add(vm.AddMemory(ctx, dimm(256*mib)))
		m.sees(`mem=7\d\d$`)
		require.ErrorIs(t, vm.WaitGuest(ctx, "dimm1"), errors.ErrUnsupported)
		m.add(errorOf(vm.RemoveMemory(ctx, "dimm1")))
		m.sees(`mem=4\d\d$`)

		m.add(vm.AddDisk(ctx, m.disk("disk1")))
		m.unseen("disk1")
		m.add(errorOf(vm.RemoveDisk(ctx, "disk1")))
		require.Equal(t, empty, stateOf(t, m.c))

		_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"})
		m.add(err)
		m.sees(`^cpus=2 `)
		if removes {
			m.add(vm.RemoveCPU(ctx, "cpu1"))
			m.sees(`^cpus=1 `)
			return
		}
		m.unsupported(func() error { return vm.RemoveCPU(ctx, "cpu1") }, "may not survive the removal of a CPU")
	})
}

// unseen checks that the guest does not use a device.
func (m *otherMachine) unseen(id string) {
	m.t.Helper()
	short, cancel := context.WithTimeout(m.ctx, 2*time.Second)
	defer cancel()
	err := m.vm.WaitGuest(short, id)
	require.ErrorIs(m.t, err, hotplug.ErrGuestPending)
	require.ErrorIs(m.t, err, context.DeadlineExceeded)
}

// TestMachineRISCV64 has a guest without PCI hotplug, but with SCSI.
func TestMachineRISCV64(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startOther(t, q, qemutest.Config{Target: "riscv64", Machine: "virt", Guest: true, Args: []string{"-device", "virtio-scsi-pci,id=sc"}})
		ctx, vm := m.ctx, m.vm
		m.supports(map[hotplug.Kind]bool{hotplug.Disks: true, hotplug.NICs: true, hotplug.MemoryDevices: false})
		m.noCPUs()
		m.unsupported(func() error { return vm.AddMemory(ctx, dimm(128*mib)) }, "QEMU has no pc-dimm for riscv64")
		empty := stateOf(t, m.c)
		disk := m.disk("disk1")
		disk.Bus = "rp1"
		m.add(vm.AddDisk(ctx, disk))
		m.unseen("disk1")
		m.add(errorOf(vm.RemoveDisk(ctx, "disk1")))
		scsi := m.disk("disk2")
		scsi.Driver, scsi.Bus = "scsi-hd", "sc.0"
		m.add(vm.AddDisk(ctx, scsi))
		m.uses("disk2")
		m.sees(`^blk=sda net=lo`)
		m.add(errorOf(vm.RemoveDisk(ctx, "disk2")))
		m.sees(`^blk= net=lo`)
		require.Equal(t, empty, stateOf(t, m.c))
	})
}

// TestMachineMicroVM has no PCI.
func TestMachineMicroVM(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startOther(t, q, qemutest.Config{Machine: "microvm", Guest: true, Args: []string{"-device", "virtio-scsi-device,id=sc"}})
		ctx, vm := m.ctx, m.vm
		m.supports(map[hotplug.Kind]bool{hotplug.Disks: true, hotplug.NICs: false, hotplug.MemoryDevices: false})
		m.noCPUs()
		m.unsupported(func() error { return vm.AddMemory(ctx, dimm(128*mib)) }, "machine has no slots for memory")
		m.unsupported(func() error { return vm.AddDisk(ctx, m.disk("disk1")) }, `set Driver to "scsi-hd"`)
		m.unsupported(func() error { return vm.AddNIC(ctx, m.nic("nic1")) }, "machine has no PCI bus")
		empty := stateOf(t, m.c)
		disk := m.disk("disk1")
		disk.Driver = "scsi-hd"
		m.add(vm.AddDisk(ctx, disk))
		m.uses("disk1")
		m.sees(`^blk=sda net=lo`)
		m.add(errorOf(vm.RemoveDisk(ctx, "disk1")))
		m.sees(`^blk= net=lo`)
		require.Equal(t, empty, stateOf(t, m.c))
	})
}
