package hotplug

import (
	"context"
	"path"
	"slices"
	"strings"
)

// checkNeighbours makes sure that no other device leaves with this one.
func (vm *VM) checkNeighbours(ctx context.Context, id string) error {
	if err := vm.checkSlot(ctx, id); err != nil {
		return err
	}
	return vm.checkBuses(ctx, id)
}

// checkBuses makes sure that there is no other device on the buses of this one: QEMU removes what is
// behind a controller or a bridge with it.
func (vm *VM) checkBuses(ctx context.Context, id string) error {
	others, err := vm.behind(ctx, id, devicePath(id))
	if err == nil && len(others) > 0 {
		slices.Sort(others)
		err = because(ErrNotAlone, "device has others on its buses; remove first: %s", strings.Join(others, ", "))
	}
	return err
}

// behind lists the devices on the buses that are parts of an object, which is a device or the
// part of one. The number of commands depends on what is there, and not on the machine.
func (vm *VM) behind(ctx context.Context, id, object string) (others []string, err error) {
	parts, err := vm.objects(ctx, object, "child")
	if err != nil || len(parts) == 0 {
		return nil, err
	}
	buses, err := vm.busTypes.Get(ctx, func() (kinds, error) { return vm.implementing(ctx, "bus") })
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		var found []string
		switch {
		case buses[part.kind]:
			found, err = vm.onBus(ctx, id, part.path)
		case part.name == "virtio-backend": // has the buses of a virtio device of PCI
			found, err = vm.behind(ctx, id, part.path)
		}
		if err != nil {
			return nil, err
		}
		others = append(others, found...)
	}
	return others, nil
}

// onBus lists the devices on a bus, without the parts of the device that has this id.
func (vm *VM) onBus(ctx context.Context, id, bus string) (others []string, err error) {
	links, err := vm.objects(ctx, bus, "link")
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		if !strings.HasPrefix(link.name, "child[") {
			continue
		}
		var device string
		if _, err := vm.objectProperty(ctx, bus, link.name, &device); err != nil {
			return nil, err
		}
		if device != "" && !strings.HasPrefix(device, devicePath(id)+"/") {
			others = append(others, strings.TrimPrefix(device, devicePath("")))
		}
	}
	return others, nil
}

// checkSlot makes sure that no other device leaves with this one. When a guest releases a PCI
// device it releases the slot, with all functions of it; a port of PCI Express has one slot, and
// whatever is on its bus leaves with it.
func (vm *VM) checkSlot(ctx context.Context, id string) error {
	others, err := vm.slotMates(ctx, id)
	if err == nil && len(others) > 0 {
		err = &SharedSlotError{ID: id, Others: others}
	}
	return err
}

// slotMates lists the devices that leave with this one: their ids, or the paths of those without.
func (vm *VM) slotMates(ctx context.Context, id string) ([]string, error) {
	var multifunction bool // a property of PCI devices, and of no others
	_, isPCI, err := vm.property(ctx, id, "multifunction", &multifunction)
	if err != nil || !isPCI {
		return nil, err
	}
	own, has, err := vm.pciAddress(ctx, devicePath(id))
	if err != nil || !has {
		return nil, err
	}
	var bus string
	if _, has, err = vm.property(ctx, id, "parent_bus", &bus); err != nil || !has {
		return nil, err
	}
	var chassis uint8
	port, err := vm.objectProperty(ctx, path.Dir(bus), "chassis", &chassis)
	if err != nil {
		return nil, err
	}
	if !port && own.Function == 0 && !multifunction {
		return nil, nil // QEMU lets no other function into its slot
	}
	devices, _, err := vm.pciDevices(ctx, bus, nil, nil)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, d := range devices {
		if d.Path != devicePath(id) && (port || d.Slot == own.Slot) {
			others = append(others, d.name())
		}
	}
	slices.Sort(others)
	return others, nil
}

// neverUnplugged reports whether QEMU can never unplug a device, because of what it is or of the bus
// that it is on. It looks, since the text of the refusal differs between versions.
func (vm *VM) neverUnplugged(ctx context.Context, id string) bool {
	var hotpluggable bool
	if _, has, err := vm.property(ctx, id, "hotpluggable", &hotpluggable); err != nil || has && !hotpluggable {
		return err == nil
	}
	// Nobody has asked the guest to give back what it uses of a virtio-mem device.
	var requested, used uint64
	if _, resizable, err := vm.property(ctx, id, requestedSize, &requested); err == nil && resizable {
		if _, _, err := vm.property(ctx, id, usedSize, &used); err == nil && used > 0 {
			return true
		}
	}
	bus, handler := vm.busOf(ctx, id)
	if bus == "" {
		return false
	}
	if handler == "" {
		return true
	}
	var kind string
	if has, err := vm.objectProperty(ctx, bus, "type", &kind); err != nil || !has || kind != "PCIE" {
		return false
	}
	// Of PCI Express only ports take devices, whatever root buses of QEMU 10.0 and 11.1 have as
	// their handler, and no port whose property "hotplug" is off.
	port := path.Dir(bus)
	var chassis uint8
	isPort, err := vm.objectProperty(ctx, port, "chassis", &chassis)
	if err != nil || !isPort {
		return err == nil
	}
	enabled := true // 5.2 has ports without the property
	_, err = vm.objectProperty(ctx, port, "hotplug", &enabled)
	return err == nil && !enabled
}

// hasButton reports whether the slot of a device has an attention button: its bus is then handled
// by the port or bridge that has the bus, and not by the machine's ACPI controller.
func (vm *VM) hasButton(ctx context.Context, id string) bool {
	bus, handler := vm.busOf(ctx, id)
	return bus != "" && handler == path.Dir(bus)
}

// busOf returns the paths of a device's bus and of the object that plugs and unplugs devices there,
// which is "" for a bus without hotplug. Both are "" for a device without a bus.
func (vm *VM) busOf(ctx context.Context, id string) (bus, handler string) {
	_, has, err := vm.property(ctx, id, "parent_bus", &bus)
	if err == nil && has {
		has, err = vm.objectProperty(ctx, bus, "hotplug-handler", &handler)
	}
	if err != nil || !has {
		return "", ""
	}
	return bus, handler
}
