package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RemoveFunctions hot-removes PCI devices that share a slot, the functions of a multifunction device, and
// everything that [VM.AddDisk], [VM.AddNIC] and [VM.AddDevice] added for them. A guest releases only a
// whole slot, so the other methods refuse such a device with a [*SharedSlotError].
//
// ids names all functions of the slot, in any order. RemoveFunctions asks the guest once and waits until
// all devices are gone, the guest refuses, or ctx ends; give ctx a deadline. It is idempotent: call it
// again with the same ids to finish a removal that was interrupted. For a device that is gone, it removes
// the other things that AddDisk, AddNIC and AddDevice added.
//
// RemoveFunctions returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the slot.
//   - [ErrUnplugRefused]: the guest refused. All devices work as before.
//   - [*SharedSlotError]: the slot has a device that ids does not name.
//   - [ErrNotDisk], [ErrNotNIC]: a device uses a node or a netdev with another name.
//   - [ErrNotAlone]: a device has memory or another part that RemoveFunctions does not remove, or other
//     devices are on its buses.
//   - [ErrDescriptorsKept]: see [VM.RemoveDisk].
func (vm *VM) RemoveFunctions(ctx context.Context, ids ...string) error {
	return vm.removing(ctx, "functions", strings.Join(ids, ", "), func() error { return vm.removeFunctions(ctx, ids) })
}

func (vm *VM) removeFunctions(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return errors.New("IDs of the devices are missing")
	}
	var functions []*PCIDevice // the devices that exist
	var rest []func() error    // removes what belongs to each device
	for _, id := range ids {
		var device bool
		var remove func(context.Context, string) error
		err := checkID(id)
		if err == nil {
			device, remove, err = vm.removalOf(ctx, id)
		}
		if err != nil {
			return ofDevice(id, err)
		}
		if device {
			address, _, err := vm.pciAddress(ctx, devicePath(id))
			if err != nil {
				return ofDevice(id, err)
			}
			functions = append(functions, &PCIDevice{ID: id, Slot: address.Slot, Function: address.Function})
		}
		rest = append(rest, func() error { return ofDevice(id, remove(ctx, id)) })
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

// ofDevice adds the name of the device to an error.
func ofDevice(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("device %q: %w", id, err)
}

// removalOf reports whether a device has this ID, and returns a function that removes the rest of it when
// the device is gone.
func (vm *VM) removalOf(ctx context.Context, id string) (device bool, rest func(context.Context, string) error, err error) {
	all := func(ctx context.Context, id string) error {
		return errors.Join(vm.removeDiskRest(ctx, id), vm.removeNICRest(ctx, id), vm.removeParts(ctx, id))
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
	return true, vm.removeParts, vm.checkBridge(ctx, id)
}

// unplugSlot unplugs the functions of a slot together. It asks for the first function only: all versions of
// QEMU then unplug the whole slot. A request for each function would press an attention button several
// times.
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
			return fmt.Errorf("device %q is not in the slot of %q", f.ID, first)
		}
		ids = append(ids, f.ID)
	}
	others = slices.DeleteFunc(others, func(other string) bool { return slices.Contains(ids, other) })
	if len(others) > 0 {
		return &SharedSlotError{ID: first, Others: others}
	}
	for _, id := range ids {
		if err := vm.checkBuses(ctx, id); err != nil {
			return ofDevice(id, err)
		}
	}
	u := unplugging{vm: vm, ids: ids, kind: anyDevice}
	return u.run(ctx)
}
