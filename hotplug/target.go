package hotplug

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// target returns the architecture of the machine. It is empty for a QEMU that is too old to say.
func (vm *VM) target(ctx context.Context) (qemu.SysEmuTarget, error) {
	return vm.targetAnswer.Get(ctx, func() (qemu.SysEmuTarget, error) {
		info, err := qemu.QueryTarget{}.Do(ctx, vm.conn)
		if errors.Is(err, errors.ErrUnsupported) {
			err = nil
		}
		return info.Arch, err
	})
}

// The buses of virtio devices are the ends of the names of their drivers.
const (
	pciDriver = "-pci"
	ccwDriver = "-ccw" // channel I/O of an s390x
)

// channelBus is the bus of all channel devices.
const channelBus = "virtual-css"

// chooseDriver sets a driver that the caller has left empty. pci is the default of a machine with PCI. An s390x uses
// channel devices: its guest may have no PCI, and QEMU can terminate after a PCI device was removed.
func (vm *VM) chooseDriver(ctx context.Context, driver *string, pci string) error {
	if *driver != "" {
		return nil
	}
	if !strings.HasSuffix(pci, pciDriver) { // for another bus, the same everywhere
		*driver = pci
		return nil
	}
	target, err := vm.target(ctx)
	if err != nil {
		return err
	}
	*driver, err = defaultDriver(target, pci)
	return err
}

// defaultDriver returns the driver for a target. pci is the one of a machine with PCI.
func defaultDriver(target qemu.SysEmuTarget, pci string) (string, error) {
	if target != qemu.SysEmuTargetS390x || !strings.HasSuffix(pci, pciDriver) {
		return pci, nil
	}
	if strings.HasPrefix(pci, vhostUserDriver) {
		return "", because(errors.ErrUnsupported,
			"s390x has no channel device for a vhost-user disk; set Driver to %q if the guest has PCI", pci)
	}
	return strings.TrimSuffix(pci, pciDriver) + ccwDriver, nil
}

// whyNoPCI replaces the text of the error of QEMU that refused a PCI device, if the machine has no PCI. advice says what
// works there.
func (vm *VM) whyNoPCI(ctx context.Context, driver, advice string, err error) error {
	if !refused(err) || errors.Is(err, ErrExists) || !strings.HasSuffix(driver, pciDriver) {
		return err
	}
	switch has, lookErr := vm.hasPCI(ctx); {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case has:
		return err
	}
	return because(errors.Join(errors.ErrUnsupported, err), "machine has no PCI bus for a %s; %s", driver, advice)
}

const (
	diskWithoutPCI   = `set Driver to "scsi-hd": QEMU must have been started with a controller, for example -device virtio-scsi-device`
	deviceWithoutPCI = "set Driver to one for a bus that the machine has: SCSI, USB or virtio-serial"
	nicWithoutPCI    = "QEMU can only have a NIC there that it was started with"
)

// hasPCI reports whether the machine has a PCI bus, with or without devices.
func (vm *VM) hasPCI(ctx context.Context) (bool, error) {
	buses, err := qemu.QueryPCI{}.Do(ctx, vm.conn)
	if refused(err) {
		return false, nil
	}
	return len(buses) > 0, err
}

// neverReleased returns an error if the guest of an s390x machine can never release a device, because the device is on a
// PCI bus and the CPUs have no instructions for PCI. QEMU takes such a device and asks the guest to release it.
func (vm *VM) neverReleased(ctx context.Context, id string) error {
	if target, err := vm.target(ctx); err != nil || target != qemu.SysEmuTargetS390x {
		return nil
	}
	if _, pci, err := vm.pciAddress(ctx, devicePath(id)); err != nil || !pci {
		return nil
	}
	cpus, err := qemu.QueryCPUsFast{}.Do(ctx, vm.conn)
	if err != nil || len(cpus) == 0 {
		return nil
	}
	zpci := true
	if _, err := vm.objectProperty(ctx, cpus[0].QOMPath, "zpci", &zpci); err != nil || zpci {
		return nil
	}
	return because(errors.ErrUnsupported, "guest has no PCI: the feature zpci of its CPUs is off")
}

// checkCPURemoval makes sure that QEMU can remove a CPU and survives that. The schema does not show the faults: they were
// found on 5.2 and 7.2 under TCG, on a pseries also on 10.0, but not on 10.0 and 11.1 otherwise. The versions between
// were not tried.
func checkCPURemoval(ctx context.Context, vm *VM) error {
	target, err := vm.target(ctx)
	if err != nil {
		return err
	}
	if target == qemu.SysEmuTargetS390x {
		return because(errors.ErrUnsupported, "QEMU cannot remove CPUs of an s390x")
	}
	good := 10
	if target == qemu.SysEmuTargetPPC64 {
		good = 11
	}
	version, err := vm.version(ctx)
	if err != nil || version.Major >= good {
		return err
	}
	//lint:ignore SA1019 QEMU before 10 has no other command for this
	kvm, err := qemu.QueryKVM{}.Do(ctx, vm.conn)
	if err == nil && !kvm.Enabled {
		err = because(errors.ErrUnsupported, "QEMU %v without KVM may not survive the removal of a CPU", version)
	}
	return err
}

// cpuPlaces returns the places for CPUs.
func (vm *VM) cpuPlaces(ctx context.Context) ([]qemu.HotpluggableCPU, error) {
	places, err := qemu.QueryHotpluggableCPUs{}.Do(ctx, vm.conn)
	if refused(err) && !errors.Is(err, errors.ErrUnsupported) {
		err = because(errors.Join(errors.ErrUnsupported, err), "machine cannot get CPUs while it runs; start QEMU with all of them (-smp)")
	}
	return places, err
}

// checkMemoryDriver makes sure that the machine can get memory of this kind while it runs. Once it can, it always can.
func (vm *VM) checkMemoryDriver(ctx context.Context, driver string) error {
	if _, known := vm.memoryDrivers.Load(driver); known {
		return nil
	}
	err := vm.checkMemoryType(ctx, driver)
	if err == nil && (driver == defaultMemoryDriver || driver == "nvdimm") {
		err = vm.checkDIMMs(ctx)
	}
	if err == nil {
		vm.memoryDrivers.Store(driver, true)
	}
	return err
}

// defaultMemory returns the driver for memory if the caller has not chosen one: a DIMM, or a channel device if the machine
// takes only that.
func (vm *VM) defaultMemory(ctx context.Context) (string, error) {
	return vm.memoryDriver.Get(ctx, func() (string, error) {
		err := vm.checkMemoryDriver(ctx, defaultMemoryDriver)
		if !errors.Is(err, errors.ErrUnsupported) {
			return defaultMemoryDriver, err
		}
		other, lookErr := vm.virtioMem(ctx)
		if lookErr == nil && strings.HasSuffix(other, ccwDriver) {
			return other, nil
		}
		return "", errors.Join(err, lookErr)
	})
}

// checkMemoryType returns an error if QEMU does not have a driver of memory. The error names another one, if that can
// take its place.
func (vm *VM) checkMemoryType(ctx context.Context, driver string) error {
	if types, err := vm.implementing(ctx, driver); err != nil || types[driver] {
		return err
	}
	target, err := vm.target(ctx)
	if err != nil {
		return err
	}
	other, err := vm.virtioMem(ctx)
	switch {
	case err != nil:
		return err
	case other != "":
		return because(errors.ErrUnsupported, "QEMU has no %s for %s; set Driver to %q", driver, target, other)
	}
	return because(errors.ErrUnsupported, "QEMU has no %s for %s; start it with all memory (-m)", driver, target)
}

// virtioMem returns the driver for memory that a guest gets without ACPI, or "" if QEMU or the machine has none.
func (vm *VM) virtioMem(ctx context.Context) (string, error) {
	types, err := vm.implementing(ctx, "memory-device")
	if err != nil {
		return "", err
	}
	for _, driver := range []string{virtioMem + ccwDriver, virtioMem + pciDriver} {
		if !types[driver] {
			continue
		}
		if strings.HasSuffix(driver, pciDriver) {
			if pci, err := vm.hasPCI(ctx); err != nil || !pci {
				return "", err
			}
		}
		return driver, nil
	}
	return "", nil
}

const virtioMem = "virtio-mem"

// checkDIMMs returns an error if the machine cannot tell its guest about new DIMMs. All machines do so by ACPI, except a
// pseries.
func (vm *VM) checkDIMMs(ctx context.Context) error {
	slots, err := qemu.QueryACPIOSPMStatus{}.Do(ctx, vm.conn)
	switch {
	case err == nil && !slices.ContainsFunc(slots, func(s qemu.ACPIOSTInfo) bool { return s.SlotType == qemu.ACPISlotTypeDIMM }):
		return because(errors.ErrUnsupported, "machine has no slots for memory; "+
			"start QEMU with -m SIZE,slots=NUMBER,maxmem=SIZE, on another machine than microvm")
	case !refused(err):
		return err
	}
	target, err := vm.target(ctx)
	if err != nil || target == qemu.SysEmuTargetPPC64 {
		return err
	}
	return because(errors.ErrUnsupported, "machine cannot tell its guest about a DIMM, because it has no ACPI; "+
		"start QEMU with acpi=on and, on aarch64, UEFI firmware, or set Driver to %q", virtioMem+pciDriver)
}

// checkMachine returns an error if the machine cannot get devices of a kind.
func (vm *VM) checkMachine(ctx context.Context, kind Kind) error {
	switch kind {
	case CPUs:
		if _, err := vm.cpuPlaces(ctx); err != nil {
			return err
		}
		return checkCPURemoval(ctx, vm)
	case NICs:
		if pci, err := vm.hasPCI(ctx); err != nil || pci {
			return err
		}
		return because(errors.ErrUnsupported, "machine has no PCI bus; "+nicWithoutPCI)
	case MemoryDevices:
		err := vm.checkMemoryDriver(ctx, defaultMemoryDriver)
		if _, known := errors.AsType[*reason](err); !known {
			return err
		}
		other, lookErr := vm.virtioMem(ctx)
		if lookErr != nil || other != "" {
			return lookErr
		}
		return err
	}
	return nil
}
