package hotplug

import (
	"context"
	"errors"
	"path"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// AddDevice hot-adds a device that needs nothing else to be made for it: a device on a USB bus, a
// controller, a watchdog, a PCI device of the host (vfio-pci). It must have an ID. A node or a netdev that
// its properties name must exist, and stays when the device is removed.
//
// If AddDevice fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use.
//   - [*qmp.Error]: QEMU refused. It has no such driver, bus or property, the bus takes no devices while
//     the machine runs, or QEMU cannot open the host's device.
//
// Source: device_add.
func (vm *VM) AddDevice(ctx context.Context, device qemu.DeviceAdd) error {
	id := qmp.Value(device.ID)
	return vm.adding(ctx, "device", id, func(undo *rollback) error {
		if err := checkID(id); err != nil {
			return err
		}
		return vm.plug(ctx, undo, device)
	})
}

// checkNoDevice makes sure that no device has an ID.
func (vm *VM) checkNoDevice(ctx context.Context, id string) error {
	device, err := vm.deviceExists(ctx, id)
	if err == nil && device {
		err = ErrExists
	}
	return err
}

// RemoveDevice hot-removes a device that AddDevice added, in any process, or that QEMU was started
// with.
//
// It asks the guest to release the device and waits as [VM.RemoveDisk] does; give ctx a deadline. A
// device on a USB or SCSI bus is gone at once, without the guest. Removing a device that is gone is
// not an error. A disk that uses another node than AddDisk created, as one of a [Node] or after a snapshot or a
// mirror, is removed without that node; RemoveDisk then removes what else AddDisk created.
//
// RemoveDevice returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Call it again.
//   - [ErrUnplugRefused]: the guest refused. The device works as before.
//   - [ErrNotAlone]: the device has a block node, a netdev, a character device or memory with its
//     ID: the operation that added it has a counterpart that removes both. Or the device is a controller
//     or a bridge with other devices on its buses: remove these first.
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - [errors.ErrUnsupported]: the device is a CPU that QEMU cannot lose (see [VM.RemoveCPU]), or a
//     bridge that QEMU was started with and that only a guest with ACPI could release: it stays.
//
// If QEMU can never unplug the device, RemoveDevice returns QEMU's refusal, a [*qmp.Error].
//
// Source: device_del, DEVICE_DELETED.
func (vm *VM) RemoveDevice(ctx context.Context, id string) error {
	return vm.removing(ctx, "device", id, func() error { return vm.removeDevice(ctx, id) })
}

func (vm *VM) removeDevice(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, err := vm.deviceExists(ctx, id)
	if err != nil || !device {
		return err
	}
	if err := vm.checkAlone(ctx, id); err != nil {
		return err
	}
	if err := vm.checkBridge(ctx, id); err != nil {
		return err
	}
	k, err := vm.kindOf(ctx, id)
	if err != nil {
		return err
	}
	return vm.unplugAs(ctx, id, k)
}

// kindOf tells what kind of device this is, as far as it matters to somebody who does not ask
// again. A machine whose CPUs stay refuses to list them.
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

// checkAlone makes sure that nothing else goes by the name of a device: that would be left.
func (vm *VM) checkAlone(ctx context.Context, id string) error {
	if err := vm.checkNoNode(ctx, id); err != nil {
		return err
	}
	for _, own := range []struct{ property, value, what, remover string }{
		{"netdev", id, "a netdev", "RemoveNIC"},
		{"memdev", objectPath(id), "an object with memory", "RemoveMemory"},
		{"chardev", chardevOf(id), "a character device", "RemoveDisk"},
	} {
		var value string
		if _, _, err := vm.property(ctx, id, own.property, &value); err != nil {
			return err
		}
		if value == own.value {
			return because(ErrNotAlone, "device has %s; %s removes both", own.what, own.remover)
		}
	}
	return nil
}

// checkBridge makes sure that a device can leave. When a guest releases a slot by ACPI, QEMU keeps a
// bridge in it that it was started with. It says nothing of that.
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

// checkNoNode makes sure that a device does not use a node of its name.
func (vm *VM) checkNoNode(ctx context.Context, id string) error {
	_, drive, err := vm.drive(ctx, id)
	if err == nil && qmp.Value(drive) == id {
		err = because(ErrNotAlone, "device has a block node; RemoveDisk removes both")
	}
	return err
}
