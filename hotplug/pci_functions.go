package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// RemoveFunctions hot-removes PCI devices that share a slot, the functions of a multifunction device,
// and everything that [VM.AddDisk], [VM.AddNIC] and [VM.AddDevice] created for them. The guest can
// release only the slot, so the other operations refuse such a device with a [*SharedSlotError].
//
// ids names all functions of the slot, in any order; if the slot has a device that ids does not
// name, the error is a [*SharedSlotError]. RemoveFunctions asks the guest once and waits until all
// devices are gone, the guest refuses, or ctx ends. It is idempotent: call it again with the same
// ids to finish a removal that was interrupted. Devices that are gone are not an error; what AddDisk
// and AddNIC created for them is removed.
//
// RemoveFunctions returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the slot.
//   - [ErrUnplugRefused]: the guest refused. All devices work as before.
//   - [ErrNotDisk], [ErrNotNIC]: a device uses a node or a netdev with another name.
//   - [ErrNotAlone]: a device has memory or something else that another operation removes, or other
//     devices on its buses.
//   - [ErrDescriptorsKept]: see [VM.RemoveDisk].
func (vm *VM) RemoveFunctions(ctx context.Context, ids ...string) error {
	return vm.removing(ctx, "functions", strings.Join(ids, ", "), func() error { return vm.removeFunctions(ctx, ids) })
}

func (vm *VM) removeFunctions(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return errors.New("needs the IDs of the devices")
	}
	var functions []*PCIDevice // the devices that exist
	var rest []func() error    // removes what belongs to each device
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return err
		}
		device, remove, err := vm.removalOf(ctx, id)
		if err != nil {
			return err
		}
		if device {
			address, _, err := vm.pciAddress(ctx, devicePath(id))
			if err != nil {
				return err
			}
			functions = append(functions, &PCIDevice{ID: id, Slot: address.Slot, Function: address.Function})
		}
		rest = append(rest, func() error { return remove(ctx, id) })
	}
	if len(functions) > 0 {
		if err := vm.unplugSlot(ctx, functions); err != nil {
			return err
		}
	}
	for _, remove := range rest {
		if err := remove(); err != nil {
			return err
		}
	}
	return nil
}

// removalOf reports whether there is a device with this id, and returns what removes the rest of it
// when the device is gone.
func (vm *VM) removalOf(ctx context.Context, id string) (device bool, rest func(context.Context, string) error, err error) {
	all := func(ctx context.Context, id string) error {
		return errors.Join(vm.removeDiskRest(ctx, id), vm.removeNICRest(ctx, id))
	}
	device, isDisk, err := vm.checkDisk(ctx, id)
	switch {
	case err != nil || isDisk:
		return device, vm.removeDiskRest, err
	case !device:
		_, _, err = vm.checkNIC(ctx, id)
		return false, all, err
	}
	_, isNIC, err := vm.checkNIC(ctx, id)
	switch {
	case err != nil || isNIC:
		return true, vm.removeNICRest, err
	}
	if err := vm.checkAlone(ctx, id); err != nil {
		return true, nil, err
	}
	return true, func(context.Context, string) error { return nil }, vm.checkBridge(ctx, id)
}

// unplugSlot unplugs the functions of a slot together. QEMU is asked for the first function, which
// all versions take for the slot. Asking for each would press an attention button several times.
func (vm *VM) unplugSlot(ctx context.Context, functions []*PCIDevice) error {
	slices.SortFunc(functions, func(a, b *PCIDevice) int { return cmp.Compare(a.Function, b.Function) })
	first := functions[0].ID
	others, err := vm.slotMates(ctx, first)
	if err != nil {
		return err
	}
	ids := []string{first}
	for _, f := range functions[1:] {
		if !slices.Contains(others, f.ID) {
			return fmt.Errorf("device %s is not in the slot of %s", f.ID, first)
		}
		ids = append(ids, f.ID)
	}
	others = slices.DeleteFunc(others, func(other string) bool { return slices.Contains(ids, other) })
	if len(others) > 0 {
		return &SharedSlotError{ID: first, Others: others}
	}
	for _, id := range ids {
		if err := vm.checkBuses(ctx, id); err != nil {
			return err
		}
	}
	u := unplugging{vm: vm, ids: ids, kind: anyDevice}
	return u.run(ctx)
}

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
		err = fmt.Errorf("%w: the buses of %s have other devices, remove these first: %s", ErrNotAlone, id, strings.Join(others, ", "))
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
	devices, err := vm.pciDevices(ctx, bus)
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
