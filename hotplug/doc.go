// Package hotplug adds devices to a running QEMU and removes them. Its operations take several commands, a
// descriptor or the guest's cooperation.
//
//	vm := hotplug.New(client, nil)
//	err := vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: "/srv/data1.img", Direct: true}})
//	…
//	err = vm.RemoveDisk(ctx, "data1")
//
// An operation that takes a single command has no method here. Use the generated requests: [qemu.Stop],
// [qemu.BlockJobCancel] and all others.
//
// # Removing a device
//
// QEMU cannot remove most devices by itself: it asks the guest to release the device. RemoveDisk, RemoveNIC and the
// other methods wait for the guest:
//
//   - The guest releases the device: the method removes all that was added with it, and returns nil.
//   - The guest refuses: the error matches [ErrUnplugRefused]. The device works as before.
//   - The guest does not answer: the method asks again every 2 seconds, or every 7 seconds if the slot has an
//     attention button. When the context ends, the error matches [ErrUnplugPending]. The guest may still release
//     the device.
//   - QEMU refuses, because the guest powers the slot on or off: the method asks again after a second.
//   - QEMU can never unplug the device: the error is a [*qmp.Error].
//
// A removal is not undone. To finish it after an error, call the method again: it skips the parts that are gone and
// removes the rest.
//
// A guest releases a whole PCI slot. If the device shares its slot with other functions, nothing is removed and the
// error is a [*SharedSlotError]; [VM.RemoveFunctions] removes the functions together. QEMU removes a controller or a
// bridge together with the devices on its buses. If there are any, nothing is removed and the error matches
// [ErrNotAlone].
//
// For programs that clean up, [VM.RemoveNode], [VM.RemoveNetdev], [VM.RemoveChardev], [VM.RemoveObject] and
// [VM.RemoveFDSet] remove a single part of a device, if it exists.
//
// # When adding fails
//
// If a step of AddDisk or another method that adds fails, or the context ends, the method undoes the steps
// before it and returns the error of that step. Undoing continues after the context has ended, for at most
// 30 seconds. If undoing fails too, the error is a [*RollbackError]. It has both errors and lists the
// things that may be left.
//
// # Backends
//
// A backend is the thing on the host that a device uses: a file, a tap, memory. Each kind of backend is a type with
// its own options:
//
//	Disk    File, Descriptor, Blockdev, Node, VhostUser
//	NIC     Tap, Netdev, VhostVDPA, VhostUser
//	Memory  RAM, Object
//	Device  VirtioFS, VhostUser, Chardev, Object, Descriptors, HostUSB, or none
//
// The field Backend takes a value of such a type or a pointer to one. Programs outside this package cannot add types.
// [VM.AddDevice] adds any device that QEMU can plug.
//
// # Names
//
// A VM keeps no record of the devices that it adds. The names of all parts of a device derive from the
// device's ID, so a manager that was restarted, or another one, can remove the device:
//
//	the device                   ID
//	a disk's block node          ID, unless the backend is a Node
//	a disk's descriptors         in sets whose opaque text begins with "qmpkit:ID:"
//	a disk's secrets             ID.secret.NAME
//	the object behind memory     ID
//	a NIC's netdev               ID
//	a vhost-user connection      ID-chardev
//	a device's character device  ID-chardev
//	a device's object            ID-object
//	a device's descriptors       ID-fd-0, ID-fd-1, …
//	a USB device's descriptors   in a set whose opaque text begins with "qmpkit-device:ID:"
//	a NIC's descriptors          ID-0, ID-1, …; those of vhost ID-vhost-0, …
//
// Descriptors have these names (getfd) only until netdev_add, chardev-add or device_add uses them.
//
// An ID begins with a letter and has letters, digits, '-', '.' and '_' only. The ID of a disk has at most 31 bytes,
// the limit for the name of a node. An ID must not be "type".
//
// If two managers add devices with the same ID at the same time, QEMU refuses the second device. Its manager undoes
// its own steps, and the error matches [ErrExists].
//
// An operation waits for QEMU's answer for up to 5 seconds after its context has ended. If it gets no answer, it
// undoes a step only if it recognizes the thing as its own:
//
//   - a node by its set of descriptors
//   - a netdev by its descriptors or its vhost-user connection
//   - a device by its bus and by its node, netdev, character device or object
//
// It cannot recognize a node without descriptors of its own, or a netdev that QEMU opens itself. It removes these if
// no device uses them, even if another manager added them.
//
// # Cost
//
// [VM.AddDisk], [VM.AddNIC] and [VM.AddDevice] send the commands that do the work. They query the machine only after
// QEMU refused a command or did not answer. For a [VhostUser], [VirtioFS] or [Chardev] backend, with a [Fallback], and
// for a port of PCI Express before QEMU 10.0, they also query it first. Facts about QEMU that do not change are asked
// for once for each VM.
//
// The number of commands of an operation does not depend on the number of devices, except for [VM.PCITree],
// [VM.FreePCISlot], [VM.RemoveNetdev], and [VM.RemoveNIC] if it finds no device.
//
// # Faults of old versions
//
// Without KVM, QEMU 5.2 and 7.2 corrupt their memory when a CPU is unplugged. [VM.RemoveCPU] refuses to remove CPUs
// there.
//
// Root ports of QEMU 5.2 (q35) are unreliable: a Linux guest releases a device by itself 5 seconds after it was
// plugged. A removal before that has no effect until the machine is reset. The device's backend stays until the
// device is removed. Newer QEMUs do not have this fault.
package hotplug
