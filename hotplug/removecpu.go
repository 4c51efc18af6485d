package hotplug

import (
	"context"
	"fmt"
)

// RemoveCPU removes a CPU that AddCPU has added, in whatever process that was: it asks the guest
// to let go of it and waits until it has, for as long as ctx allows. A Linux guest needs 0.1
// seconds. A CPU that QEMU was started with has no ID and stays.
//
// A CPU that is gone already is no error. A device that is no CPU is [ErrNotCPU]. With
// [ErrUnplugPending] the guest has not answered, with [ErrUnplugRefused] it does not want to; the
// CPU is as it was, and RemoveCPU can be called again.
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
