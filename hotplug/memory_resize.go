package hotplug

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The properties of a virtio-mem device: what the guest should use, and what it does.
const (
	requestedSize = "requested-size"
	usedSize      = "size"
)

// ResizeMemory changes how much of a virtio-mem device the guest uses, in bytes, and waits until
// it does. It sets the property requested-size (qom-set); QEMU refuses one that is no multiple of
// the device's block-size or more than it has.
//
// When the context ends before the guest has followed, the error matches [ErrResizePending] and
// says how far it has come. What it was asked for remains. A device that is not there, goes
// meanwhile, or has no such property, is [ErrNotMemory].
func (vm *VM) ResizeMemory(ctx context.Context, id string, size uint64) error {
	end, err := vm.begin(ctx)
	if err == nil {
		defer end()
		err = vm.resizeMemory(ctx, id, size)
	}
	if err != nil {
		return fmt.Errorf("hotplug: memory %q is not resized: %w", id, err)
	}
	return nil
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
		return fmt.Errorf("%w whose size can change: %s", ErrNotMemory, id)
	}
	return vm.setMemory(ctx, id, size)
}

// setMemory asks the guest to use so much of a virtio-mem device, and waits until it does.
func (vm *VM) setMemory(ctx context.Context, id string, size uint64) error {
	events := vm.conn.Events(qemu.EventMemoryDeviceSizeChange, qemu.EventDeviceDeleted) // before qom-set causes any
	defer events.Close()

	err := qemu.QOMSet{
		Path: devicePath(id), Property: requestedSize, Value: qmp.RawJSON(strconv.FormatUint(size, 10)),
	}.Do(ctx, vm.conn)
	if err != nil {
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
			return fmt.Errorf("%w any more: %s has gone meanwhile", ErrNotMemory, id)
		case used == size:
			return nil
		}
		uses = fmt.Sprintf("it uses %d bytes and ", used)
		short, cancel := context.WithTimeout(ctx, lookInterval)
		_, err = events.Next(short) // an event is a reason to look, and so is none for a second
		waited := short.Err()
		cancel()
		switch {
		case err == nil || errors.Is(err, qmp.ErrEventsLost):
		case waited != nil && ctx.Err() == nil:
		case ctx.Err() != nil:
			return pending(err)
		default:
			return err
		}
	}
}
