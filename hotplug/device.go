package hotplug

import (
	"context"
	"errors"
	"path"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Device describes a device to add that is not a disk, a NIC, a CPU or memory. ID is required, and also Driver if
// Backend has no usual driver. [DeviceOf] makes a Device from a request. docs/devices.md lists the fields for each
// kind of device.
type Device struct {
	// ID is the name of the device. The package comment has the rules for IDs.
	ID string

	// Backend is what the device uses: a [VirtioFS], a [VhostUser], a [Chardev], an [Object], [Descriptors] or a
	// [HostUSB]. It is nil for a device that uses nothing, or that names in Props what the caller has added.
	Backend DeviceBackend

	// Driver is the driver of the device. If it is empty, it is the usual driver for Backend, which ends in "-ccw"
	// instead of "-pci" on s390x.
	Driver string

	// Bus is the ID of the bus for the device, as in [Disk]: "rp1" of a root port, "usb.0", "serial0.0" of a
	// virtio-serial-pci. If it is empty, AddDevice finds one: see "Places" in the package comment.
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
// generator, a device on a USB bus, a controller, a watchdog, a device of the host. If Props name a node, a netdev or an
// object, it must exist. It stays when the device is removed, unless it has the default name of such a part, or
// [WithBackend] removes it.
//
// If AddDevice fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use, by a device or by a part of a device. If an interrupted AddDevice left the
//     part, RemoveDevice removes it.
//   - [ErrNotShared]: a vhost-user server cannot use the machine's memory.
//   - [ErrNoFreePlace]: Bus is empty, and the machine has no bus or free slot for the device.
//   - [errors.ErrUnsupported]: the machine has no PCI bus for the driver, for example a microvm.
//   - [*qmp.Error]: QEMU refused, for example because it has no such driver, bus or property, because
//     the bus takes no devices while the machine runs, or because QEMU cannot open the host's device.
//
// Source: query-memdev, query-chardev, chardev-add, object-add, add-fd, getfd, device_add.
func (vm *VM) AddDevice(ctx context.Context, d Device) error {
	return vm.adding(ctx, "device", d.ID, func(undo *rollback) error { return vm.addDevice(ctx, undo, &d) }, usesNetdev(d.Props)...)
}

func (vm *VM) addDevice(ctx context.Context, undo *rollback, d *Device) (err error) {
	if err := d.check(); err != nil {
		return err
	}
	var props qmp.Args
	if d.Backend != nil {
		if err := vm.chooseDriver(ctx, &d.Driver, d.driver()); err != nil {
			return err
		}
		if props, err = d.Backend.addParts(ctx, vm, undo, d.ID); err != nil {
			return err
		}
	}
	return vm.whyNoPCI(ctx, d.Driver, deviceWithoutPCI, vm.plug(ctx, undo, deviceOf(d.ID, d.Driver, "", d.Bus, props, d.Props)))
}

// usesNetdev returns a key for the netdev of a device. With it, RemoveNetdev does not run while the device is added:
// QEMU removes a netdev that is in use.
func usesNetdev(props qmp.Args) []wait.Key {
	netdev, _ := props["netdev"].(string)
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
// The parts that somebody else added for the device stay and are in kept, unless [WithBackend] removes them. A part is
// a node, a netdev, a character device, memory, a source of random numbers (rng), a cryptodev or a set of descriptors
// (hostdevice). Several devices can share an I/O thread or an iommufd. If AddDevice did not add it for
// this device, it stays and is not in kept. QEMU does not refuse to remove an I/O thread or an rng that AddDevice added for
// this device and another device uses: that device keeps working, but QEMU does not list the object any more.
//
// It asks the guest to release the device and waits as [VM.RemoveDisk] does; give ctx a deadline. QEMU removes a
// device on a USB or SCSI bus and a serial port at once, without the guest. Removing a device that is partly or
// completely gone succeeds. If a removal was interrupted after the guest had released a disk, a NIC or memory, finish
// it by RemoveDisk, RemoveNIC or RemoveMemory.
//
// RemoveDevice returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the device. Nothing was removed. kept lists the parts that
//     the device uses. Call RemoveDevice again.
//   - [ErrUnplugRefused]: the guest refused. The device works as before.
//   - [ErrNotAlone]: other devices are on the buses of the device. Remove them first.
//   - [*SharedSlotError]: the guest would release other devices too. See [VM.RemoveFunctions].
//   - [errors.ErrUnsupported]: the device is a CPU that this QEMU cannot remove (see [VM.RemoveCPU]),
//     or a bridge that QEMU was started with. QEMU keeps such a bridge when a guest releases it by ACPI.
//   - [ErrInUse]: the device is gone, but something else uses a part that this package added.
//   - [ErrDescriptorsKept]: as in [VM.RemoveDisk].
//   - any other [*qmp.Error]: QEMU can never unplug the device, or refused a command.
//
// Source: device_del, DEVICE_DELETED; for the parts, blockdev-del, netdev_del, chardev-remove, object-del, remove-fd and
// closefd.
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
