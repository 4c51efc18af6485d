package hotplug

import (
	"context"
	"errors"
	"path"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// AddDevice hot-adds a device and nothing else: a device on a USB bus, a controller, a watchdog, a PCI device of the
// host (vfio-pci). The device must have an ID. If its properties name a node or a netdev, this node or netdev must
// exist. It stays when the device is removed, unless it has the name that AddDisk or AddNIC would have given it.
//
// If AddDevice fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use.
//   - [*qmp.Error]: QEMU refused, for example because it has no such driver, bus or property, because
//     the bus takes no devices while the machine runs, or because QEMU cannot open the host's device.
//
// Source: device_add.
func (vm *VM) AddDevice(ctx context.Context, device qemu.DeviceAdd) error {
	id := qmp.Value(device.ID)
	return vm.adding(ctx, "device", id, func(undo *rollback) error {
		if err := checkID(id); err != nil {
			return err
		}
		return vm.plug(ctx, undo, device)
	}, usesNetdev(device)...)
}

// usesNetdev returns a key for the netdev of a device. With it, RemoveNetdev does not run while the device is added:
// QEMU removes a netdev that is in use.
func usesNetdev(device qemu.DeviceAdd) []wait.Key {
	netdev, _ := device.Props["netdev"].(string)
	if netdev == "" {
		return nil
	}
	return []wait.Key{{Name: netdev, Shared: true}}
}

// checkNoDevice returns an error if a device has this ID.
func (vm *VM) checkNoDevice(ctx context.Context, id string) error {
	device, err := vm.deviceExists(ctx, id)
	if err == nil && device {
		err = ErrExists
	}
	return err
}

// RemoveDevice hot-removes a device of any kind that this package added, in any process, or that QEMU was started with.
// It also removes what this package added for the device, as [VM.RemoveDisk], [VM.RemoveNIC] and [VM.RemoveMemory] do.
//
// What somebody else added for the device stays and is in kept, unless the options tell that it goes: see
// [WithBackend]. That is its node, netdev, character device, memory, source of random numbers (rng) or cryptodev. An
// I/O thread always stays.
//
// It asks the guest to release the device and waits as [VM.RemoveDisk] does; give ctx a deadline. QEMU
// removes a device on a USB or SCSI bus at once, without the guest. Removing a device that is gone
// succeeds. If a removal was interrupted after the guest had released a disk, a NIC or memory, finish it by RemoveDisk,
// RemoveNIC or RemoveMemory.
//
// RemoveDevice returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Call RemoveDevice again.
//   - [ErrUnplugRefused]: the guest refused. The device works as before.
//   - [ErrNotAlone]: other devices are on the buses of the device: remove these first.
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - [errors.ErrUnsupported]: the device is a CPU that this QEMU cannot remove (see [VM.RemoveCPU]),
//     or a bridge that QEMU was started with and that QEMU keeps when a guest releases it by ACPI.
//   - [ErrInUse]: the device is gone, but something else uses a part that this package added.
//   - any other [*qmp.Error]: QEMU can never unplug the device, or refused a command.
//
// Source: device_del, DEVICE_DELETED; for the parts, blockdev-del, netdev_del, chardev-remove and object-del.
func (vm *VM) RemoveDevice(ctx context.Context, id string, opts ...RemoveOption) (kept []Kept, err error) {
	return vm.removingDevice(ctx, "device", id, opts, func(r *removal) error { return vm.removeWith(ctx, id, r, deviceRemoval) })
}

// kindOf returns the kind of a device for unplugAs. It does not distinguish memory. If a machine refuses to
// list its CPUs, no device is one.
func (vm *VM) kindOf(ctx context.Context, id string) (kind, error) {
	cpu, err := vm.isCPU(ctx, id)
	switch {
	case cpu:
		return aCPU, nil
	case refused(err):
		return anyDevice, nil
	}
	return anyDevice, err
}

// checkBridge makes sure that QEMU will remove a device. When a guest releases a slot by ACPI, QEMU
// silently keeps a bridge that it was started with.
func (vm *VM) checkBridge(ctx context.Context, id string) error {
	hotplugged := true
	if _, _, err := vm.property(ctx, id, "hotplugged", &hotplugged); err != nil || hotplugged {
		return err
	}
	bus, handler := vm.busOf(ctx, id)
	if handler == "" || handler == path.Dir(bus) { // no hotplug, or that of the port or bridge
		return nil
	}
	bridges, err := vm.implementing(ctx, "base-pci-bridge")
	if err != nil {
		return err
	}
	var driver string
	if _, _, err := vm.property(ctx, id, "type", &driver); err != nil || !bridges[driver] {
		return err
	}
	return because(errors.ErrUnsupported, "QEMU keeps a bridge that it was started with")
}
