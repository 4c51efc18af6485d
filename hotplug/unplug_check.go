package hotplug

import (
	"context"
	"path"
	"slices"
	"strings"
)

// checkNeighbours makes sure that QEMU would remove no other device together with this one.
func (vm *VM) checkNeighbours(ctx context.Context, leaving *departure, id string) error {
	if err := vm.checkSlot(ctx, leaving, id); err != nil {
		return err
	}
	return vm.checkBuses(ctx, leaving, id)
}

// checkBuses makes sure that no other device is on the buses of this one: QEMU would remove it together
// with the controller or bridge.
func (vm *VM) checkBuses(ctx context.Context, leaving *departure, id string) error {
	others, err := vm.behind(ctx, leaving, id, devicePath(id))
	if err == nil && len(others) > 0 {
		slices.Sort(others)
		err = because(ErrNotAlone, "device has others on its buses; remove first: %s", strings.Join(others, ", "))
	}
	return err
}

// behind lists the devices on the buses of an object, which is a device or a part of one. The number of
// commands depends on the device, not on the size of the machine.
func (vm *VM) behind(ctx context.Context, leaving *departure, id, object string) (others []string, err error) {
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
			if isChosen(part.kind) {
				err = leaving.carries(ctx)
			}
			if err == nil {
				found, err = vm.onBus(ctx, id, part.path)
			}
		case part.name == "virtio-backend": // has the buses of a virtio device of PCI
			found, err = vm.behind(ctx, leaving, id, part.path)
		}
		if err != nil {
			return nil, err
		}
		others = append(others, found...)
	}
	return others, nil
}

// onBus lists the devices on a bus, without the parts of the device with this ID.
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

// checkSlot makes sure that the guest would release no other device together with this one. A guest
// releases a whole slot of PCI, with all of its functions. A port of PCI Express has one slot, so the guest
// releases everything on its bus.
func (vm *VM) checkSlot(ctx context.Context, leaving *departure, id string) error {
	others, err := vm.slotMates(ctx, leaving, id)
	if err == nil && len(others) > 0 {
		err = &SharedSlotError{ID: id, Others: others}
	}
	return err
}

// slotMates lists the devices that the guest releases together with this one: the ID of each, or its path
// if it has no ID. As long as it leaves, this VM adds no others.
func (vm *VM) slotMates(ctx context.Context, leaving *departure, id string) ([]string, error) {
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
	if vm.ejectedByACPI(ctx, bus) {
		leaving.ejects = &PCISlot{Bus: path.Base(bus), Slot: own.Slot}
	}
	var chassis uint8
	port, err := vm.objectProperty(ctx, path.Dir(bus), "chassis", &chassis)
	if err != nil {
		return nil, err
	}
	if !port && own.Function == 0 && !multifunction {
		return nil, nil // QEMU lets no other function into its slot
	}
	if err := leaving.slot(ctx, bus, own.Slot); err != nil {
		return nil, err
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

// neverUnplugged reports whether QEMU can never unplug a device, because of the device or of its bus. It
// reads properties, because the text of QEMU's error differs between versions.
func (vm *VM) neverUnplugged(ctx context.Context, id string) bool {
	var hotpluggable bool
	if _, has, err := vm.property(ctx, id, "hotpluggable", &hotpluggable); err != nil || has && !hotpluggable {
		return err == nil
	}
	// The guest uses memory of a virtio-mem device, and nobody has asked it to give the memory back.
	var requested, used uint64
	if _, resizable, err := vm.property(ctx, id, requestedSize, &requested); err == nil && resizable {
		if _, _, err := vm.property(ctx, id, usedSize, &used); err == nil && used > 0 {
			return true
		}
	}
	var driver string
	if _, _, err := vm.property(ctx, id, "type", &driver); err == nil && keptMemory(driver) {
		return true
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
	// On PCI Express, only ports take devices, and not if the property "hotplug" of the port is off. Root buses do
	// not, even though they have a handler in QEMU 10.0 and 11.1.
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

// hasButton reports whether the slot of a device has an attention button. If so, the port or bridge that
// has the bus handles hotplug, and not the machine's ACPI controller.
func (vm *VM) hasButton(ctx context.Context, id string) bool {
	bus, handler := vm.busOf(ctx, id)
	return bus != "" && handler == path.Dir(bus)
}

// busOf returns the paths of a device's bus and of the object that plugs and unplugs devices there. handler
// is "" for a bus without hotplug. Both are "" for a device without a bus.
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
