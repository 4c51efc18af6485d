package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// RemoveFunctions hot-removes PCI devices that share a slot, the functions of a multifunction device, and everything
// that [VM.AddDisk], [VM.AddNIC] and [VM.AddDevice] added for them. The options and kept are those of [VM.RemoveDisk]. A
// guest releases only a whole slot, so the other methods refuse such a device with a [*SharedSlotError].
//
// ids names all functions of the slot, in any order. RemoveFunctions asks the guest once and waits until all devices are
// gone, the guest refuses, or ctx ends; give ctx a deadline. RemoveFunctions is idempotent: call it again with the same
// ids to finish a removal that was interrupted. For a device that is gone, it removes the parts that AddDisk, AddNIC and
// AddDevice added.
//
// RemoveFunctions returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the slot.
//   - [ErrUnplugRefused]: the guest refused. All devices work as before.
//   - [*SharedSlotError]: the slot has a device that ids does not name.
//   - [ErrNotAlone]: a device has an object with memory (call [VM.RemoveMemory]), or other devices are on its buses.
//   - [ErrInUse]: the devices are gone, but something else uses a part that this package added.
//   - [ErrDescriptorsKept]: as in [VM.RemoveDisk].
//   - any other [*qmp.Error]: QEMU can never unplug a device, or refused a command.
func (vm *VM) RemoveFunctions(ctx context.Context, ids []string, opts ...RemoveOption) (kept []Kept, err error) {
	var keys []wait.Key
	for _, id := range ids {
		keys = append(keys, wait.Key{Name: id})
	}
	return vm.removingDevice(ctx, "functions", strings.Join(ids, ", "), opts,
		func(r *removal) error { return vm.removeFunctions(ctx, ids, r) }, keys...)
}

func (vm *VM) removeFunctions(ctx context.Context, ids []string, r *removal) error {
	if len(ids) == 0 {
		return errors.New("IDs of the devices are missing")
	}
	var functions []*PCIDevice // the devices that exist
	var all []*parts
	for _, id := range ids {
		p, err := vm.partsOf(ctx, id, r, functionRemoval)
		if err == nil && p.exists && len(p.uses) == 0 {
			err = vm.checkBridge(ctx, id)
		}
		if err != nil {
			return ofDevice(id, err)
		}
		if p.exists {
			address, _, err := vm.pciAddress(ctx, devicePath(id))
			if err != nil {
				return ofDevice(id, err)
			}
			functions = append(functions, &PCIDevice{ID: id, Slot: address.Slot, Function: address.Function})
		}
		all = append(all, p)
	}
	if len(functions) > 0 {
		if err := vm.unplugSlot(ctx, functions); err != nil {
			for _, p := range all {
				p.keepAll(err)
			}
			return err
		}
	}
	var failed error
	for _, p := range all { // the parts of one do not depend on those of another
		failed = errors.Join(failed, ofDevice(p.id, p.remove(ctx)))
		if p.stopped != nil {
			break
		}
	}
	return failed
}

// ofDevice adds the name of the device to an error.
func ofDevice(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("device %q: %w", id, err)
}

// unplugSlot unplugs the functions of a slot together. It asks for the first function only: all versions of
// QEMU then unplug the whole slot. A request for each function would press an attention button several
// times.
func (vm *VM) unplugSlot(ctx context.Context, functions []*PCIDevice) error {
	slices.SortFunc(functions, func(a, b *PCIDevice) int { return cmp.Compare(a.Function, b.Function) })
	var all []string
	for _, f := range functions {
		all = append(all, f.ID)
	}
	leaving, err := vm.depart(ctx, all...)
	defer leaving.end()
	if err != nil {
		return err
	}
	first := functions[0].ID
	others, err := vm.slotMates(ctx, leaving, first)
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
		if err := vm.checkBuses(ctx, leaving, id); err != nil {
			return ofDevice(id, err)
		}
	}
	u := unplugging{vm: vm, ids: ids, kind: anyDevice, slot: leaving.ejects}
	return u.run(ctx)
}
