package hotplug

import (
	"cmp"
	"context"
	"fmt"
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
	seen  *seenDevice // while the tree is read
}

// String returns the name of the bus and everything behind it: "pci.0 [03.0 virtio-net-pci net1]".
func (b PCIBus) String() string { return fmt.Sprintf("%s %v", b.Name, b.Devices) }

// String returns the address, the driver and the ID of the device, and everything behind it.
func (d PCIDevice) String() string {
	text := fmt.Sprintf("%v %s", PCIAddress{d.Slot, d.Function}, d.Driver)
	if d.ID != "" {
		text += " " + d.ID
	}
	if len(d.Buses) > 0 {
		text += fmt.Sprintf(" %v", d.Buses)
	}
	return text
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

// FreeSlot returns the first slot of the bus that has no device. from is the first slot that it looks at. A device
// that is being unplugged still occupies its slot. The bus of a port has only slot 0.
func (b *PCIBus) FreeSlot(from int) (slot int, ok bool) {
	return b.freeSlot(from, func(int) bool { return false })
}

func (b *PCIBus) freeSlot(from int, skip func(slot int) bool) (slot int, ok bool) {
	for slot := max(from, 0); slot < pciSlots; slot++ {
		if b.isFree(slot) && !skip(slot) {
			return slot, true
		}
	}
	return 0, false
}

// isFree reports whether a slot can be used and has no device.
func (b *PCIBus) isFree(slot int) bool {
	if b.Port { // QEMU does not refuse a device in another slot
		return slot == 0 && len(b.Devices) == 0
	}
	return slot >= b.first && !slices.ContainsFunc(b.Devices, func(d *PCIDevice) bool { return d.Slot == slot })
}

// PCITree returns the PCI buses of the machine and the devices on them. It is empty for a machine without
// PCI. It may or may not include a device that is added or removed while PCITree reads.
//
// The first call on a VM sends about three commands for each bus and each device. Later calls send a command
// for each bus, and about three for each new device. PCITree sends the commands for a level of the tree
// together, so the waiting time grows with the number of levels, not with the number of devices.
//
// Unlike query-pci, PCITree works before the firmware has run, and does not depend on the guest's numbers
// for the buses.
//
// Source: qom-list, qom-get; qom-list-types once.
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

// pciKinds are the types of objects that a walk looks for.
type pciKinds struct{ hosts, buses, bridges, ports kinds }

// pciKinds returns the types that QEMU has. It asks once.
func (vm *VM) pciKinds(ctx context.Context) (pciKinds, error) {
	return vm.pciTypes.Get(ctx, func() (k pciKinds, err error) {
		ask := func(of string, into *kinds) func() error {
			return func() (err error) { *into, err = vm.implementing(ctx, of); return err }
		}
		err = together(ask("pci-host-bridge", &k.hosts), ask("PCI", &k.buses), ask("base-pci-bridge", &k.bridges), ask("pcie-slot", &k.ports))
		return k, err
	})
}

// A seenBus has the properties of a bus that do not change, so that later walks do not ask for them. A bus numbers
// its links to devices, and uses no number twice.
type seenBus struct {
	handler string
	enabled bool
	devices map[string]*seenDevice // by the link
}

// A seenDevice has the properties of a device that do not change.
type seenDevice struct {
	path    string
	address *PCIAddress
	parts   []object            // of a bridge
	buses   map[string]*seenBus // by name
}

// seenRoots has the root buses: names in order, and buses by their paths.
type seenRoots struct {
	names []*PCIBus // only Name, Path and Express are set
	buses map[string]*seenBus
}

// A pciWalk reads the tree.
type pciWalk struct {
	vm  *VM
	ctx context.Context
	pciKinds
}

// tree reads the tree. It does not ask for the properties that the last walk has stored.
func (w *pciWalk) tree() (PCITree, error) {
	roots := w.vm.pciSeen.Load()
	if roots == nil || roots.names == nil {
		var err error
		if roots, err = w.roots(); err != nil {
			return nil, err
		}
	} else {
		var err error
		if w.pciKinds, err = w.vm.pciKinds(w.ctx); err != nil {
			return nil, err
		}
	}
	var tree PCITree
	for _, root := range roots.names {
		tree = append(tree, &PCIBus{Name: root.Name, Path: root.Path, Express: root.Express})
	}
	buses, err := w.lookAll(tree, nil, roots.buses, func(bus *PCIBus) string { return bus.Path })
	if err != nil {
		return nil, err
	}
	seen := &seenRoots{names: roots.names, buses: buses}
	if w.hosts["spapr-pci-host-bridge"] { // which comes and goes while the machine runs
		seen.names = nil
	}
	w.vm.pciSeen.Store(seen)
	return tree, nil
}

// roots reads the root buses: the buses of the machine's host bridges and of expanders.
func (w *pciWalk) roots() (*seenRoots, error) {
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
	buses := make([][]*PCIBus, len(hosts))
	asks = nil
	for i, host := range hosts {
		asks = append(asks, func() error {
			parts, err := w.vm.objects(w.ctx, host.path, "child")
			buses[i] = w.busesOf(host.path, parts)
			return err
		})
	}
	if err := together(asks...); err != nil {
		return nil, err
	}
	return &seenRoots{names: slices.Concat(buses...)}, nil
}

// busesOf returns the buses among the parts of a host bridge, or of a bridge.
func (w *pciWalk) busesOf(owner string, parts []object) (all []*PCIBus) {
	for _, o := range parts {
		if w.buses[o.kind] {
			all = append(all, &PCIBus{Name: o.name, Path: owner + "/" + o.name, Express: o.kind != "PCI" && o.kind != "pxb-bus"})
		}
	}
	return all
}

// lookAll calls look for each bus. before and after have the stored properties of the buses, by their keys.
func (w *pciWalk) lookAll(buses []*PCIBus, bridge *PCIDevice, before map[string]*seenBus, key func(*PCIBus) string) (after map[string]*seenBus, err error) {
	seen := make([]*seenBus, len(buses))
	var looks []func() error
	for i, bus := range buses {
		looks = append(looks, func() (err error) { seen[i], err = w.look(bus, bridge, before[key(bus)]); return err })
	}
	if err := together(looks...); err != nil {
		return nil, err
	}
	after = map[string]*seenBus{}
	for i, bus := range buses {
		after[key(bus)] = seen[i]
	}
	return after, nil
}

// look reads whether a bus takes devices, and the devices on it. It does not ask for the properties in before.
func (w *pciWalk) look(bus *PCIBus, bridge *PCIDevice, before *seenBus) (*seenBus, error) {
	bus.Port = bridge != nil && w.ports[bridge.Driver]
	seen := &seenBus{enabled: true} // 5.2 has ports without the property
	var known map[string]*seenDevice
	asks := []func() error{func() (err error) {
		bus.Devices, seen.devices, err = w.vm.pciDevices(w.ctx, bus.Path, w.bridges, known)
		return err
	}}
	if before != nil {
		seen.handler, seen.enabled, known = before.handler, before.enabled, before.devices
	} else {
		asks = append(asks, func() error {
			_, err := w.vm.objectProperty(w.ctx, bus.Path, "hotplug-handler", &seen.handler)
			return err
		})
		if bus.Port {
			asks = append(asks, func() error {
				_, err := w.vm.objectProperty(w.ctx, bridge.Path, "hotplug", &seen.enabled)
				return err
			})
		}
	}
	if err := together(asks...); err != nil {
		return nil, err
	}
	bus.Hotplug = seen.handler != "" && (bus.Port && seen.enabled || !bus.Express)
	if !bus.Port && bridge != nil && seen.handler == bridge.Path {
		bus.first = 1 // the standard hotplug controller (SHPC) has no slot 0
	}
	var behind []func() error
	for _, d := range bus.Devices {
		behind = append(behind, func() (err error) {
			d.Buses = w.busesOf(d.Path, d.seen.parts)
			d.seen.buses, err = w.lookAll(d.Buses, d, d.seen.buses, func(bus *PCIBus) string { return bus.Name })
			d.seen = nil
			return err
		})
	}
	if err := together(behind...); err != nil {
		return nil, err
	}
	slices.SortFunc(bus.Devices, func(a, b *PCIDevice) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Function, b.Function))
	})
	return seen, nil
}

// pciDevices reads the devices on a bus, but not the devices behind them. It leaves out a device that is
// removed while it reads. It does not ask for the properties of known devices. It also reads the parts of bridges.
func (vm *VM) pciDevices(ctx context.Context, bus string, bridges kinds, known map[string]*seenDevice) ([]*PCIDevice, map[string]*seenDevice, error) {
	links, err := vm.objects(ctx, bus, "link")
	if err != nil {
		return nil, nil, err
	}
	links = slices.DeleteFunc(links, func(o object) bool { return !strings.HasPrefix(o.name, "child[") })
	all := make([]*seenDevice, len(links))
	var asks []func() error
	for i, link := range links {
		d := &seenDevice{}
		if before := known[link.name]; before != nil {
			*d = *before // a walk at the same time may have the other
		} else {
			asks = append(asks, vm.askDevice(ctx, d, bus, link.name, bridges[link.kind])...)
		}
		all[i] = d
	}
	if err := together(asks...); err != nil {
		return nil, nil, err
	}
	var devices []*PCIDevice
	seen := map[string]*seenDevice{}
	for i, d := range all {
		if d.path == "" || d.address == nil {
			continue
		}
		device := &PCIDevice{Driver: links[i].kind, Path: d.path, Slot: d.address.Slot, Function: d.address.Function, seen: d}
		if parent, id := path.Split(d.path); parent == devicePath("") {
			device.ID = id
		}
		devices = append(devices, device)
		seen[links[i].name] = d
	}
	return devices, seen, nil
}

// askDevice returns functions that read the properties of the device at a link of a bus.
func (vm *VM) askDevice(ctx context.Context, d *seenDevice, bus, link string, bridge bool) []func() error {
	object := bus + "/" + link // is a path of the device too
	asks := []func() error{
		func() error { _, err := vm.objectProperty(ctx, bus, link, &d.path); return err },
		func() error {
			address, has, err := vm.pciAddress(ctx, object)
			if has {
				d.address = &address
			}
			return err
		},
	}
	if bridge {
		asks = append(asks, func() (err error) { d.parts, err = vm.objects(ctx, object, "child"); return err })
	}
	return asks
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
