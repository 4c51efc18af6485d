package hotplug

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// QEMU removes a controller or a bridge together with the devices on its buses, and a guest releases a whole slot of
// PCI. A removal checks first that it takes no other device along. VM.buses makes sure that this VM adds no device
// there between the check and the end of the removal:
//
//   - the lock of a device: additions to its buses share it, and the removal of the device has it alone
//   - the lock of a slot of PCI: the addition or the removal of a function has it
//   - the lock of some bus: additions share it if QEMU chooses the bus. The removal of a controller takes it for a
//     moment, to wait for them. From then on, an addition chooses the bus itself (plugging.run).
//
// An operation takes these locks after the locks of the IDs. It holds them while it adds one device, or while it removes
// one. The lock of a slot comes after those of devices: the device of a removal can have an ID that could be that of a bus
// ("pci", because of pci.0), and be in a slot of that bus.

func deviceKey(id string, shared bool) wait.Key {
	return wait.Key{Name: "device " + id, Shared: shared}
}
func slotKey(bus string, slot int) wait.Key {
	return wait.Key{Name: fmt.Sprintf("slot %s/%d", bus, slot)}
}

// arriveKeys returns the locks for adding a device: those of the devices that can have the bus, and that of the slot.
func arriveKeys(device *qemu.DeviceAdd) (keys, slot []wait.Key) {
	bus := qmp.Value(device.Bus)
	if bus == "" {
		return []wait.Key{{Name: someBus, Shared: true}}, nil
	}
	keys = append(keys, deviceKey(bus, true)) // a bridge's bus has the ID of the bridge, and a controller's is "ID.0"
	if dot := strings.LastIndexByte(bus, '.'); dot > 0 {
		keys = append(keys, deviceKey(bus[:dot], true))
	}
	var number, function int
	addr, _ := device.Props["addr"].(string)
	n, _ := fmt.Sscanf(addr, "%x.%x", &number, &function)
	if multi, _ := device.Props["multifunction"].(bool); n > 0 && (multi || function > 0) {
		slot = append(slot, slotKey(bus, number))
	}
	return keys, slot
}

// arrive takes the locks for adding a device. With try, it does not wait: if a lock is held, the error is errDeparts.
func (vm *VM) arrive(ctx context.Context, device *qemu.DeviceAdd, try bool) (end func(), err error) {
	locks := departure{vm: vm}
	devices, slot := arriveKeys(device)
	for _, keys := range [][]wait.Key{devices, slot} {
		if !try {
			err = locks.lock(ctx, keys...)
		} else if unlock, ok := vm.buses.TryLock(keys...); ok {
			locks.unlocks = append(locks.unlocks, unlock)
		} else {
			err = errDeparts
		}
		if err != nil {
			locks.end()
			return nil, err
		}
	}
	return locks.end, nil
}

const someBus = "some bus"

// A departure holds the locks of a removal.
type departure struct {
	vm      *VM
	unlocks []func()
	ejects  *PCISlot // that ACPI asks the guest to eject, or nil
}

// carries records that the device that leaves has a bus that QEMU could choose for another device. carries waits for
// additions for which QEMU chooses. Later ones choose a bus that does not leave.
func (d *departure) carries(ctx context.Context) error {
	d.vm.carriers.Add(1)
	d.unlocks = append(d.unlocks, func() { d.vm.carriers.Add(-1) })
	unlock, err := d.vm.buses.Lock(ctx, wait.Key{Name: someBus})
	if err == nil {
		unlock()
	}
	return err
}

// depart begins to remove devices together.
func (vm *VM) depart(ctx context.Context, ids ...string) (*departure, error) {
	d := &departure{vm: vm}
	var keys []wait.Key
	for _, id := range ids {
		keys = append(keys, deviceKey(id, false))
	}
	return d, d.lock(ctx, keys...)
}

// slot takes the lock of a slot of PCI. bus is the path of the bus.
func (d *departure) slot(ctx context.Context, bus string, slot int) error {
	return d.lock(ctx, slotKey(path.Base(bus), slot))
}

func (d *departure) lock(ctx context.Context, keys ...wait.Key) error {
	unlock, err := d.vm.buses.Lock(ctx, keys...)
	if err == nil {
		d.unlocks = append(d.unlocks, unlock)
	}
	return err
}

// end releases the locks. It is for a departure that did not begin, too.
func (d *departure) end() {
	for _, unlock := range d.unlocks {
		unlock()
	}
}
