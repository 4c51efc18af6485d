package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The names that a NIC's descriptors are sent under.
func tapNames(id string) func(queue int) string {
	return func(queue int) string { return id + "-" + strconv.Itoa(queue) }
}

// vhostNames differ from the names of taps of all IDs, because two NICs can be added at the same time.
func vhostNames(id string) func(queue int) string {
	return func(queue int) string { return tapNames(id)(queue) + "-vhost" }
}

// nameTaken reports whether a netdev has taken the descriptor that was sent under a name. If not, nameTaken closes
// the descriptor.
func (vm *VM) nameTaken(ctx context.Context, name string) (known, taken bool, err error) {
	err = qemu.CloseFD{FDName: name}.Do(ctx, vm.conn)
	if refused(err) {
		return true, true, nil
	}
	return true, false, err
}

// claimNetdev calls add, as a part of an operation, while no other manager does so for the same name. The claim is an
// object: QEMU refuses a second object with the same ID. A manager that ends during the call leaves the object.
func (vm *VM) claimNetdev(ctx context.Context, undo *rollback, name string, add func() error) error {
	claim := markOf(name, aNetdev, name)
	at := len(*undo)
	err := undo.step(ctx, step{
		what: "object " + claim,
		do:   func(ctx context.Context) error { return markObject(claim).Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { _, err := vm.removeObject(ctx, claim); return err },
	})
	if refused(err) { // also if the other manager has removed the claim by now
		return fmt.Errorf("%w: %w", exists(anObject, claim, ""), err)
	}
	if err == nil {
		err = add()
	}
	if err != nil {
		return err
	}
	if _, err := vm.removeObject(ctx, claim); err != nil {
		return err
	}
	*undo = slices.Delete(*undo, at, at+1) // another manager may have the claim now
	return nil
}

// checkNetdevNew makes sure that there is no netdev with the name of a new one.
func (vm *VM) checkNetdevNew(ctx context.Context, n *NIC) error {
	text, err := qemu.HumanMonitorCommand{CommandLine: "info network"}.Do(ctx, vm.conn)
	if refused(err) {
		return nil
	}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.Trim(line, " \\\r\n"), ":") // a port of a hub has its peer or nothing after its name
		if isNIC := strings.HasPrefix(rest, " index=") && strings.Contains(rest, "type=nic"); name == n.NetdevID && !isNIC {
			if err := vm.checkNoDevice(ctx, n.ID); err != nil {
				return err
			}
			return exists(aNetdev, n.NetdevID, "")
		}
	}
	return err
}

// netdevExists reports whether there is a netdev, even if QEMU has created only half of it. QEMU has no query
// for netdevs: the class of set_link's error answers. Do not call it for a netdev that is in use, because
// set_link changes the link. set_link takes the ID of a NIC, too; netdevExists does not call it then.
func (vm *VM) netdevExists(ctx context.Context, n *NIC) (bool, error) {
	if n.NetdevID != n.ID { // of which AddNIC knows that no device has it
		if device, err := vm.deviceExists(ctx, n.NetdevID); err != nil || device {
			return false, err
		}
	}
	err := qemu.SetLink{Name: n.NetdevID, Up: true}.Do(ctx, vm.conn)
	if errors.Is(err, qmp.ErrDeviceNotFound) {
		return false, nil
	}
	return err == nil, err
}

// netdevUser returns the path of the device that uses a netdev, or "". QEMU removes a netdev even if it is
// in use, which cuts off the guest's NIC.
func (vm *VM) netdevUser(ctx context.Context, netdev string) (path string, err error) {
	for _, container := range []string{"/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached"} {
		devices, err := vm.objects(ctx, container, "child")
		if err != nil {
			return "", err
		}
		for _, d := range devices {
			var used string
			has, err := vm.objectProperty(ctx, d.path, "netdev", &used)
			if err != nil {
				return "", err
			}
			if has && used == netdev {
				return d.path, nil
			}
		}
	}
	return "", nil
}

// checkNetdevUnused makes sure that no device uses a netdev.
func (vm *VM) checkNetdevUnused(ctx context.Context, id string, class error) error {
	user, err := vm.netdevUser(ctx, id)
	if err == nil && user != "" {
		err = because(class, "device %s uses a netdev with this ID", user)
	}
	return err
}

// maxMissing is the number of missing names in a row after which closeNames gives up. An interrupted operation can
// have closed or used some of the names.
const maxMissing = 16

// closeNames closes the descriptors of queue and of the queues after it, until so many names in a row are
// missing. QEMU has no query for names.
func (vm *VM) closeNames(ctx context.Context, name func(queue int) string, queue, missing int) error {
	for missed := 0; missed < missing; queue++ {
		err := qemu.CloseFD{FDName: name(queue)}.Do(ctx, vm.conn)
		switch {
		case err == nil:
			missed = 0
		case refused(err):
			missed++
		default:
			return err
		}
	}
	return nil
}
