package hotplug

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// AddNIC hot-adds a network interface: its descriptors, a netdev, and a device. When it returns, QEMU has
// told the guest about the device. This is no proof that the guest has seen it: [VM.WaitGuest] waits for
// that. AddNIC checks the descriptors before it sends anything, because some QEMUs terminate if one is
// wrong.
//
// If AddNIC fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID, or the name of the netdev, is in use.
//   - [ErrNoFreePlace]: Bus is empty, and the machine has no free slot for the NIC.
//   - [ErrNotShared]: a vhost-user server cannot use the machine's memory.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//   - [errors.ErrUnsupported]: the machine has no PCI bus for the driver, for example a microvm.
//
// Source: getfd, chardev-add, netdev_add, set_link, device_add.
func (vm *VM) AddNIC(ctx context.Context, n NIC) error {
	return vm.adding(ctx, "NIC", n.ID, func(undo *rollback) error { return vm.addNIC(ctx, undo, &n) }, n.netdevKeys()...)
}

// netdevKeys returns a key for the netdev, if the caller has named it. See usesNetdev.
func (n *NIC) netdevKeys() []wait.Key {
	id := n.NetdevID
	if backend, err := backendOf(n.Backend); err == nil {
		if netdev, ok := backend.(Netdev); ok {
			id = cmp.Or(id, netdev.Options.ID)
		}
	}
	return usesNetdev(qmp.Args{"netdev": id})
}

func (vm *VM) addNIC(ctx context.Context, undo *rollback, n *NIC) error {
	if err := n.check(); err != nil {
		return err
	}
	if err := vm.chooseDriver(ctx, &n.Driver, defaultNICDriver); err != nil {
		return err
	}
	if n.LinkDown {
		if err := vm.checkLink(ctx, n); err != nil {
			return err
		}
	}
	if err := vm.mark(ctx, undo, n.ID, aNetdev, n.NetdevID); err != nil {
		return err
	}
	if err := n.Backend.sendFiles(ctx, vm, undo, n.ID); err != nil {
		return err
	}
	netdev := n.Backend.netdev(n)
	if err := vm.addNetdev(ctx, undo, n, netdev); err != nil {
		return err
	}
	if server, ok := n.Backend.(VhostUser); ok { // QEMU removes the character device with the netdev
		if err := vm.unmark(ctx, n.ID, aChardev, server.chardevID(n.ID)); err != nil {
			return err
		}
	}
	device := n.device(queuesOf(netdev))
	if !n.LinkDown {
		return vm.plugNIC(ctx, undo, device)
	}
	if err := vm.setLinkDown(ctx, netdev.ID); err != nil { // no frame passes, but the guest would see a link
		return err
	}
	if err := vm.plugNIC(ctx, undo, device); err != nil {
		return err
	}
	return vm.setLinkDown(ctx, netdev.ID)
}

// plugNIC adds the device. On a machine without PCI, the error says what works there.
func (vm *VM) plugNIC(ctx context.Context, undo *rollback, device qemu.DeviceAdd) error {
	return vm.whyNoPCI(ctx, device.Driver, nicWithoutPCI, vm.plug(ctx, undo, device))
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
	return undo.step(ctx, step{
		what: "descriptor " + name,
		do:   func(ctx context.Context) error { return qemu.GetFD{FDName: name}.Do(ctx, vm.conn, qmp.WithFile(f)) },
		undo: func(ctx context.Context) error { return qmpfd.Close(ctx, vm.conn, name) },
	})
}

// errHalfMade is the reason why a rollback leaves the netdev.
var errHalfMade = errors.New("QEMU has made some of the netdev's queues, and cannot remove them")

// addNetdev adds the netdev, as a step of an operation. QEMU 5.2 adds a second netdev with the same name.
// A NIC then uses both netdevs, or undoing removes both: if a NIC uses one, it loses its netdev or QEMU terminates.
func (vm *VM) addNetdev(ctx context.Context, undo *rollback, n *NIC, netdev qemu.NetdevAdd) error {
	version, err := vm.version(ctx)
	if err != nil {
		return err
	}
	if version.Compare(qmp.Version{Major: 7}) >= 0 {
		return vm.addNewNetdev(ctx, undo, n, netdev)
	}
	return vm.claimNetdev(ctx, undo, n.NetdevID, func() error {
		if err := vm.checkNetdevNew(ctx, n); err != nil {
			return err
		}
		return vm.addNewNetdev(ctx, undo, n, netdev)
	})
}

// addNewNetdev adds a netdev whose name is new, unless QEMU checks that. If QEMU refuses a netdev with several queues,
// some of the queues can exist all the same.
func (vm *VM) addNewNetdev(ctx context.Context, undo *rollback, n *NIC, netdev qemu.NetdevAdd) error {
	what := "netdev " + netdev.ID
	err := undo.step(ctx, step{
		what: what,
		do:   func(ctx context.Context) error { return netdev.Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { _, err := vm.removeUnusedNetdev(ctx, netdev.ID); return err },
		ours: func(ctx context.Context) (bool, error) {
			if known, taken, err := n.Backend.taken(ctx, vm, n.ID); known || err != nil {
				return taken, err
			}
			err := vm.checkNetdevIdle(ctx, n)
			if errors.Is(err, ErrExists) {
				return false, nil
			}
			return err == nil, err
		},
	})
	half := false
	err = whyRefused(err, func() (err error) {
		half, err = vm.whyNoNetdev(ctx, n, queuesOf(netdev))
		return err
	})
	if half {
		return &RollbackError{Err: err, Undo: errHalfMade, Left: []string{what}}
	}
	return err
}

// whyNoNetdev finds out why QEMU refused a netdev. The error matches ErrExists if the ID is in use. half reports
// whether some queues of a netdev with several queues may exist.
func (vm *VM) whyNoNetdev(ctx context.Context, n *NIC, queues int64) (half bool, err error) {
	several := queues > 1
	if err := vm.checkNetdevIdle(ctx, n); err != nil {
		return several && !errors.Is(err, ErrExists), err
	}
	netdev, err := vm.netdevExists(ctx, n)
	if err != nil || !netdev {
		return several && err != nil, err
	}
	version, err := vm.version(ctx)
	if err != nil || version.Compare(qmp.Version{Major: 7}) < 0 {
		return true, err // checkNetdevNew has seen no netdev, so QEMU has added the netdev that it refused
	}
	if several {
		known, taken, err := n.Backend.taken(ctx, vm, n.ID)
		if err != nil || taken || !known {
			return true, err
		}
	}
	return false, exists(aNetdev, n.NetdevID, "")
}

// checkNetdevIdle returns an error if a device has the ID of a NIC, or uses a netdev with the name of the NIC's netdev.
func (vm *VM) checkNetdevIdle(ctx context.Context, n *NIC) error {
	if err := vm.checkNoDevice(ctx, n.ID); err != nil {
		return err
	}
	return vm.checkNetdevUnused(ctx, n.NetdevID, ErrExists)
}
