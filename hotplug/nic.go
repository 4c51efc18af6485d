package hotplug

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A NIC says what network interface to add, and how. ID and one of Taps and Netdev are needed.
type NIC struct {
	// ID is the name of the NIC: of its device and of its netdev, which is what QEMU calls the
	// host's side of it. See the package's documentation for what it may be.
	ID string

	// Taps are the queues of a tap, one descriptor for each: of /dev/net/tun, as TUNSETIFF with
	// IFF_TAP and IFF_NO_PI has made them, or of a macvtap. With more than one, all must be of the
	// same interface and have IFF_MULTI_QUEUE; IFF_VNET_HDR, which virtio is much faster with,
	// they have all or none. QEMU is given the descriptors; the files remain the caller's, and
	// are checked first: Linux tells what they are, elsewhere there are none. Queues that are
	// detached (TUNSETQUEUE), as those that a guest did not use are when its QEMU has ended or the
	// NIC was removed, are attached.
	Taps []*os.File

	// Vhost are descriptors of /dev/vhost-net, one for each of Taps, for packets to be moved by
	// the host's kernel. With a Netdev of vhost-vdpa it is the one of its device, instead of
	// Vhostdev. They are checked to be of vhost, since QEMU 7.2 ends at others. No descriptor may
	// be in use: that cannot be seen from outside, and ends QEMU 7.2 too.
	Vhost []*os.File

	// Netdev, instead of Taps, is anything that netdev_add takes: user, vhost-user, vhost-vdpa and
	// others. QEMU opens itself what is in it. Its ID must be empty or the NIC's.
	//
	// A tap with Vhost, but without a VhostFD, has QEMU open /dev/vhost-net. It is asked to only
	// if this process can open that, since QEMU 7.2 ends when it cannot. A QEMU in a chroot, or
	// of another user, may still be unable to: give it Taps and descriptors in Vhost.
	Netdev *qemu.Netdev

	// Chardev, with a Netdev of vhost-user, is the connection to what serves it: a socket that QEMU
	// connects to. It gets the id "ID-chardev" and goes with the NIC. Without it Netdev names a
	// character device that QEMU has; QEMU removes also that with the netdev.
	//
	// A QEMU asks the other side of vhost-user for its features at once, and executes no command
	// and runs no device until it answers: nothing can be done about a silent one from here.
	Chardev *qemu.ChardevBackend

	// Driver is the device's, "virtio-net-pci" when empty. Those of NICs have a property "netdev".
	Driver string

	// MAC is the address, "52:54:00:12:34:56"; QEMU chooses one when empty, the same in each QEMU.
	MAC string

	// Bus is the id of the bus that the device is plugged into, as in [Disk]. On q35 it must name an
	// empty root port, which [VM.FreePCISlot] finds.
	Bus string

	// NoROM leaves out the ROM by which a guest can boot from the NIC. QEMU reads it from a file
	// when the device is added, which one in a chroot has not.
	NoROM bool

	// Props are further properties of the device, by their names in QEMU: "addr", "bootindex",
	// "host_mtu", "vectors". See [qmp.Args] for what values they can have; a QEMU of today refuses
	// "on" for true.
	Props qmp.Args
}

const (
	defaultNICDriver = "virtio-net-pci"
	maxQueues        = 256 // of a tap, in Linux
)

// check finds what is wrong before anything is done.
func (n *NIC) check() error {
	if err := checkID(n.ID); err != nil {
		return err
	}
	if (len(n.Taps) == 0) == (n.Netdev == nil) {
		return errors.New("needs one of Taps and Netdev")
	}
	for _, ours := range []string{"netdev", "mac", "mq"} {
		if _, ok := n.Props[ours]; ok {
			return fmt.Errorf("Props has %q, which follows from other fields", ours)
		}
	}
	if _, ok := n.Props["romfile"]; ok && n.NoROM {
		return errors.New("Props has \"romfile\", which NoROM excludes")
	}
	if n.Netdev != nil {
		return n.checkNetdev()
	}
	if n.Chardev != nil {
		return errors.New("Chardev goes with a Netdev of vhost-user")
	}
	if len(n.Vhost) != 0 && len(n.Vhost) != len(n.Taps) {
		return fmt.Errorf("%d Vhost for %d Taps: one for each, or none", len(n.Vhost), len(n.Taps))
	}
	if err := checkTaps(n.Taps); err != nil {
		return err
	}
	return checkVhost(n.Vhost)
}

// checkNetdev checks a NIC with a Netdev.
func (n *NIC) checkNetdev() error {
	if id := n.Netdev.ID; id != "" && id != n.ID {
		return fmt.Errorf("Netdev has the ID %q: it must be empty or that of the NIC", id)
	}
	if _, err := n.Netdev.MarshalJSON(); err != nil {
		return err
	}
	_, vhostUser := n.Netdev.Branch.(*qemu.NetdevVhostUserOptions)
	vdpa, isVDPA := n.Netdev.Branch.(*qemu.NetdevVhostVDPAOptions)
	switch {
	case n.Chardev != nil && !vhostUser:
		return errors.New("Chardev goes with a Netdev of vhost-user")
	case n.Chardev != nil:
		return n.checkChardev()
	case len(n.Vhost) != 0 && (!isVDPA || len(n.Vhost) > 1):
		return errors.New("Vhost goes with Taps, or is one descriptor for a Netdev of vhost-vdpa")
	case len(n.Vhost) != 0 && (vdpa.Vhostdev != nil || vdpa.VhostFD != nil):
		return errors.New("Vhost excludes the Netdev's Vhostdev and VhostFD")
	}
	if tap, ok := n.Netdev.Branch.(*qemu.NetdevTapOptions); ok && opensVhost(tap) {
		return checkVhostNet()
	}
	return checkVhost(n.Vhost)
}

// checkChardev checks the connection of a NIC with one.
func (n *NIC) checkChardev() error {
	user := n.Netdev.Branch.(*qemu.NetdevVhostUserOptions)
	if user.Chardev != "" && user.Chardev != chardevOf(n.ID) {
		return fmt.Errorf("Netdev has the chardev %q: with Chardev it must be empty", user.Chardev)
	}
	return checkConnects(n.Chardev)
}

// netdev is the netdev to add, which takes the descriptors by the names that they were sent under.
func (n *NIC) netdev() qemu.NetdevAdd {
	if n.Netdev == nil {
		return qemu.NetdevAdd{ID: n.ID, Type: qemu.NetClientDriverTap, Branch: n.tap()}
	}
	add := qemu.NetdevAdd(*n.Netdev)
	add.ID = n.ID
	switch branch := add.Branch.(type) {
	case *qemu.NetdevVhostUserOptions:
		if n.Chardev != nil {
			own := *branch
			own.Chardev = chardevOf(n.ID)
			add.Branch = &own
		}
	case *qemu.NetdevVhostVDPAOptions:
		if len(n.Vhost) != 0 {
			own := *branch
			//qmp:allow NetdevVhostVDPAOptions/vhostfd an older QEMU refuses it, and the caller has no other way
			own.VhostFD = new(vhostNames(n.ID)(0))
			add.Branch = &own
		}
	}
	return add
}

// tap is the netdev's part for Taps.
func (n *NIC) tap() *qemu.NetdevTapOptions {
	taps, vhosts := namesOf(n.Taps, tapNames(n.ID)), namesOf(n.Vhost, vhostNames(n.ID))
	tap := &qemu.NetdevTapOptions{}
	if len(taps) == 1 { // "fds" would make a queue of it that the guest cannot turn off
		tap.FD = new(taps[0])
	} else {
		tap.FDs = new(strings.Join(taps, ":"))
	}
	if len(vhosts) == 0 {
		return tap
	}
	tap.Vhost = new(true)
	if len(vhosts) == 1 {
		tap.VhostFD = new(vhosts[0])
	} else {
		tap.VhostFDs = new(strings.Join(vhosts, ":"))
	}
	return tap
}

// namesOf are the names that files are sent under.
func namesOf(files []*os.File, name func(queue int) string) (names []string) {
	for i := range files {
		names = append(names, name(i))
	}
	return names
}

// queues is how many queues the NIC has for each direction, as far as can be seen.
func (n *NIC) queues() int64 {
	if n.Netdev == nil {
		return int64(len(n.Taps))
	}
	switch branch := n.Netdev.Branch.(type) {
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

// device is the request for the device.
func (n *NIC) device() qemu.DeviceAdd {
	add := qemu.DeviceAdd{Driver: n.Driver, ID: new(n.ID), Bus: qmp.NonZero(n.Bus), Props: qmp.Args{"netdev": n.ID}}
	if add.Driver == "" {
		add.Driver = defaultNICDriver
	}
	if n.MAC != "" {
		add.Props["mac"] = n.MAC
	}
	if n.NoROM {
		add.Props["romfile"] = ""
	}
	if queues := n.queues(); queues > 1 {
		add.Props["mq"] = true
		if strings.HasPrefix(add.Driver, "virtio-net-pci") {
			add.Props["vectors"] = 2*queues + 2 // interrupts: two for a queue, one for control, one for the configuration
		}
	}
	for name, value := range n.Props {
		add.Props[name] = value
	}
	return add
}
