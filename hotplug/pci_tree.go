package hotplug

import (
	"cmp"
	"context"
	"iter"
	"path"
	"slices"
	"strings"
)

// A PCITree holds the root buses of a machine, with the devices and buses on them. The bus of the chipset,
// "pci.0" or "pcie.0", is first. The buses of expander bridges follow.
type PCITree []*PCIBus

// A PCIBus is a bus of PCI or PCI Express.
type PCIBus struct {
	Name    string // for "bus" in device_add; the bus of a bridge with an ID has that ID
	Path    string // in QEMU's tree of objects
	Express bool

	// Port reports whether the bus is behind a port of PCI Express: a root port or a downstream port of a
	// switch. Such a bus takes one device, in slot 0.
	Port bool

	// Hotplug reports whether QEMU can add and remove devices while the machine runs. It is false for root
	// buses of PCI Express, even though they have a "hotplug-handler" in QEMU 10.0 and 11.1.
	Hotplug bool

	Devices []*PCIDevice // sorted by slot and function
	first   int          // the first slot that can be used
}

// A PCIDevice is a device, or one function of it, on a bus.
type PCIDevice struct {
	ID       string // empty for a part of the machine, or a device without an ID
	Driver   string // the device's type: "virtio-net-pci"
	Path     string // in QEMU's tree of objects
	Slot     int    // 0 to 31; the device number in Linux and in "addr"
	Function int    // 0 to 7

	// Buses are the buses behind a bridge, a port or an expander.
	Buses []*PCIBus
}

// Buses iterates over all buses: the root buses, then the buses of their bridges, and so on.
func (t PCITree) Buses() iter.Seq[*PCIBus] {
	return func(yield func(*PCIBus) bool) {
		for level := []*PCIBus(t); len(level) > 0; {
			var next []*PCIBus
			for _, bus := range level {
				if !yield(bus) {
					return
				}
				for _, d := range bus.Devices {
					next = append(next, d.Buses...)
				}
			}
			level = next
		}
	}
}

// Bus returns the bus with this name, or nil.
func (t PCITree) Bus(name string) *PCIBus {
	for bus := range t.Buses() {
		if bus.Name == name {
			return bus
		}
	}
	return nil
}

// Device returns the device with this ID, or nil.
func (t PCITree) Device(id string) *PCIDevice {
	for bus := range t.Buses() {
		for _, d := range bus.Devices {
			if d.ID == id && id != "" {
				return d
			}
		}
	}
	return nil
}

const pciSlots = 32

// FreeSlot returns the first slot of the bus that has no device. A device that is being unplugged still
// occupies its slot.
func (b *PCIBus) FreeSlot() (slot int, ok bool) {
	if b.Port { // has slot 0 only, but QEMU does not refuse a device in another
		return 0, len(b.Devices) == 0
	}
	var used [pciSlots]bool
	for _, d := range b.Devices {
		used[d.Slot] = true
	}
	for slot := b.first; slot < pciSlots; slot++ {
		if !used[slot] {
			return slot, true
		}
	}
	return 0, false
}

// PCITree returns the PCI buses of the machine and the devices on them. It is empty for a machine without
// PCI. PCITree sends about three commands for each device. It may or may not include a device that is added
// or removed while it reads.
//
// Unlike query-pci, PCITree works before the firmware has run, and does not depend on the guest's numbers
// for the buses.
//
// Source: qom-list, qom-get.
func (vm *VM) PCITree(ctx context.Context) (PCITree, error) {
	tree, err := vm.pciTree(ctx)
	return tree, failed("read PCI buses", err)
}

func (vm *VM) pciTree(ctx context.Context) (PCITree, error) {
	if err := vm.made(); err != nil {
		return nil, err
	}
	w := pciWalk{vm: vm, ctx: ctx}
	for _, k := range []struct {
		kinds *kinds
		of    string
	}{{&w.hosts, "pci-host-bridge"}, {&w.buses, "PCI"}, {&w.bridges, "base-pci-bridge"}, {&w.ports, "pcie-slot"}} {
		var err error
		if *k.kinds, err = vm.implementing(ctx, k.of); err != nil {
			return nil, err
		}
	}
	return w.tree()
}

// A pciWalk reads the tree.
type pciWalk struct {
	vm  *VM
	ctx context.Context

	hosts, buses, bridges, ports kinds
}

// tree reads the root buses: the buses of the machine's host bridges and of expanders.
func (w *pciWalk) tree() (PCITree, error) {
	var roots PCITree
	for _, container := range []string{"/machine", "/machine/unattached", "/machine/peripheral", "/machine/peripheral-anon"} {
		objects, err := w.vm.objects(w.ctx, container, "child")
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if !w.hosts[o.kind] {
				continue
			}
			buses, err := w.busesOf(o.path, nil)
			if err != nil {
				return nil, err
			}
			roots = append(roots, buses...)
		}
	}
	return roots, nil
}

// busesOf reads the buses of a host bridge, or of a bridge.
func (w *pciWalk) busesOf(owner string, bridge *PCIDevice) ([]*PCIBus, error) {
	objects, err := w.vm.objects(w.ctx, owner, "child")
	if err != nil {
		return nil, err
	}
	var all []*PCIBus
	for _, o := range objects {
		if !w.buses[o.kind] {
			continue
		}
		bus := &PCIBus{Name: o.name, Path: o.path, Express: o.kind != "PCI" && o.kind != "pxb-bus"}
		if err := w.look(bus, bridge); err != nil {
			return nil, err
		}
		all = append(all, bus)
	}
	return all, nil
}

// look reads whether a bus takes devices, and the devices on it.
func (w *pciWalk) look(bus *PCIBus, bridge *PCIDevice) error {
	bus.Port = bridge != nil && w.ports[bridge.Driver]
	var handler string
	if _, err := w.vm.objectProperty(w.ctx, bus.Path, "hotplug-handler", &handler); err != nil {
		return err
	}
	bus.Hotplug = handler != "" && (bus.Port || !bus.Express)
	if bus.Port {
		enabled := true // 5.2 has ports without the property
		if _, err := w.vm.objectProperty(w.ctx, bridge.Path, "hotplug", &enabled); err != nil {
			return err
		}
		bus.Hotplug = bus.Hotplug && enabled
	} else if bridge != nil && handler == bridge.Path {
		bus.first = 1 // the standard hotplug controller (SHPC) has no slot 0
	}
	var err error
	if bus.Devices, err = w.vm.pciDevices(w.ctx, bus.Path); err != nil {
		return err
	}
	for _, d := range bus.Devices {
		if w.bridges[d.Driver] {
			if d.Buses, err = w.busesOf(d.Path, d); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(bus.Devices, func(a, b *PCIDevice) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Function, b.Function))
	})
	return nil
}

// pciDevices reads the devices on a bus, but not the devices behind them. It leaves out a device that is
// removed while it reads.
func (vm *VM) pciDevices(ctx context.Context, bus string) ([]*PCIDevice, error) {
	links, err := vm.objects(ctx, bus, "link")
	if err != nil {
		return nil, err
	}
	var all []*PCIDevice
	for _, link := range links {
		if !strings.HasPrefix(link.name, "child[") {
			continue
		}
		d := &PCIDevice{Driver: link.kind}
		if has, err := vm.objectProperty(ctx, bus, link.name, &d.Path); err != nil {
			return nil, err
		} else if !has || d.Path == "" {
			continue
		}
		address, has, err := vm.pciAddress(ctx, d.Path)
		if err != nil {
			return nil, err
		}
		if !has {
			continue
		}
		d.Slot, d.Function = address.Slot, address.Function
		if parent, id := path.Split(d.Path); parent == devicePath("") {
			d.ID = id
		}
		all = append(all, d)
	}
	return all, nil
}

// name returns the device's ID, or its path if it has no ID.
func (d *PCIDevice) name() string { return cmp.Or(d.ID, d.Path) }

// pciAddress reads the slot and the function of a PCI device. The device may be gone.
func (vm *VM) pciAddress(ctx context.Context, path string) (address PCIAddress, has bool, err error) {
	addr := -1
	_, err = vm.objectProperty(ctx, path, "addr", &addr)
	if err != nil || addr < 0 || addr >= 8*pciSlots {
		return PCIAddress{}, false, err
	}
	return PCIAddress{Slot: addr / 8, Function: addr % 8}, true, nil
}
