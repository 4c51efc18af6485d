package hotplug

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// AddNIC adds a network interface: descriptors (getfd), a netdev (netdev_add) and a device
// (device_add). When it returns the guest is being told of the device; when that is ready for use
// is the guest's matter.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use. A [*qmp.Error] is QEMU's answer to the command
// that it names. Descriptors that are not what QEMU needs, and that it might end at, are an error
// before anything is sent.
func (vm *VM) AddNIC(ctx context.Context, n NIC) error {
	return vm.adding(ctx, "NIC", n.ID, func(undo *rollback) error { return vm.addNIC(ctx, undo, &n) })
}

func (vm *VM) addNIC(ctx context.Context, undo *rollback, n *NIC) error {
	if err := n.check(); err != nil {
		return err
	}
	if err := vm.checkNICUnused(ctx, n); err != nil {
		return err
	}
	if err := vm.sendQueues(ctx, undo, n); err != nil {
		return err
	}
	if n.Chardev != nil {
		if err := vm.addChardev(ctx, undo, n.ID, n.Chardev); err != nil {
			return err
		}
	}
	if err := vm.addNetdev(ctx, undo, n); err != nil {
		return err
	}
	return vm.plug(ctx, undo, n.device())
}

// checkNICUnused makes sure that undoing will not take away what somebody else has added.
func (vm *VM) checkNICUnused(ctx context.Context, n *NIC) error {
	device, err := vm.deviceExists(ctx, n.ID)
	if err != nil {
		return err
	}
	if device {
		return fmt.Errorf("%w: a device %s", ErrExists, n.ID)
	}
	if err := vm.checkNetdevUnused(ctx, n.ID, ErrExists); err != nil {
		return err
	}
	netdev, err := vm.netdevExists(ctx, n.ID)
	if err != nil {
		return err
	}
	if netdev {
		return fmt.Errorf("%w: a netdev %s without a device", ErrExists, n.ID)
	}
	return nil
}

// sendQueues gives QEMU the descriptors, and closes those that an addition of more queues has left
// that was cut off.
func (vm *VM) sendQueues(ctx context.Context, undo *rollback, n *NIC) error {
	if err := attachTaps(undo, n.Taps); err != nil {
		return err
	}
	for _, kind := range []struct {
		files []*os.File
		name  func(queue int) string
	}{{n.Taps, tapNames(n.ID)}, {n.Vhost, vhostNames(n.ID)}} {
		if len(kind.files) == 0 {
			continue
		}
		if err := vm.closeNames(ctx, kind.name, len(kind.files), 1); err != nil {
			return err
		}
		for i, f := range kind.files {
			if err := vm.sendFile(ctx, undo, kind.name(i), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendFile gives QEMU a descriptor under a name, as a step of an operation. A netdev that is added
// takes it; then there is nothing to close.
func (vm *VM) sendFile(ctx context.Context, undo *rollback, name string, f *os.File) error {
	return undo.step("descriptor "+name,
		func() error { return qemu.GetFD{FDName: name}.Do(ctx, vm.conn, qmp.WithFile(f)) },
		func(ctx context.Context) error { return qmpfd.Close(ctx, vm.conn, name) })
}

// errHalfMade tells of what no command can remove.
var errHalfMade = errors.New("QEMU has made some of the netdev's queues, and cannot remove them")

// addNetdev adds the netdev, as a step of an operation. A refused one with several queues can be
// there all the same, in part.
func (vm *VM) addNetdev(ctx context.Context, undo *rollback, n *NIC) error {
	what := "netdev " + n.ID
	err := undo.step(what,
		func() error { return n.netdev().Do(ctx, vm.conn) },
		func(ctx context.Context) error { _, err := vm.removeNetdev(ctx, n.ID); return err })
	if !refused(err) || n.queues() < 2 {
		return err
	}
	if half, lookErr := vm.netdevExists(ctx, n.ID); half || lookErr != nil {
		return &RollbackError{Err: err, Undo: errors.Join(errHalfMade, lookErr), Left: []string{what}}
	}
	return err
}
