package hotplug

import (
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A NIC says what network interface to add. ID and Backend are needed.
type NIC struct {
	// ID is the name of the NIC: of its device and of its netdev, which is what QEMU calls the
	// host's side of it. See the package's documentation for what it may be.
	ID string

	// Backend is the host's side: a [Tap], a [Netdev], a [VhostVDPA] or a [VhostUser].
	Backend NICBackend

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

const defaultNICDriver = "virtio-net-pci"

// check finds what is wrong before anything is done.
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
	return n.Backend.checkNIC(n.ID)
}

// device is the request for the device.
func (n *NIC) device(queues int64) qemu.DeviceAdd {
	props := qmp.Args{"netdev": n.ID}
	if n.MAC != "" {
		props["mac"] = n.MAC
	}
	if n.NoROM {
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
