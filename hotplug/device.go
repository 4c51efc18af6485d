package hotplug

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// refusalGrace is how long a device may take to go after QEMU has refused to ask the guest for
// it: usually because the guest was asked a moment ago, which takes it 6 seconds at most.
const refusalGrace = 8 * time.Second

// The two answers of a guest that was asked to let go of a device.
var (
	deviceDeleted = (*qemu.DeviceDeletedEvent)(nil).EventName()
	unplugRefused = (*qemu.DeviceUnplugGuestErrorEvent)(nil).EventName()
)

// devicePath is the place of a device that has an id in QEMU's tree of objects.
func devicePath(id string) string { return "/machine/peripheral/" + id }

// hasProperty tells whether there is a device with this id, and whether it has the property.
func (vm *VM) hasProperty(ctx context.Context, id, property string) (device, has bool, err error) {
	_, err = qemu.QOMGet{Path: devicePath(id), Property: property}.Do(ctx, vm.conn)
	switch {
	case err == nil:
		return true, true, nil
	case errors.Is(err, qmp.ErrDeviceNotFound):
		return false, false, nil
	case refused(err):
		return true, false, nil
	}
	return false, false, err
}

// deviceExists tells whether there is a device with this id.
func (vm *VM) deviceExists(ctx context.Context, id string) (bool, error) {
	device, _, err := vm.hasProperty(ctx, id, "type")
	return device, err
}

// unplug removes a device, which may be gone already: it asks the guest to let go of it and
// waits until that has happened.
func (vm *VM) unplug(ctx context.Context, id string) error {
	events := vm.conn.Events(deviceDeleted, unplugRefused) // before device_del causes any
	defer events.Close()

	err := qemu.DeviceDel{ID: id}.Do(ctx, vm.conn)
	switch {
	case err == nil:
		return vm.awaitUnplug(ctx, events, id)
	case errors.Is(err, qmp.ErrDeviceNotFound):
		return nil
	case refused(err):
		short, cancel := context.WithTimeout(ctx, refusalGrace)
		defer cancel()
		waited := vm.awaitUnplug(short, events, id)
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

// awaitUnplug waits until the guest has answered for this device.
func (vm *VM) awaitUnplug(ctx context.Context, events qmp.EventStream, id string) error {
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
			return pending(err)
		case err != nil:
			return err
		}
		if !concerns(raw, id) {
			continue
		}
		if raw.Name == unplugRefused {
			return ErrUnplugRefused
		}
		return nil
	}
}

// concerns tells whether an event is about the device, not about a part of it: these have
// paths of their own, and no ids.
func concerns(raw qmp.RawEvent, id string) bool {
	var data qemu.DeviceDeletedEvent // the other event's members are the same
	if qmp.DecodeEventData(raw.Data, &data) != nil {
		return false
	}
	return qmp.Value(data.Device) == id || data.Path == devicePath(id)
}
