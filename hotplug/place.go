package hotplug

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// If a request for a device names no bus, QEMU chooses the newest bus of the right kind. It refuses the device if that
// bus is full, even if another one has room, or if that bus takes no devices while the machine runs, as pcie.0 of a
// q35. So an operation lets QEMU choose first, and chooses itself when QEMU refused.

// A busKind is a kind of bus that takes devices while the machine runs.
type busKind struct {
	devices string // the type that the devices derive from
	bus     string // the type of the bus
	owner   string // that has such a bus, for people
	option  string // of QEMU, for one more
}

var (
	pciKind  = &busKind{devices: "pci-device", bus: "PCI"}
	scsiKind = &busKind{"scsi-device", "SCSI", "SCSI controller", "-device virtio-scsi-pci,id=…"}
	busKinds = []*busKind{
		pciKind, scsiKind,
		{"usb-device", "usb-bus", "USB controller", "-device qemu-xhci,id=…"},
		{"nvme-ns", "nvme-bus", "NVMe controller", "-device nvme,id=…,serial=…"},
		{"virtio-serial-port", "virtio-serial-bus", "virtio-serial controller", "-device virtio-serial-pci,id=…"},
	}
)

// isChosen reports whether QEMU could choose a bus of this type that leaves with its controller. The chipset's bus,
// which it chooses for PCI devices, stays.
func isChosen(bus string) bool {
	return slices.ContainsFunc(busKinds, func(k *busKind) bool { return k != pciKind && k.bus == bus })
}

// A plugging adds a device as a step of an operation.
type plugging struct {
	vm     *VM
	undo   *rollback
	device qemu.DeviceAdd
	unplug func(ctx context.Context) error // undoes it, which needs the guest
	stays  bool                            // QEMU does not choose a bus that leaves with its controller
}

// plug adds the device, as the last step of an operation. If the request names no bus, plug finds one.
func (vm *VM) plug(ctx context.Context, undo *rollback, device qemu.DeviceAdd) error {
	return vm.plugAs(ctx, undo, device, vm.unplug)
}

// plugAs is plug for a device that unplug removes.
func (vm *VM) plugAs(ctx context.Context, undo *rollback, device qemu.DeviceAdd, unplug func(ctx context.Context, id string) error) error {
	id := qmp.Value(device.ID)
	p := plugging{vm: vm, undo: undo, device: device, unplug: func(ctx context.Context) error { return unplug(ctx, id) }}
	return p.run(ctx)
}

// run adds the device.
func (p *plugging) run(ctx context.Context) error {
	bus := qmp.Value(p.device.Bus)
	if p.device.Driver == "pc-dimm" || p.device.Driver == "nvdimm" {
		if err := p.vm.awaitBoard(ctx); err != nil {
			return err
		}
	}
	held := len(p.vm.ejections.held(bus)) > 0
	addr, given := p.device.Props["addr"]
	switch {
	case given:
		if err := p.vm.ejections.awaitHeld(ctx, bus, fmt.Sprint(addr)); err != nil {
			return err
		}
		return p.as(ctx, p.device, false)
	case bus != "" && held:
		return p.onPCI(ctx, nil)
	case bus != "":
		return p.as(ctx, p.device, false)
	}
	var refusal error // of QEMU, when it was to choose
	if p.vm.reserved == nil && !p.vm.needsPort.Load() && !held {
		if refusal = p.as(ctx, p.device, false); !elsewhere(refusal) {
			return refusal
		}
	}
	kind, err := p.vm.kindOfBus(ctx, p.device.Driver)
	if err != nil && (!refused(refusal) || !refused(err)) {
		return errors.Join(refusal, err)
	}
	p.stays = kind == nil || kind == pciKind
	if kind == pciKind && (p.vm.reserved != nil || p.vm.needsPort.Load() || held) {
		return p.onPCI(ctx, nil)
	}
	if !refused(refusal) {
		if refusal = p.as(ctx, p.device, false); !elsewhere(refusal) {
			return refusal
		}
	}
	switch kind {
	case nil:
		return refusal
	case pciKind:
		return p.onPCI(ctx, refusal)
	}
	return p.behind(ctx, kind, refusal)
}

// elsewhere reports whether a device can be added to another bus after this error.
func elsewhere(err error) bool { return refused(err) || errors.Is(err, errDeparts) }

// errDeparts is the reason why a device was not added to a bus: the bus leaves with its controller or bridge.
var errDeparts = because(ErrNoFreePlace, "the device that has the bus is being removed")

// as adds the device as this request says. If the caller has not chosen the bus and the bus leaves, as does not wait:
// the error is errDeparts.
func (p *plugging) as(ctx context.Context, device qemu.DeviceAdd, chosen bool) error {
	if err := p.vm.nameSlot(ctx, &device); err != nil {
		return err
	}
	unlock, err := p.vm.arrive(ctx, &device, chosen)
	if err != nil {
		return err
	}
	if device.Bus == nil && !p.stays && p.vm.carriers.Load() > 0 {
		unlock()
		return errDeparts // QEMU could choose it
	}
	id := qmp.Value(device.ID)
	err = p.undo.step(ctx, step{
		what: "device " + id,
		do: func(ctx context.Context) error {
			p.vm.ejections.look()
			return device.Do(ctx, p.vm.conn)
		},
		undo: p.unplug,
		ours: func(ctx context.Context) (bool, error) { return p.vm.madeOf(ctx, &device) },
	})
	unlock()
	return whyRefused(err, func() error { return p.vm.checkNoDevice(ctx, id) })
}

// kindOfBus returns the kind of bus that a driver needs, or nil if it needs none, or another kind. It asks QEMU once.
func (vm *VM) kindOfBus(ctx context.Context, driver string) (*busKind, error) {
	types, err := vm.driverTypes.Get(ctx, func() (all []kinds, err error) {
		all = make([]kinds, len(busKinds))
		var asks []func() error
		for i, kind := range busKinds {
			asks = append(asks, func() (err error) { all[i], err = vm.implementing(ctx, kind.devices); return err })
		}
		return all, together(asks...)
	})
	if err != nil {
		return nil, err
	}
	for i, kind := range busKinds {
		if types[i][driver] || kind == pciKind && types[i][driver+"-pci"] { // "virtio-blk" is a short name
			return kind, nil
		}
	}
	return nil, nil
}

// A pciChoice has the slots of PCI that operations of this VM have chosen, until QEMU has answered.
type pciChoice struct {
	choosing wait.Mutex // held while an operation chooses
	mu       sync.Mutex
	slots    map[PCISlot]bool
}

// choosePCI returns the first free slot of a bus that no other operation has chosen, as [VM.FreePCISlot] does. It leaves
// out those that were tried, and those that the guest may eject. The caller must call done when QEMU has answered.
func (vm *VM) choosePCI(ctx context.Context, bus string, tried map[PCISlot]bool) (tree PCITree, slot PCISlot, done func(), err error) {
	c := &vm.pciChoice
	if err := c.choosing.Lock(ctx); err != nil {
		return nil, slot, nil, err
	}
	defer c.choosing.Unlock()
	c.mu.Lock()
	chosen := maps.Clone(c.slots) // and not after the tree was read, when the device can be in the slot
	c.mu.Unlock()
	if tree, err = vm.pciTree(ctx); err != nil {
		return nil, slot, nil, err
	}
	held := vm.ejections.held(bus)
	for s, pause := range held {
		if b := tree.Bus(s.Bus); pause == 0 && (b == nil || b.isFree(s.Slot)) {
			vm.ejections.ejected(s) // after the operation that asked for it had ended
		}
	}
	slot, err = tree.freeSlot(bus, 0, func(s PCISlot) bool {
		_, ejected := held[s]
		return ejected || chosen[s] || tried[s] || bus == "" && vm.isReserved(s)
	})
	if err != nil {
		return tree, slot, nil, err
	}
	return tree, slot, c.take(slot), nil
}

// take makes others leave a slot out, until the caller calls done.
func (c *pciChoice) take(slot PCISlot) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = map[PCISlot]bool{}
	}
	c.slots[slot] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.slots, slot)
	}
}

// isReserved reports whether the caller leaves a slot to others.
func (vm *VM) isReserved(slot PCISlot) bool { return vm.reserved != nil && vm.reserved(slot) }

// onPCI adds the device in the first free slot of its bus, or of any bus if it names none. If somebody else is faster, it
// takes the next one. refusal is the answer of QEMU when that was to choose, or nil.
func (p *plugging) onPCI(ctx context.Context, refusal error) error {
	tried := map[PCISlot]bool{}
	for {
		bus := qmp.Value(p.device.Bus)
		tree, slot, done, err := p.vm.choosePCI(ctx, bus, tried)
		if len(tree) > 0 && !tree[0].Hotplug {
			p.vm.needsPort.Store(true)
		}
		if len(tree) == 0 && refusal != nil && errors.Is(err, ErrNoFreeSlot) {
			return refusal // QEMU says why
		}
		if errors.Is(err, ErrNoFreeSlot) {
			waited, waitErr := p.vm.ejections.awaitAny(ctx, bus)
			if waitErr != nil {
				return waitErr
			}
			if waited {
				continue
			}
			if refusal == nil && p.vm.reserved == nil && bus == "" && len(tree) > 0 && tree[0].Hotplug {
				return p.as(ctx, p.device, false) // QEMU may find another bus
			}
		}
		if err != nil {
			return err
		}
		if tree[0].Hotplug && p.vm.reserved == nil && refusal != nil {
			done()
			return refusal // QEMU can choose on such a bus, and had another reason
		}
		device := p.device
		device.Bus = new(slot.Bus)
		if !tree.Bus(slot.Bus).Port {
			device.Props = qmp.Args{"addr": slot.Addr()}
			maps.Copy(device.Props, p.device.Props)
		}
		err = p.as(ctx, device, true)
		done()
		tried[slot] = true
		switch {
		case errors.Is(err, errDeparts):
			continue
		case !refused(err):
			return err
		}
		tree, lookErr := p.vm.pciTree(ctx)
		if lookErr != nil {
			return errors.Join(err, lookErr)
		}
		if bus := tree.Bus(slot.Bus); bus != nil && bus.isFree(slot.Slot) {
			return err // which is not about the slot
		}
	}
}

// behind adds the device on any bus of its kind. QEMU chooses the address on the bus. refusal is the answer of QEMU
// when that was to choose the bus.
func (p *plugging) behind(ctx context.Context, kind *busKind, refusal error) error {
	buses, err := p.vm.busesOf(ctx, kind)
	if err != nil {
		return errors.Join(refusal, err)
	}
	if len(buses) == 0 {
		return because(ErrNoFreePlace, "machine has no %s; start QEMU with one: %s", kind.owner, kind.option)
	}
	more := []qmp.Args{{}}
	if _, given := p.device.Props["scsi-id"]; kind == scsiKind && !given {
		more = append(more, qmp.Args{"scsi-id": 0}) // QEMU chooses a unit of a target if it is told the target, and else a target
	}
	for _, props := range more {
		for _, bus := range buses {
			device := p.device
			device.Bus, device.Props = new(bus), maps.Clone(props)
			maps.Copy(device.Props, p.device.Props)
			err := p.as(ctx, device, true)
			if !elsewhere(err) {
				return err
			}
			if refused(err) {
				refusal = err
			}
		}
	}
	return refusal
}

// busesOf lists the names of all buses of a kind, but not of those that a device of USB has.
func (vm *VM) busesOf(ctx context.Context, kind *busKind) (buses []string, err error) {
	types, err := vm.driverTypes.Get(ctx, nil)
	if err != nil {
		return nil, err
	}
	containers := []string{devicesPath, "/machine/peripheral-anon", "/machine/unattached"}
	devices := make([][]object, len(containers))
	var asks []func() error
	for i, container := range containers {
		asks = append(asks, func() (err error) { devices[i], err = vm.objects(ctx, container, "child"); return err })
	}
	if err := together(asks...); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Concat(devices...), func(o object) bool {
		leaf := slices.ContainsFunc(types[1:], func(t kinds) bool { return t[o.kind] })
		return leaf || strings.HasSuffix(o.kind, "memory-region") || o.kind == "irq"
	})
	found := make([][]string, len(all))
	asks = nil
	for i, device := range all {
		asks = append(asks, func() (err error) { found[i], err = vm.busesIn(ctx, device.path, kind); return err })
	}
	err = together(asks...)
	buses = slices.Concat(found...)
	slices.Sort(buses)
	return buses, err
}

// busesIn lists the names of the buses of a kind that a device has.
func (vm *VM) busesIn(ctx context.Context, device string, kind *busKind) (buses []string, err error) {
	parts, err := vm.objects(ctx, device, "child")
	for _, part := range parts {
		switch {
		case err != nil:
		case part.kind == kind.bus:
			buses = append(buses, part.name)
		case part.name == "virtio-backend": // has the buses of a virtio device of PCI
			var behind []string
			behind, err = vm.busesIn(ctx, part.path, kind)
			buses = append(buses, behind...)
		}
	}
	return buses, err
}
