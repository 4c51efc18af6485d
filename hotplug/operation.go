package hotplug

import (
	"context"
	"fmt"
	"path"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// operate does an operation on the thing with this ID. It waits until no other operation has one of the keys: that of
// the ID, and further ones.
func (vm *VM) operate(ctx context.Context, operation, id string, run func() error, keys ...wait.Key) error {
	end, err := vm.begin(ctx, append(keys, wait.Key{Name: id})...)
	if err == nil {
		defer end()
		err = run()
	}
	return failed(fmt.Sprintf("%s %q", operation, id), err)
}

// failed adds the operation to its error, if there is one.
func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("hotplug: %s: %w", operation, err)
}

// adding does an operation that adds something. If steps fails, adding undoes the steps that were done.
func (vm *VM) adding(ctx context.Context, what, id string, steps func(undo *rollback) error, keys ...wait.Key) error {
	return vm.operate(ctx, "add "+what, id, func() error {
		var undo rollback
		if err := steps(&undo); err != nil {
			return undo.run(ctx, err)
		}
		return nil
	}, keys...)
}

// removing does an operation that removes something.
func (vm *VM) removing(ctx context.Context, what, id string, remove func() error, keys ...wait.Key) error {
	return vm.operate(ctx, "remove "+what, id, remove, keys...)
}

// removingDevice does an operation that removes a device and its parts. keys are the locks of further devices. The
// operation also locks the names in opts, as [VM.RemoveNetdev] locks its own.
func (vm *VM) removingDevice(
	ctx context.Context, what, id string, opts []RemoveOption, remove func(*removal) error, keys ...wait.Key,
) (kept []Kept, err error) {
	r := newRemoval(opts)
	err = vm.operate(ctx, "remove "+what, id, func() error { return remove(r) }, append(keys, r.keys()...)...)
	return r.kept, err
}

// madeOf reports whether the device with the ID of a request is on the bus of the request and uses its node, netdev,
// character device, object or set of descriptors. If an operation has just added these, no other manager's device
// uses them.
func (vm *VM) madeOf(ctx context.Context, device *qemu.DeviceAdd) (bool, error) {
	id := qmp.Value(device.ID)
	for name, want := range device.Props {
		switch name {
		case "drive", "netdev", "chardev", "hostdevice":
		case "rng", "cryptodev", "memdev", "iothread", "iommufd":
			if object, ok := want.(string); ok {
				want = objectPath(path.Base(object)) // it can be a path
			}
		default:
			continue
		}
		var used string
		_, has, err := vm.property(ctx, id, name, &used)
		if err == nil && name == "drive" && has && used == "" {
			_, err = vm.objectProperty(ctx, driveOfUSB(id), name, &used)
		}
		if err != nil || used != want {
			return false, err
		}
	}
	if device.Bus == nil {
		return true, nil
	}
	var bus string
	_, has, err := vm.property(ctx, id, "parent_bus", &bus)
	return err == nil && (!has || path.Base(bus) == *device.Bus), err
}
