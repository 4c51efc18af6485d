package hotplug

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A NICBackend is the host's side of a NIC. It is one of:
//   - [Tap]: a tap or macvtap of the host, which the caller has opened.
//   - [Netdev]: what netdev_add takes.
//   - [VhostVDPA]: a vDPA device of the host, which the caller has opened.
//   - [VhostUser]: a vhost-user server, for example a switch.
type NICBackend interface {
	// checkNIC finds what is wrong before anything is done. id is the NIC's.
	checkNIC(id string) error

	// sendFiles gives QEMU what the netdev needs, as steps of an operation.
	sendFiles(ctx context.Context, vm *VM, undo *rollback, id string) error

	// taken reports whether a netdev has taken what sendFiles sent, if that can be known. A netdev has done so
	// if it is ours. What was not taken may be removed.
	taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error)

	// netdev is the netdev to add, which takes descriptors by the names that they were sent under.
	netdev(id string) qemu.NetdevAdd
}

// A Tap is a tap or macvtap of the host, as the host's side of a NIC. QEMU gets the descriptors; the
// files remain the caller's.
type Tap struct {
	// Queues are the queues of the tap, one descriptor for each: of /dev/net/tun, as TUNSETIFF with
	// IFF_TAP and IFF_NO_PI has made them, or of a macvtap. With more than one, all must be of the
	// same interface and have IFF_MULTI_QUEUE. Either all or none have IFF_VNET_HDR; virtio is much faster
	// with it. AddNIC checks all this first. It works on Linux only: other systems have no taps.
	//
	// A queue can be detached (TUNSETQUEUE): QEMU leaves those so that the guest did not use. AddNIC attaches
	// them.
	Queues []*os.File

	// Vhost are descriptors of /dev/vhost-net, one for each of Queues, or none. With them the host's kernel
	// moves the packets. AddNIC checks that they are of vhost, since QEMU 7.2 ends at others. None may be in
	// use by another tap. AddNIC cannot see that, and QEMU 7.2 ends at it too.
	Vhost []*os.File
}

const maxQueues = 256 // of a tap, in Linux

func (t Tap) checkNIC(string) error {
	if len(t.Queues) == 0 {
		return errors.New("Tap needs Queues")
	}
	if len(t.Vhost) != 0 && len(t.Vhost) != len(t.Queues) {
		return fmt.Errorf("Tap has %d Vhost for %d Queues: one for each, or none", len(t.Vhost), len(t.Queues))
	}
	if err := checkTaps(t.Queues); err != nil {
		return err
	}
	return checkVhost(t.Vhost)
}

func (t Tap) sendFiles(ctx context.Context, vm *VM, undo *rollback, id string) error {
	if err := attachTaps(undo, t.Queues); err != nil {
		return err
	}
	if err := vm.sendQueues(ctx, undo, t.Queues, tapNames(id)); err != nil {
		return err
	}
	return vm.sendQueues(ctx, undo, t.Vhost, vhostNames(id))
}

func (t Tap) taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error) {
	return vm.nameTaken(ctx, tapNames(id)(0))
}

func (t Tap) netdev(id string) qemu.NetdevAdd {
	queues, vhost := namesOf(t.Queues, tapNames(id)), namesOf(t.Vhost, vhostNames(id))
	tap := &qemu.NetdevTapOptions{}
	if len(queues) == 1 { // "fds" would make a queue of it that the guest cannot turn off
		tap.FD = new(queues[0])
	} else {
		tap.FDs = new(strings.Join(queues, ":"))
	}
	if len(vhost) > 0 {
		tap.Vhost = new(true)
	}
	if len(vhost) == 1 {
		tap.VhostFD = new(vhost[0])
	} else if len(vhost) > 1 {
		tap.VhostFDs = new(strings.Join(vhost, ":"))
	}
	return qemu.NetdevAdd{ID: id, Type: qemu.NetClientDriverTap, Branch: tap}
}

// namesOf are the names that files are sent under.
func namesOf(files []*os.File, name func(queue int) string) (names []string) {
	for i := range files {
		names = append(names, name(i))
	}
	return names
}

// A Netdev is anything that netdev_add takes, as the host's side of a NIC: user, bridge, stream and others.
// QEMU opens what is in it.
type Netdev struct {
	// Options describe the netdev. Its ID must be empty or the NIC's. QEMU removes with a vhost-user netdev
	// the character device that it names.
	//
	// For a tap with Vhost, but without a VhostFD, QEMU opens /dev/vhost-net. QEMU 7.2 ends when it cannot. So
	// AddNIC refuses if this process cannot open it. A QEMU in a chroot, or of another user, may still be
	// unable to: give it a [Tap] with Vhost.
	Options qemu.Netdev
}

func (n Netdev) checkNIC(id string) error {
	if own := n.Options.ID; own != "" && own != id {
		return fmt.Errorf("Options has the ID %q: it must be empty or that of the NIC", own)
	}
	if _, err := n.Options.MarshalJSON(); err != nil {
		return err
	}
	if tap, ok := n.Options.Branch.(*qemu.NetdevTapOptions); ok && opensVhost(tap) {
		return checkVhostNet()
	}
	return nil
}

func (n Netdev) sendFiles(context.Context, *VM, *rollback, string) error { return nil }

func (n Netdev) taken(context.Context, *VM, string) (known, taken bool, err error) {
	return false, false, nil
}

func (n Netdev) netdev(id string) qemu.NetdevAdd {
	add := qemu.NetdevAdd(n.Options)
	add.ID = id
	return add
}

// A VhostVDPA is a vDPA device of the host, as the host's side of a NIC. QEMU must be 7.2 or newer. A QEMU that
// may open the device itself takes its name in a [Netdev].
type VhostVDPA struct {
	// File is the device, /dev/vhost-vdpa-N. QEMU gets its descriptor; the file remains the caller's. AddNIC
	// checks that it is of vhost, since QEMU 7.2 ends at others.
	File *os.File

	// Queues is the number of queues of the device in each direction. 0 leaves it to QEMU.
	Queues int
}

func (v VhostVDPA) checkNIC(string) error {
	if v.File == nil {
		return errors.New("VhostVDPA needs a File")
	}
	if v.Queues < 0 {
		return fmt.Errorf("VhostVDPA has %d Queues: it must not be negative", v.Queues)
	}
	if _, err := kernelVhost(v.File); err != nil {
		return fmt.Errorf("File is not of vhost: %w", err)
	}
	return nil
}

func (v VhostVDPA) sendFiles(ctx context.Context, vm *VM, undo *rollback, id string) error {
	return vm.sendQueues(ctx, undo, []*os.File{v.File}, vhostNames(id))
}

func (v VhostVDPA) taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error) {
	return vm.nameTaken(ctx, vhostNames(id)(0))
}

func (v VhostVDPA) netdev(id string) qemu.NetdevAdd {
	//qmp:allow NetdevVhostVDPAOptions/vhostfd an older QEMU refuses it, and the caller has no other way
	vdpa := &qemu.NetdevVhostVDPAOptions{VhostFD: new(vhostNames(id)(0))}
	if v.Queues > 0 {
		vdpa.Queues = new(int64(v.Queues))
	}
	return qemu.NetdevAdd{ID: id, Branch: vdpa}
}

// queuesOf is how many queues a netdev has for each direction, as far as can be seen.
func queuesOf(netdev qemu.NetdevAdd) int64 {
	switch branch := netdev.Branch.(type) {
	case *qemu.NetdevTapOptions:
		if branch.FDs != nil {
			return int64(strings.Count(*branch.FDs, ":")) + 1
		}
		return int64(qmp.Value(branch.Queues))
	case *qemu.NetdevVhostUserOptions:
		return qmp.Value(branch.Queues)
	case *qemu.NetdevVhostVDPAOptions:
		return qmp.Value(branch.Queues)
	}
	return 1
}
