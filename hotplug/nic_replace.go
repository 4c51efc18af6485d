package hotplug

import (
	"context"
	"fmt"
	"maps"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ReplaceNIC removes the NIC with the ID of n and adds n in its place, for example with another Backend. If n has no
// Bus and no "addr", it gets those of the old NIC. If n has no MAC, it gets the MAC of the old NIC. It gets no other
// property of the old NIC. The guest sees a NIC that goes and one that comes. opts and kept are those of
// [VM.RemoveNIC].
//
// ReplaceNIC checks n before it removes anything. It asks the guest to release the old NIC and waits as [VM.RemoveNIC]
// does; give ctx a deadline. Operations of this VM that find a place by themselves do not take the place while it is
// free, except that QEMU can choose it on a pc (see [Options.Reserved]).
//
// ReplaceNIC returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such NIC. Nothing has been changed.
//   - an error of [VM.RemoveNIC]: the old NIC is in the state that RemoveNIC describes.
//   - an error of [VM.AddNIC]: the old NIC is removed, and the new one is not added. The text says so.
//
// Source: the commands of RemoveNIC and AddNIC.
func (vm *VM) ReplaceNIC(ctx context.Context, n NIC, opts ...RemoveOption) (kept []Kept, err error) {
	r := newRemoval(opts)
	err = vm.operate(ctx, "replace NIC", n.ID, func() error { return vm.replaceNIC(ctx, &n, r) })
	return r.kept, err
}

func (vm *VM) replaceNIC(ctx context.Context, n *NIC, r *removal) error {
	if err := n.check(); err != nil {
		return err
	}
	old := &DeviceInfo{ID: n.ID, Path: devicePath(n.ID)}
	if err := vm.fillInfo(ctx, old); err != nil {
		return err
	}
	var mac string
	if _, _, err := vm.property(ctx, n.ID, "mac", &mac); err != nil {
		return err
	}
	if n.MAC == "" {
		n.MAC = mac
	}
	if _, given := n.Props["addr"]; !given && n.Bus == "" {
		n.Bus = old.Bus
		if old.PCI != nil {
			props := qmp.Args{"addr": old.PCI.String()}
			maps.Copy(props, n.Props)
			n.Props = props
			defer vm.pciChoice.take(PCISlot{old.Bus, old.PCI.Slot})()
		}
	}
	if err := vm.removeWith(ctx, n.ID, r, nicRemoval); err != nil {
		return err
	}
	var undo rollback
	if err := vm.addNIC(ctx, &undo, n); err != nil {
		return fmt.Errorf("the old NIC is removed: %w", undo.run(ctx, err))
	}
	return nil
}

// setLinkDown turns a netdev's link off, and that of its NIC if there is one.
func (vm *VM) setLinkDown(ctx context.Context, netdev string) error {
	return qemu.SetLink{Name: netdev, Up: false}.Do(ctx, vm.conn)
}
