package hotplug

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// adding does an operation that adds what, which has this ID, in the VM's turn: steps does it, and
// what it has done when it fails is undone.
func (vm *VM) adding(ctx context.Context, what, id string, steps func(undo *rollback) error) error {
	end, err := vm.begin(ctx)
	if err == nil {
		defer end()
		var undo rollback
		if err = steps(&undo); err != nil {
			err = undo.run(ctx, err)
		}
	}
	if err != nil {
		return fmt.Errorf("hotplug: %s %q is not added: %w", what, id, err)
	}
	return nil
}

// removing does an operation that removes what, in the VM's turn.
func (vm *VM) removing(ctx context.Context, what, id string, remove func() error) error {
	end, err := vm.begin(ctx)
	if err == nil {
		defer end()
		err = remove()
	}
	if err != nil {
		return fmt.Errorf("hotplug: %s %q is not removed: %w", what, id, err)
	}
	return nil
}

// plug adds the device, as the step of an operation after which nothing can fail: to undo it takes
// the guest.
func (vm *VM) plug(ctx context.Context, undo *rollback, device qemu.DeviceAdd) error {
	id := qmp.Value(device.ID)
	if err := vm.placeOnPort(ctx, &device); err != nil {
		return err
	}
	return undo.step("device "+id,
		func() error { return device.Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.unplug(ctx, id) })
}
