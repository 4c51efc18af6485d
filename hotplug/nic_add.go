package hotplug

import (
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// AddNIC hot-adds a network interface: its descriptors, a netdev, and a device. When it returns, QEMU has
// told the guest about the device; the guest may need some time before it uses the NIC. AddNIC checks the
// descriptors before it sends anything, because some QEMUs terminate if one is wrong.
//
// If AddNIC fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//
// Source: getfd, chardev-add, netdev_add, device_add.
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
	if err := n.Backend.sendFiles(ctx, vm, undo, n.ID); err != nil {
		return err
	}
	netdev := n.Backend.netdev(n.ID)
	if err := vm.addNetdev(ctx, undo, netdev); err != nil {
		return err
	}
	return vm.plug(ctx, undo, n.device(queuesOf(netdev)))
}

// checkNICUnused makes sure that undoing will not remove things that somebody else has added.
func (vm *VM) checkNICUnused(ctx context.Context, n *NIC) error {
	if err := vm.checkNoDevice(ctx, n.ID); err != nil {
		return err
	}
	if err := vm.checkNetdevUnused(ctx, n.ID, ErrExists); err != nil {
		return err
	}
	netdev, err := vm.netdevExists(ctx, n.ID)
	if err != nil {
		return err
	}
	if netdev {
		return because(ErrExists, "ID is in use by a netdev without a device")
	}
	return nil
}

// sendQueues sends QEMU the descriptors of some queues. It closes the descriptors of further queues that an
// interrupted operation left.
func (vm *VM) sendQueues(ctx context.Context, undo *rollback, files []*os.File, name func(queue int) string) error {
	if len(files) == 0 {
		return nil
	}
	if err := vm.closeNames(ctx, name, len(files), 1); err != nil {
		return err
	}
	for i, f := range files {
		if err := vm.sendFile(ctx, undo, name(i), f); err != nil {
			return err
		}
	}
	return nil
}

// sendFile sends QEMU a descriptor under a name, as a step of an operation. A netdev that is added takes
// the descriptor; then undoing has nothing to close.
func (vm *VM) sendFile(ctx context.Context, undo *rollback, name string, f *os.File) error {
	return undo.step("descriptor "+name,
		func() error { return qemu.GetFD{FDName: name}.Do(ctx, vm.conn, qmp.WithFile(f)) },
		func(ctx context.Context) error { return qmpfd.Close(ctx, vm.conn, name) })
}

// errHalfMade is the reason why a rollback leaves the netdev.
var errHalfMade = errors.New("QEMU has made some of the netdev's queues, and cannot remove them")

// addNetdev adds the netdev, as a step of an operation. If QEMU refuses a netdev with several queues, some
// of the queues can exist all the same.
func (vm *VM) addNetdev(ctx context.Context, undo *rollback, netdev qemu.NetdevAdd) error {
	what := "netdev " + netdev.ID
	err := undo.step(what,
		func() error { return netdev.Do(ctx, vm.conn) },
		func(ctx context.Context) error { _, err := vm.removeNetdev(ctx, netdev.ID); return err })
	if !refused(err) || queuesOf(netdev) < 2 {
		return err
	}
	if half, lookErr := vm.netdevExists(ctx, netdev.ID); half || lookErr != nil {
		return &RollbackError{Err: err, Undo: errors.Join(errHalfMade, lookErr), Left: []string{what}}
	}
	return err
}
