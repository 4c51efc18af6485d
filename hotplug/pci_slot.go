package hotplug

import (
	"context"
	"fmt"
	"maps"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A PCISlot is a slot on a PCI bus, for a device.
type PCISlot struct {
	Bus  string // as Disk.Bus and NIC.Bus take it
	Slot int
}

// Addr is the slot as the property "addr" of a device takes it. With it QEMU refuses a slot that
// is taken; without it QEMU chooses one.
func (s PCISlot) Addr() string { return fmt.Sprintf("%02x", s.Slot) }

// String returns the bus and the slot, "pci.0/1e".
func (s PCISlot) String() string { return s.Bus + "/" + s.Addr() }

// FreePCISlot returns the first free slot of a bus for a device to be added to the running machine.
// If bus is empty, FreePCISlot takes the chipset's bus if that takes devices (pci.0 of a pc), and else the
// first empty hot-pluggable port, as on q35: root ports first, then those of switches. The slot of a device
// that is being unplugged is taken.
//
// FreePCISlot returns an error that matches:
//   - [ErrNoFreeSlot]: all slots are taken, or none takes devices while the machine runs.
//   - [ErrNoBus]: there is no such bus.
//
// Nothing is reserved. If two callers get the same slot and use its [PCISlot.Addr], QEMU refuses the
// second's device. That operation undoes itself; call it again with another slot.
func (vm *VM) FreePCISlot(ctx context.Context, bus string) (PCISlot, error) {
	tree, err := vm.pciTree(ctx)
	if err != nil {
		return PCISlot{}, failed(findSlot(bus), err)
	}
	return tree.FreeSlot(bus)
}

// FreeSlot is [VM.FreePCISlot] for a tree that was read before.
func (t PCITree) FreeSlot(bus string) (PCISlot, error) {
	slot, err := t.freeSlot(bus)
	return slot, failed(findSlot(bus), err)
}

// findSlot names the operation in errors.
func findSlot(bus string) string {
	if bus == "" {
		return "find a free PCI slot"
	}
	return fmt.Sprintf("find a free slot on PCI bus %q", bus)
}

func (t PCITree) freeSlot(bus string) (PCISlot, error) {
	if bus == "" {
		return t.anySlot()
	}
	b := t.Bus(bus)
	if b == nil {
		return PCISlot{}, because(ErrNoBus, "no such bus")
	}
	if !b.Hotplug {
		return PCISlot{}, because(ErrNoFreeSlot, "bus takes no devices while the machine runs")
	}
	slot, ok := b.FreeSlot()
	if !ok {
		return PCISlot{}, because(ErrNoFreeSlot, "all slots are taken")
	}
	return PCISlot{Bus: b.Name, Slot: slot}, nil
}

// anySlot chooses the bus, too.
func (t PCITree) anySlot() (PCISlot, error) {
	if len(t) == 0 {
		return PCISlot{}, because(ErrNoFreeSlot, "machine has no PCI bus")
	}
	if t[0].Hotplug {
		return t.freeSlot(t[0].Name)
	}
	for bus := range t.Buses() {
		if !bus.Port || !bus.Hotplug {
			continue
		}
		if slot, ok := bus.FreeSlot(); ok {
			return PCISlot{Bus: bus.Name, Slot: slot}, nil
		}
	}
	return PCISlot{}, because(ErrNoFreeSlot, "no empty port takes devices while the machine runs; start it with more pcie-root-port")
}

// nameSlot names the slot of a device for a port of PCI Express, which has one only: so QEMU
// refuses a second device. QEMU 5.2 and 7.2 choose another slot by themselves, where no guest finds
// the device; 10.0 does not.
func (vm *VM) nameSlot(ctx context.Context, device *qemu.DeviceAdd) error {
	if _, given := device.Props["addr"]; given || device.Bus == nil {
		return nil
	}
	version, err := vm.version(ctx)
	if err != nil || version.Major >= 10 {
		return err
	}
	var chassis uint8 // a property of ports, and of no others; their buses have their ids
	isPort, err := vm.objectProperty(ctx, devicePath(*device.Bus), "chassis", &chassis)
	if err != nil || !isPort {
		return err
	}
	props := qmp.Args{"addr": PCISlot{}.Addr()}
	maps.Copy(props, device.Props)
	device.Props = props
	return nil
}
