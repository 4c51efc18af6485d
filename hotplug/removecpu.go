package hotplug

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// RemoveCPU hot-removes a CPU that AddCPU added, in any process. It asks the guest to release the
// CPU and waits until it has, the guest refuses, or ctx ends. A Linux guest takes about 0.1 seconds.
// A CPU that QEMU was started with has no ID and cannot be removed. Removing a CPU that is gone is
// not an error.
//
// Without KVM, QEMU 5.2 and 7.2 corrupt their memory when a CPU is unplugged, and end at one of the
// next commands. RemoveCPU sends nothing to a QEMU before 10.0 without KVM.
//
// RemoveCPU returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest answered. Call it again.
//   - [ErrUnplugRefused]: the guest refused. The CPU works as before.
//   - [ErrNotCPU]: the device is not a CPU.
//   - [errors.ErrUnsupported]: QEMU is older than 10.0 and does not use KVM.
//
// Source: device_del, DEVICE_DELETED and ACPI_DEVICE_OST.
func (vm *VM) RemoveCPU(ctx context.Context, id string) error {
	return vm.removing(ctx, "CPU", id, func() error { return vm.removeCPU(ctx, id) })
}

func (vm *VM) removeCPU(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, err := vm.deviceExists(ctx, id)
	if err != nil || !device {
		return err
	}
	cpu, err := vm.isCPU(ctx, id)
	if err != nil {
		return err
	}
	if !cpu {
		return fmt.Errorf("%w: device %s", ErrNotCPU, id)
	}
	return vm.unplugAs(ctx, id, aCPU)
}

// checkCPURemoval makes sure that QEMU survives the removal of a CPU. No schema tells: the fault was
// found on 5.2 and 7.2 under TCG, and not on 10.0 and 11.1. Those in between were not tried.
func checkCPURemoval(ctx context.Context, vm *VM) error {
	version, err := vm.version(ctx)
	if err != nil || version.Major >= 10 {
		return err
	}
	//lint:ignore SA1019 QEMU before 10 has no other command for this
	kvm, err := qemu.QueryKVM{}.Do(ctx, vm.conn)
	if err == nil && !kvm.Enabled {
		err = fmt.Errorf("%w: QEMU %v without KVM may not survive the removal of a CPU", errors.ErrUnsupported, version)
	}
	return err
}
