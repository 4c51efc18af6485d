package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrGuestPending means that the context ended before the guest has used a new device. The device works if the guest
// finds it later. The error also matches the context's error.
var ErrGuestPending = errors.New("guest has not used the device yet")

// signInterval is how often WaitGuest asks QEMU.
const signInterval = 100 * time.Millisecond

// WaitGuest waits until the guest uses a device that was added. AddDisk and the other methods return when QEMU has told
// the guest; a guest that still boots or has no driver does not use the device. QEMU has no event for this, so WaitGuest
// looks for a sign every 0.1 seconds. The firmware of a machine gives the same signs while it boots. The sign depends on
// the device:
//
//   - PCI: the guest has mapped the memory of the device. A guest does so when it sets the device up.
//   - a disk: the guest has read it. A Linux guest looks for partitions.
//   - memory and a CPU, on a machine with ACPI: the guest has accepted it (_OST).
//   - a CPU of an s390x: the guest has started it.
//
// WaitGuest returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such device, or it was removed.
//   - [ErrGuestPending]: ctx ended first; give ctx a deadline.
//   - [ErrGuestRefused]: the guest refused the memory or the CPU.
//   - [errors.ErrUnsupported]: QEMU has no sign for this device, for example for a NIC of an s390x, or for memory and
//     CPUs of a pseries.
//
// Source: query-pci, query-blockstats, query-acpi-ospm-status, query-cpus-fast.
func (vm *VM) WaitGuest(ctx context.Context, id string) error {
	err := vm.made()
	if err == nil {
		err = checkID(id)
	}
	if err == nil {
		err = vm.waitGuest(ctx, id)
	}
	return failed(fmt.Sprintf("wait for the guest to use device %q", id), err)
}

// ErrGuestRefused means that the guest refused memory or a CPU that was added.
var ErrGuestRefused = errors.New("guest refused the device")

func (vm *VM) waitGuest(ctx context.Context, id string) error {
	for {
		seen, err := vm.guestSign(ctx, id)
		switch {
		case err != nil && ctx.Err() != nil && !refused(err):
			return fmt.Errorf("%w: %w", ErrGuestPending, wait.Err(ctx))
		case err != nil || seen:
			return err
		}
		select {
		case <-time.After(signInterval):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrGuestPending, wait.Err(ctx))
		}
	}
}

// guestSign reports whether QEMU has a sign that the guest uses a device.
func (vm *VM) guestSign(ctx context.Context, id string) (seen bool, err error) {
	exists, err := vm.deviceExists(ctx, id)
	if err != nil {
		return false, err
	}
	if !exists {
		return false, errNoDevice
	}
	known := false
	for _, sign := range []func(ctx context.Context, id string) (known, seen bool, err error){
		vm.mapped, vm.read, vm.accepted, vm.operating,
	} {
		has, seen, err := sign(ctx, id)
		if seen || err != nil {
			return seen, err
		}
		known = known || has
	}
	if !known {
		return false, because(errors.ErrUnsupported, "QEMU has no sign that a guest uses this device")
	}
	return false, nil
}

// mapped reports whether a PCI device has a region, and whether the guest has mapped one. Guests of an s390x map none.
func (vm *VM) mapped(ctx context.Context, id string) (known, seen bool, err error) {
	if _, pci, err := vm.pciAddress(ctx, devicePath(id)); err != nil || !pci {
		return false, false, err
	}
	buses, err := qemu.QueryPCI{}.Do(ctx, vm.conn)
	if err != nil {
		return false, false, err
	}
	for _, bus := range buses {
		if device := findPCI(bus.Devices, id); device != nil {
			seen = slices.ContainsFunc(device.Regions, func(r qemu.PCIMemoryRegion) bool { return r.Address != -1 })
			if target, err := vm.target(ctx); err != nil || target == qemu.SysEmuTargetS390x {
				return false, false, err
			}
			return len(device.Regions) > 0, seen, nil
		}
	}
	// query-pci does not list what is behind a bridge that the guest has not set up.
	return true, false, nil
}

// findPCI finds a device among these, and behind bridges among these.
func findPCI(devices []qemu.PCIDeviceInfo, id string) *qemu.PCIDeviceInfo {
	for i := range devices {
		if devices[i].QdevID == id {
			return &devices[i]
		}
		if bridge := devices[i].PCIBridge; bridge != nil {
			if found := findPCI(bridge.Devices, id); found != nil {
				return found
			}
		}
	}
	return nil
}

// read reports whether a device is a disk, and whether the guest has read it.
func (vm *VM) read(ctx context.Context, id string) (known, seen bool, err error) {
	all, err := qemu.QueryBlockStats{}.Do(ctx, vm.conn)
	for _, stats := range all {
		if isDriveOf(id, stats.Qdev) {
			return true, stats.Stats.RdOperations > 0, err
		}
	}
	return false, false, err
}

// deviceCheck is the source event in _OST when the machine has told the guest about a new device.
const deviceCheck = 1

// accepted reports whether a device is memory or a CPU of a machine with ACPI, and whether the guest has accepted it.
func (vm *VM) accepted(ctx context.Context, id string) (known, seen bool, err error) {
	slots, err := qemu.QueryACPIOSPMStatus{}.Do(ctx, vm.conn)
	if refused(err) {
		return false, false, nil
	}
	for _, slot := range slots {
		if qmp.Value(slot.Device) != id {
			continue
		}
		if slot.Source == deviceCheck && slot.Status != 0 {
			return true, false, ErrGuestRefused
		}
		return true, slot.Source != 0, nil
	}
	if err != nil {
		return false, false, err
	}
	// QEMU lists CPUs when the guest has begun to look at them.
	if known, err = vm.isCPU(ctx, id); refused(err) {
		err = nil
	}
	return known, false, err
}

// operating reports whether a device is a CPU of an s390x, and whether the guest has started it.
func (vm *VM) operating(ctx context.Context, id string) (known, seen bool, err error) {
	if target, err := vm.target(ctx); err != nil || target != qemu.SysEmuTargetS390x {
		return false, false, err
	}
	cpus, err := qemu.QueryCPUsFast{}.Do(ctx, vm.conn)
	for _, cpu := range cpus {
		if own, ok := cpu.Branch.(*qemu.CPUInfoS390); ok && cpu.QOMPath == devicePath(id) {
			return true, own.CPUState == qemu.S390CPUStateOperating, err
		}
	}
	return false, false, err
}
