package hotplug

import (
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A NIC describes a network interface to add. ID and Backend are required.
type NIC struct {
	// ID is the name of the device. The package comment has the rules for IDs.
	ID string

	// NetdevID is the name of the netdev, which is QEMU's word for the host's side of a NIC. If it is empty, it is ID.
	// The ID in the Options of a [Netdev] names the netdev, too.
	NetdevID string

	// Backend is the host's side: a [Tap], a [Netdev], a [VhostVDPA] or a [VhostUser].
	Backend NICBackend

	// Driver is the driver of the device. If it is empty, it is "virtio-net-pci", on s390x "virtio-net-ccw".
	// Other drivers must have a property "netdev".
	Driver string

	// MAC is the address, for example "52:54:00:12:34:56". If it is empty, QEMU chooses one. Every QEMU process chooses
	// the same addresses, so set MAC if NICs of several machines are on one network.
	MAC string

	// Bus is the ID of the bus for the device, as in [Disk].
	Bus string

	// LinkDown adds the NIC with its link down, as if the cable was not plugged in. [qemu.SetLink] with the NetdevID turns
	// the link on; no frame passes before that. The guest learns that the link is down right after device_add.
	// set_link takes the names of netdevs and NICs, so no other NIC may have the NetdevID as its ID.
	LinkDown bool

	// NoROM leaves out the ROM that lets a guest boot from the NIC. When a device with a ROM is added, QEMU
	// reads the ROM from a file, which a QEMU in a chroot does not have. A NIC of an s390x has no ROM.
	NoROM bool

	// Props are further properties of the device, by their names in QEMU: "addr", "bootindex", "host_mtu", "vectors",
	// on s390x "devno". [qmp.Args] lists the possible types of values. Use true instead of "on", which newer QEMUs
	// refuse.
	Props qmp.Args
}

const defaultNICDriver = "virtio-net-pci"

// check returns an error if n is invalid. It sets NetdevID. It sends nothing.
func (n *NIC) check() (err error) {
	if err := checkID(n.ID); err != nil {
		return err
	}
	if err := checkProps(n.Props, nil, "netdev", "mac", "mq"); err != nil {
		return err
	}
	if _, ok := n.Props["romfile"]; ok && n.NoROM {
		return errors.New("Props has \"romfile\", which NoROM excludes")
	}
	if n.Backend, err = backendOf(n.Backend); err != nil {
		return err
	}
	n.NetdevID, err = n.Backend.checkNIC(n)
	return err
}

// newNetdev returns the name of the netdev. inOptions is the ID in the options of the backend.
func (n *NIC) newNetdev(inOptions string) (string, error) {
	return oneName("NetdevID", n.NetdevID, inOptions, n.ID)
}

// device returns the request for the device.
func (n *NIC) device(queues int64) qemu.DeviceAdd {
	props := qmp.Args{"netdev": n.NetdevID}
	if n.MAC != "" {
		props["mac"] = n.MAC
	}
	if n.NoROM && !strings.HasSuffix(n.Driver, ccwDriver) {
		props["romfile"] = ""
	}
	add := deviceOf(n.ID, n.Driver, defaultNICDriver, n.Bus, props, n.Props)
	if queues > 1 {
		add.Props["mq"] = true
		if _, ok := n.Props["vectors"]; !ok && strings.HasPrefix(add.Driver, "virtio-net-pci") {
			add.Props["vectors"] = 2*queues + 2 // interrupts: two for a queue, one for control, one for the configuration
		}
	}
	return add
}
