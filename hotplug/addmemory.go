package hotplug

import (
	"context"
	"fmt"
)

// AddMemory adds memory: an object that has it (object-add) and a device (device_add). When it
// returns the guest is being told of it; how a Linux guest uses it is decided by its kernel
// parameter memhp_default_state: with "online_movable" it can give it back.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use, by a device or an object.
func (vm *VM) AddMemory(ctx context.Context, m Memory) error {
	return vm.adding(ctx, "memory", m.ID, func(undo *rollback) error { return vm.addMemory(ctx, undo, &m) })
}

func (vm *VM) addMemory(ctx context.Context, undo *rollback, m *Memory) error {
	if err := m.check(); err != nil {
		return err
	}
	if err := vm.checkNoDevice(ctx, m.ID); err != nil {
		return err
	}
	kind, err := vm.objectType(ctx, m.ID)
	if err != nil {
		return err
	}
	if kind != "" {
		return fmt.Errorf("%w: an object %s (%s) without a device", ErrExists, m.ID, kind)
	}
	err = undo.step("memory backend "+m.ID,
		func() error { return m.object().Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.removeBackend(ctx, m.ID) })
	if err != nil {
		return err
	}
	return undo.step("device "+m.ID,
		func() error { return m.device().Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.unplugMemory(ctx, m.ID) })
}
