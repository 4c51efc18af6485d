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
//   - [Netdev]: any netdev that netdev_add can add.
//   - [VhostVDPA]: a vDPA device of the host, which the caller has opened.
//   - [VhostUser]: a vhost-user server, for example a switch.
type NICBackend interface {
	// checkNIC returns the name of the netdev, or an error if the backend is invalid. It sends nothing.
	checkNIC(n *NIC) (netdev string, err error)

	// sendFiles sends QEMU the descriptors that the netdev needs, as steps of an operation.
	sendFiles(ctx context.Context, vm *VM, undo *rollback, id string) error

	// taken reports whether a netdev has taken the descriptors or the connection of sendFiles. If so, the netdev
	// is the one that the operation added. If known is false, the backend has nothing that a netdev takes. taken
	// may remove descriptors and connections that no netdev has taken.
	taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error)

	// files returns the files of sendFiles, with the names that QEMU gets them under.
	files(id string) []namedFile

	// netdev returns the netdev to add. It refers to the descriptors by the names that sendFiles used.
	netdev(n *NIC) qemu.NetdevAdd
}

// A namedFile is a descriptor of a netdev, which refers to it by the name.
type namedFile struct {
	name string
	file *os.File
}

// A Tap is a tap or macvtap of the host, as the host's side of a NIC. QEMU gets copies of the descriptors;
// the caller still owns the files. Only Linux has taps.
type Tap struct {
	// Queues has an open file for each queue of the tap: /dev/net/tun after TUNSETIFF with IFF_TAP and IFF_NO_PI,
	// or a macvtap. Several queues must be of the same interface and have IFF_MULTI_QUEUE. Either all queues or
	// none have IFF_VNET_HDR, which makes virtio much faster. AddNIC checks this first.
	//
	// If the guest did not use a queue, QEMU leaves it detached (TUNSETQUEUE). AddNIC attaches it again.
	Queues []*os.File

	// Vhost is empty, or has an open /dev/vhost-net for each of Queues. With it, the host's kernel moves
	// the packets. AddNIC checks that each file is a vhost device, because QEMU 7.2 terminates if one is not. QEMU
	// 7.2 also terminates if another tap uses one of the files; AddNIC cannot check that.
	Vhost []*os.File
}

const maxQueues = 256 // of a tap, in Linux

func (t Tap) checkNIC(n *NIC) (netdev string, err error) {
	if len(t.Queues) == 0 {
		return "", errors.New("Tap needs Queues")
	}
	if len(t.Vhost) != 0 && len(t.Vhost) != len(t.Queues) {
		return "", fmt.Errorf("Tap has %d Vhost for %d Queues: it must have one for each, or none", len(t.Vhost), len(t.Queues))
	}
	if err := checkTaps(t.Queues); err != nil {
		return "", err
	}
	if err := checkVhost(t.Vhost); err != nil {
		return "", err
	}
	return n.newNetdev("")
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

func (t Tap) files(id string) (files []namedFile) {
	for i, f := range t.Queues {
		files = append(files, namedFile{tapNames(id)(i), f})
	}
	for i, f := range t.Vhost {
		files = append(files, namedFile{vhostNames(id)(i), f})
	}
	return files
}

func (t Tap) netdev(n *NIC) qemu.NetdevAdd {
	queues, vhost := namesOf(t.Queues, tapNames(n.ID)), namesOf(t.Vhost, vhostNames(n.ID))
	tap := &qemu.NetdevTapOptions{}
	if len(queues) == 1 { // with "fds" the guest could not turn the queue off
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
	return qemu.NetdevAdd{ID: n.NetdevID, Type: qemu.NetClientDriverTap, Branch: tap}
}

// namesOf returns the names that files are sent under.
func namesOf(files []*os.File, name func(queue int) string) (names []string) {
	for i := range files {
		names = append(names, name(i))
	}
	return names
}

// A Netdev is any netdev that netdev_add can add, as the host's side of a NIC: user, bridge, stream and
// others. QEMU opens the files and sockets that it names.
type Netdev struct {
	// Options describes the netdev. If its ID is empty, it is the NetdevID of the NIC. QEMU removes a vhost-user netdev
	// together with its character device.
	//
	// For a tap with Vhost and without VhostFD, QEMU opens /dev/vhost-net, and QEMU 7.2 terminates if it
	// cannot. So AddNIC first opens it, and returns an error if that fails. This does not help if QEMU runs
	// in a chroot or as another user: use a [Tap] with Vhost there.
	Options qemu.Netdev
}

func (n Netdev) checkNIC(nic *NIC) (netdev string, err error) {
	if _, err := n.Options.MarshalJSON(); err != nil {
		return "", err
	}
	if tap, ok := n.Options.Branch.(*qemu.NetdevTapOptions); ok && opensVhost(tap) {
		if err := checkVhostNet(); err != nil {
			return "", err
		}
	}
	return nic.newNetdev(n.Options.ID)
}

func (n Netdev) sendFiles(context.Context, *VM, *rollback, string) error { return nil }

func (n Netdev) taken(context.Context, *VM, string) (known, taken bool, err error) {
	return false, false, nil
}

func (n Netdev) files(string) []namedFile { return nil }

func (n Netdev) netdev(nic *NIC) qemu.NetdevAdd {
	add := qemu.NetdevAdd(n.Options)
	add.ID = nic.NetdevID
	return add
}

// A VhostVDPA is a vDPA device of the host, as the host's side of a NIC. QEMU must be 7.2 or newer. To let
// QEMU open the device, use a [Netdev] with the device's name.
type VhostVDPA struct {
	// File is the open device, /dev/vhost-vdpa-N. QEMU gets a copy of the descriptor; the caller still owns the
	// file. AddNIC checks that the file is a vhost device, because QEMU 7.2 terminates if it is not.
	File *os.File

	// Queues is the number of queues in each direction. 0 leaves the number to QEMU.
	Queues int
}

func (v VhostVDPA) checkNIC(n *NIC) (netdev string, err error) {
	if v.File == nil {
		return "", errors.New("VhostVDPA needs a File")
	}
	if v.Queues < 0 {
		return "", fmt.Errorf("VhostVDPA has %d Queues: it must not be negative", v.Queues)
	}
	if _, err := kernelVhost(v.File); err != nil {
		return "", fmt.Errorf("File is not a vhost device: %w", err)
	}
	return n.newNetdev("")
}

func (v VhostVDPA) sendFiles(ctx context.Context, vm *VM, undo *rollback, id string) error {
	return vm.sendQueues(ctx, undo, []*os.File{v.File}, vhostNames(id))
}

func (v VhostVDPA) taken(ctx context.Context, vm *VM, id string) (known, taken bool, err error) {
	return vm.nameTaken(ctx, vhostNames(id)(0))
}

func (v VhostVDPA) files(id string) []namedFile { return []namedFile{{vhostNames(id)(0), v.File}} }

func (v VhostVDPA) netdev(n *NIC) qemu.NetdevAdd {
	//qmp:allow NetdevVhostVDPAOptions/vhostfd an older QEMU refuses it, and the caller has no other way
	vdpa := &qemu.NetdevVhostVDPAOptions{VhostFD: new(vhostNames(n.ID)(0))}
	if v.Queues > 0 {
		vdpa.Queues = new(int64(v.Queues))
	}
	return qemu.NetdevAdd{ID: n.NetdevID, Branch: vdpa}
}

// queuesOf returns the number of queues of a netdev in each direction, or 1 if it is unknown.
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
