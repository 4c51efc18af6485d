package hotplug

import (
	"context"
	"errors"
	"path"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Device describes a device to add that is not a disk, a NIC, a CPU or memory. ID is required, and Driver if
// Backend has no usual one. [DeviceOf] makes one from a request. docs/devices.md lists the fields for each kind of
// device.
type Device struct {
	// ID is the name of the device. The package comment has the rules for IDs.
	ID string

	// Backend is what the device uses: a [VirtioFS], a [VhostUser], a [Chardev], an [Object], [Descriptors] or a
	// [HostUSB]. It is nil for a device that uses nothing, or that names in Props what the caller has added.
	Backend DeviceBackend

	// Driver is the driver of the device. If it is empty, it is the usual driver for Backend.
	Driver string

	// Bus is the ID of the bus for the device, as in [Disk]: an empty root port on q35, usb.0, the bus of a
	// virtio-serial-pci. If it is empty, QEMU chooses a bus of the kind that Driver needs.
	Bus string

	// Props are further properties of the device, by their names in QEMU. [qmp.Args] lists the possible types of
	// values.
	Props qmp.Args
}

// DeviceOf returns the Device that a request describes, without a Backend.
func DeviceOf(add qemu.DeviceAdd) Device {
	return Device{ID: qmp.Value(add.ID), Driver: add.Driver, Bus: qmp.Value(add.Bus), Props: add.Props}
}

// check returns an error if d is invalid. It sends nothing.
func (d *Device) check() (err error) {
	if err := checkID(d.ID); err != nil {
		return err
	}
	if d.Backend != nil {
		if d.Backend, err = backendOf(d.Backend); err != nil {
			return err
		}
		if err := d.Backend.checkDevice(d); err != nil {
			return err
		}
	}
	if d.driver() == "" {
		return errors.New("needs a Driver")
	}
	return checkProps(d.Props, nil, "id", "driver", "bus")
}

// driver returns the driver of the device, or "" if none is known.
func (d *Device) driver() string {
	if d.Driver == "" && d.Backend != nil {
		return d.Backend.deviceDriver()
	}
	return d.Driver
}

// AddDevice hot-adds a device and what its Backend needs: a shared directory, a serial port, a random number
// generator, a device on a USB bus, a controller, a watchdog, a device of the host. If Props name a node, a netdev
// or an object, it must exist, and it stays when the device is removed.
//
// If AddDevice fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use, by a device or by a part of a device. If an interrupted AddDevice left the
//     part, RemoveDevice removes it.
//   - [ErrNotShared]: a vhost-user server cannot use the machine's memory.
//   - [*qmp.Error]: QEMU refused, for example because it has no such driver, bus or property, because
//     the bus takes no devices while the machine runs, or because QEMU cannot open the host's device.
//
// Source: query-memdev, query-chardev, chardev-add, object-add, add-fd, getfd, device_add.
func (vm *VM) AddDevice(ctx context.Context, d Device) error {
	return vm.adding(ctx, "device", d.ID, func(undo *rollback) error { return vm.addDevice(ctx, undo, &d) })
}

func (vm *VM) addDevice(ctx context.Context, undo *rollback, d *Device) (err error) {
	if err := d.check(); err != nil {
		return err
	}
	var props qmp.Args
	if d.Backend != nil {
		if props, err = d.Backend.addParts(ctx, vm, undo, d.ID); err != nil {
			return err
		}
	}
	return vm.plug(ctx, undo, deviceOf(d.ID, d.driver(), "", d.Bus, props, d.Props))
}

// checkNoDevice returns an error if a device has this ID.
func (vm *VM) checkNoDevice(ctx context.Context, id string) error {
	device, err := vm.deviceExists(ctx, id)
	if err == nil && device {
		err = ErrExists
	}
	return err
}

// RemoveDevice hot-removes a device and everything that AddDevice added for it, in any process. The device may
// also be one that QEMU was started with.
//
// It asks the guest to release the device and waits as [VM.RemoveDisk] does; give ctx a deadline. QEMU
// removes a device on a USB or SCSI bus and a serial port at once, without the guest. Removing a device that is
// partly or completely gone succeeds. A controller must have no devices on its buses.
//
// If a disk uses a node that AddDisk did not add, for example a [Node], or an overlay after a snapshot,
// RemoveDevice leaves that node. Then call RemoveDisk to remove the other things that AddDisk added.
//
// RemoveDevice returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Call RemoveDevice again.
//   - [ErrUnplugRefused]: the guest refused. The device works as before.
//   - [ErrNotAlone]: a block node, a netdev or memory with the same name belongs to the device: call
//     RemoveDisk, RemoveNIC or RemoveMemory. Or other devices are on the buses of the device: remove
//     these first.
//   - [ErrInUse]: the device is gone, but something else uses a part that AddDevice added.
//   - [ErrDescriptorsKept]: as in [VM.RemoveDisk].
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - [errors.ErrUnsupported]: the device is a CPU that this QEMU cannot remove (see [VM.RemoveCPU]),
//     or a bridge that QEMU was started with and that QEMU keeps when a guest releases it by ACPI.
//   - any other [*qmp.Error]: QEMU can never unplug the device.
//
// Source: device_del, DEVICE_DELETED, chardev-remove, object-del, remove-fd, closefd.
func (vm *VM) RemoveDevice(ctx context.Context, id string) error {
	return vm.removing(ctx, "device", id, func() error { return vm.removeDevice(ctx, id) })
}

func (vm *VM) removeDevice(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, err := vm.deviceExists(ctx, id)
	if err == nil && device {
		err = vm.unplugDevice(ctx, id)
	}
	if err != nil {
		return err
	}
	return vm.removeParts(ctx, id)
}

// unplugDevice unplugs a device that exists, if RemoveDevice may remove it.
func (vm *VM) unplugDevice(ctx context.Context, id string) error {
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

// checkAlone makes sure that no backend has the name of the device: RemoveDevice would leave it.
func (vm *VM) checkAlone(ctx context.Context, id string) error {
	if err := vm.checkNoNode(ctx, id); err != nil {
		return err
	}
	for _, own := range []struct{ property, value, what, remover string }{
		{"netdev", id, "a netdev", "RemoveNIC"},
		{"memdev", objectPath(id), "an object with memory", "RemoveMemory"},
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

// checkNoNode returns an error if a device uses a node with its own name, which RemoveDevice would leave.
func (vm *VM) checkNoNode(ctx context.Context, id string) error {
	_, drive, err := vm.drive(ctx, id)
	if err == nil && qmp.Value(drive) == id {
		err = because(ErrNotAlone, "device has a block node; RemoveDisk removes both")
	}
	return err
}
