package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A VhostUser is a vhost-user server in another process, as the storage of a disk or as the host's side of a NIC. QEMU
// connects to it by a character device, which is removed with the disk or the NIC. The machine's memory must be shared,
// for example with -object memory-backend-memfd,share=on,….
//
// If no server listens, the operation fails. When QEMU is connected, it asks the server for its features.
// Until the server answers, QEMU executes no command and runs no CPU, and this package cannot interrupt it.
type VhostUser struct {
	// Server is the address that the server listens on, mostly a [*qemu.UnixSocketAddress].
	Server qemu.SocketAddressLegacyBranch

	// ChardevID is the ID of the character device. If it is empty, it is "ID-chardev".
	ChardevID string

	// Queues is the number of queues of a disk, or of a NIC in each direction. 0 leaves the number to QEMU.
	Queues int
}

const vhostUserDriver = "vhost-user-blk" // the types of the devices begin with this

func (v VhostUser) check() error {
	if err := checkName("ChardevID", v.ChardevID); err != nil {
		return err
	}
	if v.Server == nil {
		return errors.New("VhostUser needs a Server")
	}
	if v.Queues < 0 {
		return fmt.Errorf("VhostUser has %d Queues: it must not be negative", v.Queues)
	}
	chardev := v.chardev("")
	_, err := chardev.Backend.MarshalJSON()
	return err
}

// chardev returns the request for the character device. As a server, or when it reconnects, QEMU would wait
// for a connection, and execute no command and run no CPU while it waits.
func (v VhostUser) chardev(id string) qemu.ChardevAdd {
	return qemu.ChardevAdd{ID: v.chardevID(id), Backend: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
		Addr:   qemu.SocketAddressLegacy{Branch: v.Server},
		Server: new(false),
	}}}
}

// chardevID returns the ID of the character device for the device with this ID.
func (v VhostUser) chardevID(id string) string { return cmp.Or(v.ChardevID, chardevOf(id)) }

func (v VhostUser) checkDisk(d *Disk) (node string, err error) {
	return "", cmp.Or(v.check(), d.noNode("VhostUser"))
}

// addStorage adds the connection. A vhost-user disk has no node.
func (v VhostUser) addStorage(ctx context.Context, vm *VM, undo *rollback, d *Disk) error {
	driver, _ := v.diskDevice(d)
	if err := vm.chooseDriver(ctx, &d.Driver, driver); err != nil {
		return err
	}
	if err := vm.checkUnused(ctx, d); err != nil {
		return err
	}
	add := v.chardev(d.ID)
	if err := vm.mark(ctx, undo, d.ID, aChardev, add.ID); err != nil {
		return err
	}
	return vm.addChardev(ctx, undo, add)
}

func (v VhostUser) diskDevice(d *Disk) (driver string, props qmp.Args) {
	props = qmp.Args{"chardev": v.chardevID(d.ID)}
	if v.Queues > 0 {
		props["num-queues"] = v.Queues
	}
	return vhostUserDriver + "-pci", props
}

func (v VhostUser) checkNIC(n *NIC) (netdev string, err error) {
	if err := v.check(); err != nil {
		return "", err
	}
	return n.newNetdev("")
}

func (v VhostUser) sendFiles(ctx context.Context, vm *VM, undo *rollback, id string) error {
	return vm.addChardev(ctx, undo, v.chardev(id))
}

// taken reports whether a netdev uses the character device: QEMU then refuses to remove it.
func (v VhostUser) taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error) {
	err = qemu.ChardevRemove{ID: v.chardevID(id)}.Do(ctx, vm.conn)
	if refused(err) {
		return true, true, nil
	}
	return true, false, err
}

func (v VhostUser) netdev(n *NIC) qemu.NetdevAdd {
	user := &qemu.NetdevVhostUserOptions{Chardev: v.chardevID(n.ID)}
	if v.Queues > 0 {
		user.Queues = new(int64(v.Queues))
	}
	return qemu.NetdevAdd{ID: n.NetdevID, Branch: user}
}

// chardevOf returns the default ID of the character device that belongs to a device.
func chardevOf(id string) string { return defaultNames(aChardev, id)[0] }

// addChardev connects a device to its server, as a step of an operation. If a character device of this name
// exists, it stays, and the error matches ErrExists.
func (vm *VM) addChardev(ctx context.Context, undo *rollback, add qemu.ChardevAdd) error {
	exists, err := vm.chardevExists(ctx, add.ID)
	if err != nil {
		return err
	}
	if exists {
		return because(ErrExists, "character device %q exists", add.ID)
	}
	return undo.step(ctx, step{
		what: "character device " + add.ID,
		do:   func(ctx context.Context) error { _, err := add.Do(ctx, vm.conn); return err },
		undo: func(ctx context.Context) error { _, err := vm.removeChardev(ctx, add.ID); return err },
	})
}
