package hotplug

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

// The properties of a virtio-mem device: how much the guest should use, and how much it uses.
const (
	requestedSize = "requested-size"
	usedSize      = "size"
)

// ResizeMemory asks the guest to use size bytes of a virtio-mem device, and waits until it does. It sets
// the property requested-size. QEMU refuses a size that is not a multiple of the device's block-size, or
// larger than the device.
//
// ResizeMemory returns an error that matches:
//   - [ErrResizePending]: ctx ended before the guest used size bytes. The error says how much the guest
//     uses. The guest continues.
//   - [ErrNotMemory]: there is no such device, it was removed while ResizeMemory waited, or it is not a
//     virtio-mem device.
//   - [*qmp.Error]: QEMU refused the size.
//
// Source: qom-set.
func (vm *VM) ResizeMemory(ctx context.Context, id string, size uint64) error {
	return vm.operate(ctx, "resize memory", id, func() error { return vm.resizeMemory(ctx, id, size) })
}

func (vm *VM) resizeMemory(ctx context.Context, id string, size uint64) error {
	if err := checkID(id); err != nil {
		return err
	}
	var requested uint64
	_, resizable, err := vm.property(ctx, id, requestedSize, &requested)
	if err != nil {
		return err
	}
	if !resizable {
		return because(ErrNotMemory, "no such device, or its size cannot change")
	}
	return vm.setMemory(ctx, id, size)
}

// setMemory asks the guest to use size bytes of a virtio-mem device, and waits until it does.
func (vm *VM) setMemory(ctx context.Context, id string, size uint64) error {
	events := vm.conn.Events(qemu.EventMemoryDeviceSizeChange, qemu.EventDeviceDeleted) // before qom-set causes any
	defer events.Close()

	if err := qom.Set(ctx, vm.conn, devicePath(id), requestedSize, size); err != nil {
		return err
	}
	uses := "it " // and how much, once that is known
	pending := func(err error) error {
		return fmt.Errorf("%w: %swas asked to use %d: %w", ErrResizePending, uses, size, err)
	}
	for {
		var used uint64
		device, _, err := vm.property(ctx, id, usedSize, &used)
		switch {
		case err != nil && ctx.Err() != nil:
			return pending(err)
		case err != nil:
			return err
		case !device:
			return because(ErrNotMemory, "device was removed while the guest resized it")
		case used == size:
			return nil
		}
		uses = fmt.Sprintf("it uses %d bytes and ", used)
		short, cancel := context.WithTimeout(ctx, lookInterval)
		_, err = events.Next(short) // look after an event, or after a second without one
		waited := short.Err()
		cancel()
		switch {
		case err == nil || errors.Is(err, qmp.ErrEventsLost):
		case waited != nil && ctx.Err() == nil:
		case ctx.Err() != nil:
			return pending(endOf(ctx, waited, err))
		default:
			return err
		}
	}
}
