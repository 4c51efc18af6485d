package hotplug

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

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
