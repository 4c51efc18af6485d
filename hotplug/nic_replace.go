package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ReplaceNIC removes the NIC with the ID of n and adds n in its place, for example with another Backend. If n has no
// Bus and no "addr", it gets those of the old NIC. If n has no MAC, it gets the MAC of the old NIC. It gets no other
// property of the old NIC. If the driver of n needs another kind of bus, ReplaceNIC finds a bus as [VM.AddNIC] does. The
// guest sees a NIC that goes and one that comes. opts and kept are those of [VM.RemoveNIC].
//
// ReplaceNIC checks n before it removes anything. It asks the guest to release the old NIC and waits as [VM.RemoveNIC]
// does; give ctx a deadline. If ctx ends after the guest released the old NIC, ReplaceNIC still adds the new one, for at
// most 5 seconds. Operations of this VM that find a place by themselves do not take the place while it is
// free, except that QEMU can choose it on a pc (see [Options.Reserved]). If another device takes the place, the new NIC
// gets another place, and the error is ErrMoved.
//
// ReplaceNIC returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such NIC. Nothing has been changed.
//   - [ErrNotOurs]: somebody else added the old netdev, so it would stay, and n needs its name. Nothing has been changed.
//   - [ErrNotShared]: a vhost-user server cannot use the machine's memory. Nothing has been changed.
//   - an error of [VM.RemoveNIC]: the old NIC is in the state that RemoveNIC describes.
//   - [ErrMoved]: the NIC is replaced, and is in another place.
//   - an error of [VM.AddNIC]: the old NIC is removed, and the new one is not added. The text says so.
//
// Source: the commands of RemoveNIC and AddNIC.
func (vm *VM) ReplaceNIC(ctx context.Context, n NIC, opts ...RemoveOption) (kept []Kept, err error) {
	r := newRemoval(opts)
	err = vm.operate(ctx, "replace NIC", n.ID, func() error { return vm.replaceNIC(ctx, &n, r) }, append(n.netdevKeys(), r.keys()...)...)
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
	p, err := vm.partsOf(ctx, n.ID, r, nicRemoval)
	if err == nil {
		err = vm.checkReplacement(ctx, n, p)
	}
	if err != nil {
		return err
	}
	inherits, err := vm.inheritsBus(ctx, n, old)
	if err != nil {
		return err
	}
	at := *n
	if inherits {
		at.Bus = old.Bus
		if old.PCI != nil {
			at.Props = qmp.Args{"addr": old.PCI.String()}
			maps.Copy(at.Props, n.Props)
			defer vm.pciChoice.take(PCISlot{old.Bus, old.PCI.Slot})()
		}
	}
	if err := p.unplug(ctx); err != nil {
		return err
	}
	ctx, cancel := wait.Outlive(ctx, answerLimit)
	defer cancel()
	err = vm.addReplacement(ctx, &at)
	if err == nil || !inherits || !vm.lostPlace(ctx, old, err) {
		return err
	}
	if err := vm.addReplacement(ctx, n); err != nil {
		return err
	}
	return ErrMoved
}

// addReplacement adds the new NIC after the old one is removed.
func (vm *VM) addReplacement(ctx context.Context, n *NIC) error {
	var undo rollback
	if err := vm.addNIC(ctx, &undo, n); err != nil {
		return fmt.Errorf("the old NIC is removed: %w", undo.run(ctx, err))
	}
	return nil
}

// lostPlace reports whether QEMU refused a NIC because another device is in the place of the old NIC, or because that place
// is gone. On another bus than PCI, QEMU chooses the address, so the reason is not known.
func (vm *VM) lostPlace(ctx context.Context, old *DeviceInfo, err error) bool {
	if _, left := errors.AsType[*RollbackError](err); left || !refused(err) || errors.Is(err, ErrExists) {
		return false
	}
	if old.PCI == nil {
		return true
	}
	tree, lookErr := vm.pciTree(ctx)
	bus := tree.Bus(old.Bus)
	return lookErr == nil && (bus == nil || !bus.isFree(old.PCI.Slot))
}

// checkReplacement makes sure that QEMU can take n after the old NIC is removed, as far as can be seen. It sets the address
// and the driver of n.
func (vm *VM) checkReplacement(ctx context.Context, n *NIC, old *parts) error {
	var mac string
	if _, _, err := vm.property(ctx, n.ID, "mac", &mac); err != nil {
		return err
	}
	n.MAC = cmp.Or(n.MAC, mac)
	if err := vm.chooseDriver(ctx, &n.Driver, defaultNICDriver); err != nil {
		return err
	}
	if n.LinkDown && n.NetdevID != n.ID {
		if err := vm.checkLink(ctx, n); err != nil {
			return err
		}
	}
	if _, ok := n.Backend.(VhostUser); ok {
		if err := vm.checkShared(ctx); err != nil {
			return err
		}
	}
	used, _ := old.used(aNetdev)
	if used != n.NetdevID || old.wants(aNetdev, used) {
		return nil
	}
	_, ours := old.names(ctx, aNetdev)
	if old.stopped == nil && !ours[used] {
		return because(ErrNotOurs, "somebody else added the netdev %q, which stays; set another NetdevID, or use WithBackend", used)
	}
	return old.stopped
}

// inheritsBus reports whether n gets the bus of the old NIC: its driver must need the same kind of bus.
func (vm *VM) inheritsBus(ctx context.Context, n *NIC, old *DeviceInfo) (bool, error) {
	if _, given := n.Props["addr"]; given || n.Bus != "" {
		return false, nil
	}
	if n.Driver == old.Driver {
		return true, nil
	}
	kind, err := vm.kindOfBus(ctx, n.Driver)
	if err != nil {
		return false, err
	}
	before, err := vm.kindOfBus(ctx, old.Driver)
	return kind == before, err
}

// checkLink returns an error if set_link of the new netdev would also turn off the link of a NIC that has the name of the
// netdev as its ID.
func (vm *VM) checkLink(ctx context.Context, n *NIC) error {
	var used string
	_, isNIC, err := vm.property(ctx, n.NetdevID, "netdev", &used)
	switch {
	case err != nil || !isNIC:
		return err
	case n.NetdevID == n.ID:
		return ErrExists
	}
	return because(ErrExists, "LinkDown would turn off the link of the NIC %q: set another NetdevID", n.NetdevID)
}

// setLinkDown turns a netdev's link off, and that of its NIC if there is one.
func (vm *VM) setLinkDown(ctx context.Context, netdev string) error {
	return qemu.SetLink{Name: netdev, Up: false}.Do(ctx, vm.conn)
}
