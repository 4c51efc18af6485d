package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// QEMU refuses to remove a missing thing, and a thing that is in use, mostly by the same class of error, GenericError.
// These methods send a query to distinguish the two.

// RemoveNode removes the block node with this name, if QEMU has it. It reports whether it removed one. QEMU
// also removes the nodes below it that the same blockdev-add added. Descriptors and secrets remain.
//
// A node can be in use for some seconds after its device is gone. RemoveNode waits up to 10 seconds, or
// until ctx ends.
//
// RemoveNode returns an error that matches:
//   - [ErrInUse]: a device, an overlay, a block job or an export uses the node, or the node is a part
//     of another node's tree. The error has QEMU's answer, a [*qmp.Error].
//   - [qmp.ErrOutcomeUnknown]: QEMU did not answer. Call RemoveNode again: the node may be gone.
//
// Source: blockdev-del, query-blockstats.
func (vm *VM) RemoveNode(ctx context.Context, name string) (removed bool, err error) {
	return vm.removingOne(ctx, "node", name, func() (bool, error) { return vm.removeNode(ctx, name) })
}

// RemoveChardev removes the character device with this ID, if QEMU has it. It reports whether it removed
// one. If the device is in use, it waits as [VM.RemoveNode] does.
//
// RemoveChardev returns an error that matches:
//   - [ErrInUse]: a device, a netdev or a monitor uses it. The error has QEMU's answer, a [*qmp.Error].
//   - [qmp.ErrOutcomeUnknown]: QEMU did not answer. Call RemoveChardev again: the character device may
//     be gone.
//
// Source: query-chardev, chardev-remove.
func (vm *VM) RemoveChardev(ctx context.Context, id string) (removed bool, err error) {
	return vm.removingOne(ctx, "character device", id, func() (bool, error) { return vm.removeChardev(ctx, id) })
}

// RemoveNetdev removes the netdev with this ID, if QEMU has it. It reports whether it removed one. QEMU
// also closes the netdev's descriptors and removes the character device of a vhost-user netdev.
//
// QEMU removes a netdev even if a device uses it, which cuts off the guest. So RemoveNetdev first looks for
// such a device, with a command for each device of the machine. It does not find a device that another
// process adds after that.
//
// RemoveNetdev returns an error that matches:
//   - [ErrInUse]: a device uses the netdev. Nothing has been changed.
//   - [qmp.ErrOutcomeUnknown]: QEMU did not answer. Call RemoveNetdev again: the netdev may be gone.
//
// Source: qom-list, qom-get, netdev_del.
func (vm *VM) RemoveNetdev(ctx context.Context, id string) (removed bool, err error) {
	return vm.removingOne(ctx, "netdev", id, func() (bool, error) { return vm.removeUnusedNetdev(ctx, id) })
}

// RemoveObject removes the object with this ID, if QEMU has it: a secret, memory, an I/O thread or any
// other object of object-add. It reports whether it removed one. If the object is in use, it waits as
// [VM.RemoveNode] does.
//
// RemoveObject returns an error that matches:
//   - [ErrInUse]: something uses the object. The error has QEMU's answer, a [*qmp.Error].
//   - [qmp.ErrOutcomeUnknown]: QEMU did not answer. Call RemoveObject again: the object may be gone.
//
// QEMU removes a secret even if a node was opened with it: a node needs its secret only when QEMU opens it.
//
// Source: object-del, qom-list.
func (vm *VM) RemoveObject(ctx context.Context, id string) (removed bool, err error) {
	return vm.removingOne(ctx, "object", id, func() (bool, error) { return vm.removeObject(ctx, id) })
}

// RemoveFDSet removes the descriptors of the set with this number, the N of "/dev/fdset/N", if QEMU has it.
// It reports whether there were any. [qmpfd.RemoveSets] finds sets by their opaque text.
//
// Remove the node that uses the set first: QEMU does not report which nodes use a set. A node keeps its own
// descriptor, but fails when QEMU opens its file again, for example to reopen the node. QEMU lists the
// empty set until the node is gone.
//
// RemoveFDSet returns an error that matches:
//   - [ErrDescriptorsKept]: QEMU 5.2 and 7.2 keep the descriptors open while the VM is stopped. Call
//     RemoveFDSet again when it runs.
//   - [qmp.ErrOutcomeUnknown]: QEMU did not answer. The set may be gone, and a new set may have its
//     number. The opaque text in query-fdsets shows the owner of a set.
//
// Source: query-fdsets, remove-fd.
func (vm *VM) RemoveFDSet(ctx context.Context, fdset int64) (removed bool, err error) {
	return vm.removingOne(ctx, "fdset", strconv.FormatInt(fdset, 10), func() (bool, error) {
		return qmpfd.RemoveSet(ctx, vm.conn, fdset)
	})
}

// removingOne does an operation that removes a single thing.
func (vm *VM) removingOne(ctx context.Context, what, id string, remove func() (bool, error)) (removed bool, err error) {
	err = vm.removing(ctx, what, id, func() (err error) {
		if id == "" {
			return errors.New("name is empty")
		}
		removed, err = remove()
		return err
	})
	return removed, err
}

func (vm *VM) removeNode(ctx context.Context, name string) (removed bool, err error) {
	return vm.removeNodeWithin(ctx, name, busyGrace)
}

// removeNodeWithin is removeNode with another limit than busyGrace.
func (vm *VM) removeNodeWithin(ctx context.Context, name string, limit time.Duration) (removed bool, err error) {
	return removeBusy(ctx, limit,
		func() error { return qemu.BlockdevDel{NodeName: name}.Do(ctx, vm.conn) },
		func() (bool, error) { return vm.nodeExistsInUse(ctx, name) })
}

// removeChardev looks first, because most disks and NICs have no character device.
func (vm *VM) removeChardev(ctx context.Context, id string) (removed bool, err error) {
	exists := func() (bool, error) { return vm.chardevExists(ctx, id) }
	if there, err := exists(); err != nil || !there {
		return false, err
	}
	return removeBusy(ctx, busyGrace, func() error { return qemu.ChardevRemove{ID: id}.Do(ctx, vm.conn) }, exists)
}

// removeSet removes the descriptors of the set with a number.
func (vm *VM) removeSet(ctx context.Context, number string) (removed bool, err error) {
	set, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return false, err
	}
	return qmpfd.RemoveSet(ctx, vm.conn, set)
}

func (vm *VM) chardevExists(ctx context.Context, id string) (bool, error) {
	all, err := qemu.QueryChardev{}.Do(ctx, vm.conn)
	return slices.ContainsFunc(all, func(c qemu.ChardevInfo) bool { return c.Label == id }), err
}

// removeUnusedNetdev removes a netdev, unless a device uses it.
func (vm *VM) removeUnusedNetdev(ctx context.Context, id string) (removed bool, err error) {
	if err := vm.checkNetdevUnused(ctx, id, ErrInUse); err != nil {
		return false, err
	}
	return vm.removeNetdev(ctx, id)
}

// removeNetdev removes a netdev, even if it is in use.
func (vm *VM) removeNetdev(ctx context.Context, id string) (removed bool, err error) {
	err = qemu.NetdevDel{ID: id}.Do(ctx, vm.conn)
	if errors.Is(err, qmp.ErrDeviceNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (vm *VM) removeObject(ctx context.Context, id string) (removed bool, err error) {
	return removeBusy(ctx, busyGrace,
		func() error { return qemu.ObjectDel{ID: id}.Do(ctx, vm.conn) },
		func() (bool, error) { kind, err := vm.objectType(ctx, id); return kind != "", err })
}

// busyGrace is how long a node or an object may stay in use after its device is gone. QEMU releases it when no virtual
// CPU reads the device's memory any more: at once with KVM, but an idle CPU under TCG has taken seconds. Another user (a
// block job, an export) may never end, so the wait has a limit.
const busyGrace = 10 * time.Second

// The time between two attempts to remove a thing that is in use: the first and the longest.
const (
	busyRetry    = time.Millisecond
	maxBusyRetry = 160 * time.Millisecond
)

// removeBusy removes a thing that may be in use or gone. While it is in use, removeBusy tries again, until limit has
// passed. When QEMU refuses, exists reports whether the thing is there: the text of the error differs between versions.
// If the error of exists matches ErrInUse, removeBusy does not try again.
func removeBusy(
	ctx context.Context, limit time.Duration, remove func() error, exists func() (bool, error),
) (removed bool, err error) {
	var inUse error // the last refusal
	for pause, deadline := busyRetry, time.Now().Add(limit); ; pause = min(2*pause, maxBusyRetry) {
		err := remove()
		if !refused(err) || errors.Is(err, errors.ErrUnsupported) {
			if inUse != nil && ctx.Err() != nil && !qmp.MayHaveExecuted(err) {
				return false, fmt.Errorf("%w: %w; %w", ErrInUse, inUse, wait.Err(ctx))
			}
			return err == nil, err
		}
		there, lookErr := exists()
		switch {
		case lookErr == nil && !there:
			return false, nil
		case errors.Is(lookErr, ErrInUse):
			return false, fmt.Errorf("%w: %w", lookErr, err)
		case lookErr != nil && (inUse == nil || ctx.Err() == nil):
			return false, errors.Join(err, lookErr)
		}
		if inUse = err; !time.Now().Before(deadline) {
			return false, fmt.Errorf("%w: %w", ErrInUse, inUse)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %w; %w", ErrInUse, inUse, wait.Err(ctx))
		}
	}
}
