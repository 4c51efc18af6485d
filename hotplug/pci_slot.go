package hotplug

import (
	"context"
	"fmt"
	"maps"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A PCISlot is a slot of a PCI bus.
type PCISlot struct {
	Bus  string // for the field Bus of a Disk, a NIC, a Device or Memory
	Slot int
}

// Addr returns the slot in the format of a device's property "addr". With the property, QEMU refuses the
// device if the slot is taken. Without it, QEMU chooses a slot.
func (s PCISlot) Addr() string { return fmt.Sprintf("%02x", s.Slot) }

// String returns the bus and the slot: "pci.0/1e".
func (s PCISlot) String() string { return s.Bus + "/" + s.Addr() }

// FreePCISlot returns the first free slot of a bus that takes devices while the machine runs. from is the first slot
// that it looks at. If bus is empty, it searches the chipset's bus (pci.0 of a pc). If that bus takes no devices, as
// on q35, it returns the slot of the first empty port that takes devices: root ports come before ports of switches.
// from has no effect then. A device that is being unplugged still occupies its slot. FreePCISlot leaves out the slots
// that [Options.Reserved] reports.
//
// You do not need FreePCISlot to add a device: if Bus is empty, the operation finds a slot by itself.
//
// FreePCISlot returns an error that matches:
//   - [ErrNoFreeSlot]: all slots are taken, or no bus takes devices while the machine runs.
//   - [ErrNoBus]: there is no such bus.
//
// The slot is not reserved. If two callers get the same slot and use its [PCISlot.Addr], QEMU refuses the
// second device. The operation undoes its steps: call it again with another slot.
func (vm *VM) FreePCISlot(ctx context.Context, bus string, from int) (PCISlot, error) {
	tree, err := vm.pciTree(ctx)
	var slot PCISlot
	if err == nil {
		slot, err = tree.freeSlot(bus, from, vm.isReserved)
	}
	return slot, failed(findSlot(bus), err)
}

// FreeSlot does the same as [VM.FreePCISlot] with this tree, without asking QEMU. It can return a slot that
// [Options.Reserved] reports.
func (t PCITree) FreeSlot(bus string, from int) (PCISlot, error) {
	slot, err := t.freeSlot(bus, from, func(PCISlot) bool { return false })
	return slot, failed(findSlot(bus), err)
}

// findSlot returns the name of the operation, for errors.
func findSlot(bus string) string {
	if bus == "" {
		return "find a free PCI slot"
	}
	return fmt.Sprintf("find a free slot on PCI bus %q", bus)
}

func (t PCITree) freeSlot(bus string, from int, skip func(PCISlot) bool) (PCISlot, error) {
	if bus == "" {
		return t.anySlot(from, skip)
	}
	b := t.Bus(bus)
	if b == nil {
		return PCISlot{}, because(ErrNoBus, "no such bus")
	}
	if !b.Hotplug {
		return PCISlot{}, because(ErrNoFreeSlot, "bus takes no devices while the machine runs")
	}
	slot, ok := b.freeSlot(from, func(slot int) bool { return skip(PCISlot{b.Name, slot}) })
	if !ok {
		return PCISlot{}, because(ErrNoFreeSlot, "all slots are taken")
	}
	return PCISlot{Bus: b.Name, Slot: slot}, nil
}

// anySlot chooses the bus and the slot.
func (t PCITree) anySlot(from int, skip func(PCISlot) bool) (PCISlot, error) {
	if len(t) == 0 {
		return PCISlot{}, because(ErrNoFreeSlot, "machine has no PCI bus")
	}
	if t[0].Hotplug {
		slot, err := t.freeSlot(t[0].Name, from, skip)
		if err != nil {
			err = because(ErrNoFreeSlot, "all slots of %s are taken; start QEMU with a bridge, and name its bus: -device pci-bridge,id=…,chassis_nr=…", t[0].Name)
		}
		return slot, err
	}
	for bus := range t.Buses() {
		if !bus.Port || !bus.Hotplug {
			continue
		}
		if slot, err := t.freeSlot(bus.Name, 0, skip); err == nil {
			return slot, nil
		}
	}
	return PCISlot{}, because(ErrNoFreeSlot, "no empty port takes devices while the machine runs; start QEMU with more of them: -device pcie-root-port,id=…,chassis=…")
}

// nameSlot sets the slot of a device for a port of PCI Express, which has only one: QEMU then refuses a
// second device. Without it, QEMU 5.2 and 7.2 choose another slot, in which the guest does not find the
// device. QEMU 10.0 refuses the device also without the slot, so nameSlot does nothing there.
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
