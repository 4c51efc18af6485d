package qom

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A PCIPlace is where a guest finds a device on its PCI buses.
type PCIPlace struct {
	Root  string    // the name of the root bus: "pci.0", "pcie.0", the ID of a pxb-pcie, "pxb-internal" of a pxb
	Steps []PCIStep // from the root bus: bridges and ports first, the device last
}

// A PCIStep is a function of a PCI device, and the bus on which it is.
type PCIStep struct {
	ID             string // empty for a part of the machine, or a device without an ID
	Slot, Function int

	// Bus is the number of the bus. The firmware or the guest numbers the buses behind bridges. It is -1 as long as
	// they have not done so.
	Bus int
}

// address returns the address in Linux's format.
func (s PCIStep) address() string { return fmt.Sprintf("0000:%02x:%02x.%x", s.Bus, s.Slot, s.Function) }

// Address returns the address of the device in Linux's format, domain:bus:slot.function: "0000:01:00.0". The domain is 0, the
// only one of machines with one host bridge. A guest on s390x has other addresses (zPCI). ok is false if the bus has no number
// yet.
func (p PCIPlace) Address() (address string, ok bool) {
	last := p.Steps[len(p.Steps)-1]
	return last.address(), last.Bus >= 0
}

// Sysfs returns the path of the device below /sys/devices of a Linux guest: "pci0000:00/0000:00:02.0/0000:01:00.0". ok is
// false if one of the buses has no number yet.
func (p PCIPlace) Sysfs() (path string, ok bool) {
	path, ok = fmt.Sprintf("pci0000:%02x", p.Steps[0].Bus), true
	for _, s := range p.Steps {
		path += "/" + s.address()
		ok = ok && s.Bus >= 0
	}
	return path, ok
}

// String returns the slots and functions from the root bus to the device: "pcie.0/02.0/00.0". They are known before the
// buses have numbers.
func (p PCIPlace) String() string {
	text := p.Root
	for _, s := range p.Steps {
		text += fmt.Sprintf("/%02x.%x", s.Slot, s.Function)
	}
	return text
}

// FindPCI returns where a guest finds the device at a path on its PCI buses. If the device is not on a PCI bus, the place is
// that of its controller: for example, of the virtio-scsi of a SCSI disk.
//
// FindPCI reads the numbers of buses from the bridges, as the firmware or the guest has set them. It returns an error that
// matches:
//   - [ErrNoObject]: there is no such object.
//   - [ErrNotPCI]: neither the device nor a controller of it is on a PCI bus.
//
// Source: qom-get for each bus on the way, qom-list-types, query-pci.
func FindPCI(ctx context.Context, x qmp.Executor, device string) (*PCIPlace, error) {
	place, err := findPCI(ctx, x, device)
	if err != nil {
		return nil, failed(err, "find %q on the PCI buses", device)
	}
	return place, nil
}

func findPCI(ctx context.Context, x qmp.Executor, device string) (*PCIPlace, error) {
	if _, err := get[string](ctx, x, device, "type"); err != nil {
		return nil, noObject(device, err)
	}
	types, err := qemu.QOMListTypes{Implements: new("PCI")}.Do(ctx, x)
	if err != nil {
		return nil, err
	}
	buses := map[string]bool{}
	for _, t := range types {
		buses[t.Name] = true
	}
	place := &PCIPlace{}
	for at := device; ; {
		bus, kind, address, err := busOf(ctx, x, at)
		if err != nil {
			return nil, err
		}
		if buses[kind] && address >= 0 {
			place.Root = path.Base(bus)
			place.Steps = append([]PCIStep{{ID: idOf(at), Slot: address >> 3, Function: address & 7, Bus: -1}}, place.Steps...)
		} else if bus == "" || len(place.Steps) > 0 {
			break
		}
		at = path.Dir(bus) // a bus is a part of its bridge or controller
	}
	if len(place.Steps) == 0 {
		return nil, ErrNotPCI
	}
	roots, err := qemu.QueryPCI{}.Do(ctx, x)
	if err != nil {
		return nil, err
	}
	place.number(roots)
	return place, nil
}

// busOf returns the bus of a device, its type, and the address of the device on it. The bus is empty if the object has none,
// and the address is negative.
func busOf(ctx context.Context, x qmp.Executor, device string) (bus, kind string, address int, err error) {
	if bus, _, err = Lookup[string](ctx, x, device, "parent_bus"); err != nil || bus == "" {
		return "", "", -1, err
	}
	if kind, _, err = Lookup[string](ctx, x, bus, "type"); err != nil {
		return "", "", -1, err
	}
	address, has, err := Lookup[int](ctx, x, device, "addr")
	if !has {
		address = -1
	}
	return bus, kind, address, err
}

// idOf returns the ID of the device at a path, or "".
func idOf(device string) string {
	id, ok := strings.CutPrefix(device, devices)
	if !ok || strings.Contains(id, "/") {
		return ""
	}
	return id
}

// number sets the numbers of buses from an answer to query-pci. The answer does not name root buses: the right one has
// most of the devices, by slots and IDs. If several have as many, the numbers stay unknown. The bridge of a pxb has an ID
// in the answer, and none in its path.
func (p *PCIPlace) number(roots []qemu.PCIInfo) {
	var best []int
	tie := false
	for _, root := range roots {
		numbers := p.follow(root.Devices)
		if len(numbers) > len(best) {
			best, tie = numbers, false
		} else if len(numbers) == len(best) {
			tie = true
		}
	}
	if tie {
		return
	}
	for i, number := range best {
		p.Steps[i].Bus = number
	}
}

// follow returns the numbers of buses along the steps, as far as the devices are there.
func (p *PCIPlace) follow(devices []qemu.PCIDeviceInfo) (numbers []int) {
	for _, step := range p.Steps {
		var next []qemu.PCIDeviceInfo
		found := false
		for _, d := range devices {
			if int(d.Slot) == step.Slot && int(d.Function) == step.Function && (d.QdevID == step.ID || step.ID == "") {
				numbers, found = append(numbers, int(d.Bus)), true
				if d.PCIBridge != nil {
					next = d.PCIBridge.Devices
				}
			}
		}
		if !found {
			break
		}
		devices = next
	}
	return numbers
}
