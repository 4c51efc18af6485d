package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A VhostUser is a vhost-user server in another process: the storage of a [Disk], the host's side of a [NIC], or
// what any other [Device] with a vhost-user driver uses ("vhost-user-vsock-pci", "vhost-user-scsi-pci" and others).
// QEMU connects to the server by a character device, which is removed with the device.
//
// The server maps the machine's memory, which must be shared: -object memory-backend-memfd,id=mem,share=on,size=…
// -machine memory-backend=mem. If no part of the memory is shared, nothing is added, and the error
// matches [ErrNotShared]: QEMU would add a device that the guest cannot use. Memory that AddMemory adds must be shared
// too.
//
// If no server listens, the operation fails, unless Reconnect is set. When QEMU is connected, it asks the server for
// its features. Until the server answers, QEMU executes no command and runs no CPU, and this package cannot
// interrupt it.
//
// QEMU 10.0 and 11.1 terminate if the server of a vhost-user-rng, -i2c, -gpio, -snd or -input ends and the guest has no
// driver for the device.
type VhostUser struct {
	// Server is the address that the server listens on, mostly a [*qemu.UnixSocketAddress].
	Server qemu.SocketAddressLegacyBranch

	// ChardevID is the ID of the character device. If it is empty, it is "ID-chardev".
	ChardevID string

	// Queues is the number of queues of a disk, or of a NIC in each direction. 0 leaves the number to QEMU.
	Queues int

	// Reconnect is the time between two attempts of QEMU to connect, if the server does not listen or has closed the
	// connection. 0 means that QEMU connects once. With Reconnect, the device survives a restart of its server if
	// its driver does: docs/devices.md has a list. QEMU before 9.2 gets the time in seconds, rounded up.
	//
	// With Reconnect, the operation waits until the server listens, or ctx ends; give ctx a deadline. If the server
	// ends between that and device_add or netdev_add, QEMU executes no command until the server is back.
	Reconnect time.Duration
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
	if v.Reconnect < 0 {
		return fmt.Errorf("VhostUser has Reconnect %v: it must not be negative", v.Reconnect)
	}
	chardev := v.chardev("")
	_, err := chardev.Backend.MarshalJSON()
	return err
}

// chardev returns the request for the character device. As a server, QEMU would wait for a connection, and execute
// no command and run no CPU while it waits.
func (v VhostUser) chardev(id string) qemu.ChardevAdd {
	socket := &qemu.ChardevSocket{Addr: qemu.SocketAddressLegacy{Branch: v.Server}, Server: new(false)}
	if v.Reconnect > 0 {
		//qmp:allow ChardevSocket/reconnect-ms addChardev replaces it for an older QEMU
		socket.ReconnectMs = new(int64((v.Reconnect + time.Millisecond - 1) / time.Millisecond))
	}
	return qemu.ChardevAdd{ID: v.chardevID(id), Backend: qemu.ChardevBackend{Branch: socket}}
}

// connect connects QEMU to the server, as steps of an operation.
func (v VhostUser) connect(ctx context.Context, vm *VM, undo *rollback, id string) error {
	if err := vm.checkShared(ctx); err != nil {
		return err
	}
	add := v.chardev(id)
	if err := vm.mark(ctx, undo, id, aChardev, add.ID); err != nil {
		return err
	}
	err := vm.addChardev(ctx, undo, add)
	if err == nil && v.Reconnect > 0 {
		err = vm.awaitServer(ctx, add.ID)
	}
	return err
}

// appendServer adds the connection to the command line of a new QEMU.
func (v VhostUser) appendServer(line *launch.Line, id string) error {
	add := v.chardev(id)
	if v.Reconnect > 0 {
		version, err := line.Version()
		if err == nil && version.Compare(qmp.Version{Major: 9, Minor: 2}) < 0 {
			add.Backend, err = inSeconds(add.Backend.Branch.(*qemu.ChardevSocket))
		}
		if err != nil {
			return err
		}
	}
	return launch.Chardev(add.ID, add.Backend).AppendTo(line)
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
	return v.connect(ctx, vm, undo, d.ID)
}

func (v VhostUser) appendStorage(line *launch.Line, d *Disk) error { return v.appendServer(line, d.ID) }

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
	return v.connect(ctx, vm, undo, id)
}

// taken reports whether a netdev uses the character device: QEMU then refuses to remove it.
func (v VhostUser) taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error) {
	err = qemu.ChardevRemove{ID: v.chardevID(id)}.Do(ctx, vm.conn)
	if refused(err) {
		return true, true, nil
	}
	return true, false, err
}

func (v VhostUser) files(string) []namedFile { return nil }

func (v VhostUser) netdev(n *NIC) qemu.NetdevAdd {
	user := &qemu.NetdevVhostUserOptions{Chardev: v.chardevID(n.ID)}
	if v.Queues > 0 {
		user.Queues = new(int64(v.Queues))
	}
	return qemu.NetdevAdd{ID: n.NetdevID, Branch: user}
}

// chardevOf returns the default ID of the character device that belongs to a device.
func chardevOf(id string) string { return defaultNames(aChardev, id)[0] }
