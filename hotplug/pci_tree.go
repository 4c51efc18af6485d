package hotplug

import (
	"cmp"
	"context"
	"iter"
	"path"
	"slices"
	"strings"
)

// A PCITree is the PCI buses of a machine and the devices on them, by its root buses: the one of
// the chipset first, "pci.0" or "pcie.0", then those of expander bridges.
type PCITree []*PCIBus

// A PCIBus is a bus of PCI or PCI Express.
type PCIBus struct {
	Name    string // as "bus" in device_add takes it: that of a bridge with an id has the bridge's
	Path    string // in QEMU's tree of objects
	Express bool

	// Port tells that it is what a port of PCI Express has behind it: it takes one device, in
	// slot 0, be it a root port's or one of a switch's downstream ports.
	Port bool

	// Hotplug reports whether devices can be added while the machine runs, and removed. Root buses
	// of PCI Express cannot, whatever QEMU 10.0 and 11.1 have as their "hotplug-handler".
	Hotplug bool

	Devices []*PCIDevice // by slot and function
	first   int          // the first slot that can be used
}

// A PCIDevice is a device, or one function of it, on a bus.
type PCIDevice struct {
	ID       string // empty for what is part of the machine, or was added without one
	Driver   string // its type: "virtio-net-pci"
	Path     string // in QEMU's tree of objects
	Slot     int    // 0 to 31; what Linux and "addr" call the device number
	Function int    // 0 to 7

	// Buses are what a bridge, a port or an expander has behind it.
	Buses []*PCIBus
	parts []object // of a bridge, until Buses is known
}

// Buses goes through all buses: the root buses, those behind their bridges, and so on.
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

// Bus returns the bus of a name, or nil.
func (t PCITree) Bus(name string) *PCIBus {
	for bus := range t.Buses() {
		if bus.Name == name {
			return bus
		}
	}
	return nil
}

// Device returns the device with an id, or nil.
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

// FreeSlot returns the first slot of the bus that has no device. A device that is being unplugged
// has its slot until it is gone.
func (b *PCIBus) FreeSlot() (slot int, ok bool) {
	if b.Port { // takes one device, but QEMU does not refuse another in a slot that is not there
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

// PCITree returns the PCI buses of the machine and what is on them (qom-list, qom-get). It is empty
// for a machine without PCI. Unlike query-pci it does not depend on the firmware having run, or on
// how the guest has numbered the buses. It sends two commands for each device, all of a level of the tree
// together, and waits three times a level at most. What comes or goes meanwhile may be in it or not.
func (vm *VM) PCITree(ctx context.Context) (PCITree, error) {
	tree, err := vm.pciTree(ctx)
	return tree, failed("read PCI buses", err)
}

func (vm *VM) pciTree(ctx context.Context) (PCITree, error) {
	if err := vm.made(); err != nil {
		return nil, err
	}
	w := pciWalk{vm: vm, ctx: ctx}
	return w.tree()
}

// pciKinds are the types of objects that matter for the tree.
type pciKinds struct{ hosts, buses, bridges, ports kinds }

// pciKinds asks once for the types that QEMU has.
func (vm *VM) pciKinds(ctx context.Context) (pciKinds, error) {
	return vm.pciTypes.Get(ctx, func() (k pciKinds, err error) {
		ask := func(of string, into *kinds) func() error {
			return func() (err error) { *into, err = vm.implementing(ctx, of); return err }
		}
		err = together(ask("pci-host-bridge", &k.hosts), ask("PCI", &k.buses), ask("base-pci-bridge", &k.bridges), ask("pcie-slot", &k.ports))
		return k, err
	})
}

// A pciWalk looks at the tree.
type pciWalk struct {
	vm  *VM
	ctx context.Context
	pciKinds
}

// tree finds the root buses: those of the machine's host bridges and of expanders'.
func (w *pciWalk) tree() (PCITree, error) {
	containers := []string{"/machine", "/machine/unattached", "/machine/peripheral", "/machine/peripheral-anon"}
	objects := make([][]object, len(containers))
	asks := []func() error{func() (err error) { w.pciKinds, err = w.vm.pciKinds(w.ctx); return err }}
	for i, container := range containers {
		asks = append(asks, func() (err error) { objects[i], err = w.vm.objects(w.ctx, container, "child"); return err })
	}
	if err := together(asks...); err != nil {
		return nil, err
	}
	hosts := slices.DeleteFunc(slices.Concat(objects...), func(o object) bool { return !w.hosts[o.kind] })
	roots := make([][]*PCIBus, len(hosts))
	asks = nil
	for i, host := range hosts {
		asks = append(asks, func() error {
			parts, err := w.vm.objects(w.ctx, host.path, "child")
			if err == nil {
				roots[i], err = w.busesOf(host.path, parts, nil)
			}
			return err
		})
	}
	if err := together(asks...); err != nil {
		return nil, err
	}
	return slices.Concat(roots...), nil
}

// busesOf reads the buses among the parts of a host bridge, or of a bridge.
func (w *pciWalk) busesOf(owner string, parts []object, bridge *PCIDevice) ([]*PCIBus, error) {
	var all []*PCIBus
	var looks []func() error
	for _, o := range parts {
		if !w.buses[o.kind] {
			continue
		}
		bus := &PCIBus{Name: o.name, Path: owner + "/" + o.name, Express: o.kind != "PCI" && o.kind != "pxb-bus"}
		all = append(all, bus)
		looks = append(looks, func() error { return w.look(bus, bridge) })
	}
	return all, together(looks...)
}

// look finds out what a bus takes and what is on it.
func (w *pciWalk) look(bus *PCIBus, bridge *PCIDevice) error {
	bus.Port = bridge != nil && w.ports[bridge.Driver]
	var handler string
	enabled := true // 5.2 has ports without the property
	err := together(
		func() error { _, err := w.vm.objectProperty(w.ctx, bus.Path, "hotplug-handler", &handler); return err },
		func() error {
			if !bus.Port {
				return nil
			}
			_, err := w.vm.objectProperty(w.ctx, bridge.Path, "hotplug", &enabled)
			return err
		},
		func() (err error) { bus.Devices, err = w.vm.pciDevices(w.ctx, bus.Path, w.bridges); return err },
	)
	if err != nil {
		return err
	}
	bus.Hotplug = handler != "" && (bus.Port && enabled || !bus.Express)
	if !bus.Port && bridge != nil && handler == bridge.Path {
		bus.first = 1 // the standard hotplug controller (SHPC) has no slot 0
	}
	slices.SortFunc(bus.Devices, func(a, b *PCIDevice) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Function, b.Function))
	})
	var behind []func() error
	for _, d := range bus.Devices {
		behind = append(behind, func() (err error) {
			d.Buses, err = w.busesOf(d.Path, d.parts, d)
			d.parts = nil
			return err
		})
	}
	return together(behind...)
}

// pciDevices reads the devices on a bus, leaving out those that are gone by then, with the parts of those that are
// bridges.
func (vm *VM) pciDevices(ctx context.Context, bus string, bridges kinds) ([]*PCIDevice, error) {
	links, err := vm.objects(ctx, bus, "link")
	if err != nil {
		return nil, err
	}
	var all []*PCIDevice
	var asks []func() error
	for _, link := range links {
		if !strings.HasPrefix(link.name, "child[") {
			continue
		}
		d := &PCIDevice{Driver: link.kind, Slot: -1}
		all = append(all, d)
		ofDevice := bus + "/" + link.name // a path of the device too
		asks = append(asks, func() error {
			_, err := vm.objectProperty(ctx, bus, link.name, &d.Path)
			return err
		}, func() error {
			address, has, err := vm.pciAddress(ctx, ofDevice)
			if has {
				d.Slot, d.Function = address.Slot, address.Function
			}
			return err
		})
		if bridges[d.Driver] {
			asks = append(asks, func() (err error) { d.parts, err = vm.objects(ctx, ofDevice, "child"); return err })
		}
	}
	if err := together(asks...); err != nil {
		return nil, err
	}
	for _, d := range all {
		if parent, id := path.Split(d.Path); parent == devicePath("") {
			d.ID = id
		}
	}
	return slices.DeleteFunc(all, func(d *PCIDevice) bool { return d.Path == "" || d.Slot < 0 }), nil
}

// name is the device's id, or the path of one without.
func (d *PCIDevice) name() string { return cmp.Or(d.ID, d.Path) }

// pciAddress reads the slot and the function of a PCI device, which may be gone.
func (vm *VM) pciAddress(ctx context.Context, path string) (address PCIAddress, has bool, err error) {
	addr := -1
	_, err = vm.objectProperty(ctx, path, "addr", &addr)
	if err != nil || addr < 0 || addr >= 8*pciSlots {
		return PCIAddress{}, false, err
	}
	return PCIAddress{Slot: addr / 8, Function: addr % 8}, true, nil
}
