package hotplug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// refusalGrace is how long a device may take to go after QEMU has refused to ask the guest for
// it: usually because the guest was asked a moment ago, which takes it 6 seconds at most.
const refusalGrace = 8 * time.Second

// devicePath is the place of a device that has an id in QEMU's tree of objects.
func devicePath(id string) string { return "/machine/peripheral/" + id }

// property reads a property of a device into value. There may be no device of this id, or none
// with this property.
func (vm *VM) property(ctx context.Context, id, name string, value any) (device, has bool, err error) {
	raw, err := qemu.QOMGet{Path: devicePath(id), Property: name}.Do(ctx, vm.conn)
	switch {
	case err == nil:
		return true, json.Unmarshal(raw, value) == nil, nil
	case errors.Is(err, qmp.ErrDeviceNotFound):
		return false, false, nil
	case refused(err):
		return true, false, nil
	}
	return false, false, err
}

// deviceExists tells whether there is a device with this id.
func (vm *VM) deviceExists(ctx context.Context, id string) (bool, error) {
	var kind string
	device, _, err := vm.property(ctx, id, "type", &kind)
	return device, err
}

// neverUnplugged tells whether a device cannot be unplugged at all, because of what it is or of
// the bus that it is on.
func (vm *VM) neverUnplugged(ctx context.Context, id string) bool {
	var hotpluggable bool
	_, has, err := vm.property(ctx, id, "hotpluggable", &hotpluggable)
	return err == nil && has && !hotpluggable
}

// unplug removes a device, which may be gone already: it asks the guest to let go of it and
// waits until that has happened.
func (vm *VM) unplug(ctx context.Context, id string) error {
	return vm.unplugAs(ctx, id, anyDevice)
}

// unplugAs is unplug for a device of this kind.
func (vm *VM) unplugAs(ctx context.Context, id string, k kind) error {
	events := vm.conn.Events(answers...) // before device_del causes any
	defer events.Close()

	err := qemu.DeviceDel{ID: id}.Do(ctx, vm.conn)
	switch {
	case err == nil:
		return vm.awaitAsking(ctx, events, id, k)
	case errors.Is(err, qmp.ErrDeviceNotFound):
		return nil
	case refused(err) && vm.neverUnplugged(ctx, id):
		return err
	case refused(err):
		short, cancel := context.WithTimeout(ctx, refusalGrace)
		defer cancel()
		waited := vm.awaitUnplug(short, events, id, k)
		if errors.Is(waited, ErrUnplugPending) && ctx.Err() == nil {
			return err // it meant it
		}
		return waited
	case errors.Is(err, qmp.ErrOutcomeUnknown) && ctx.Err() != nil:
		return pending(err)
	}
	return err
}

// pending is the error of an unplug that err, with which the context ended, has cut off.
func pending(err error) error { return fmt.Errorf("%w: %w", ErrUnplugPending, err) }

// lookLimit is how long it may take to look whether a device is there, for a caller whose
// context has ended.
const lookLimit = time.Second

// stillPending is pending, unless the device has gone while the context ended.
func (vm *VM) stillPending(ctx context.Context, id string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	if exists, lookErr := vm.deviceExists(ctx, id); lookErr == nil && !exists {
		return nil
	}
	return pending(err)
}

// awaitAsking waits until the guest has answered for this device, and asks again where that helps.
func (vm *VM) awaitAsking(ctx context.Context, events qmp.EventStream, id string, k kind) error {
	for k.again > 0 {
		short, cancel := context.WithTimeout(ctx, k.again)
		waited := vm.awaitUnplug(short, events, id, k)
		cancel()
		if !errors.Is(waited, ErrUnplugPending) || ctx.Err() != nil {
			return waited
		}
		err := qemu.DeviceDel{ID: id}.Do(ctx, vm.conn)
		switch {
		case errors.Is(err, qmp.ErrDeviceNotFound):
			return nil
		case err != nil && ctx.Err() != nil:
			return pending(err)
		case err != nil && !refused(err): // a refusal is of the second request, not of the first
			return err
		}
	}
	return vm.awaitUnplug(ctx, events, id, k)
}

// awaitUnplug waits until the guest has answered for this device.
func (vm *VM) awaitUnplug(ctx context.Context, events qmp.EventStream, id string, k kind) error {
	for {
		raw, err := events.Next(ctx)
		switch {
		case errors.Is(err, qmp.ErrEventsLost):
			// One of those may have been it.
			if exists, err := vm.deviceExists(ctx, id); err != nil || !exists {
				return err
			}
			continue
		case err != nil && ctx.Err() != nil:
			return vm.stillPending(ctx, id, err)
		case err != nil:
			return err
		}
		switch k.answer(raw, id) {
		case gone:
			return nil
		case refusal:
			return ErrUnplugRefused
		case partGone:
			if exists, err := vm.isCPU(ctx, id); err != nil || !exists {
				return err
			}
		}
	}
}
