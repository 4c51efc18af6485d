package hotplug

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
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
	if err := vm.nameSlot(ctx, &device); err != nil {
		return err
	}
	return undo.step("device "+id,
		func() error { return device.Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.unplug(ctx, id) })
}

// busyGrace is how long what a device used may stay in use after the device is gone. QEMU lets go
// of it when no virtual CPU looks at the device's memory any more: at once with KVM, but under
// TCG a CPU that does nothing has taken seconds. What uses it otherwise (a block job, an export)
// does not end by itself, so the wait must.
const busyGrace = 10 * time.Second

// The time between two attempts to remove what is in use: the first and the longest.
const (
	busyRetry    = 10 * time.Millisecond
	maxBusyRetry = 160 * time.Millisecond
)

// removeBusy removes what may be gone already, and waits a while for its users to leave. When
// QEMU refuses, exists tells whether it is there: the text of the error would tell too, but
// differs from version to version.
func removeBusy(ctx context.Context, remove func() error, exists func() (bool, error)) error {
	pause := busyRetry
	for deadline := time.Now().Add(busyGrace); ; pause = min(2*pause, maxBusyRetry) {
		err := remove()
		if !refused(err) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		there, lookErr := exists()
		if lookErr != nil {
			return errors.Join(err, lookErr)
		}
		if !there {
			return nil
		}
		if !time.Now().Before(deadline) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, wait.Err(ctx))
		}
	}
}
