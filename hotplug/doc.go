// Package hotplug adds devices to a running QEMU and removes them. Each operation needs several commands, a descriptor
// or an answer of the guest.
//
//	vm := hotplug.New(client, nil)
//	err := vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: "/srv/data1.img", Direct: true}})
//	…
//	kept, err := vm.RemoveDisk(ctx, "data1")
//
// [VM.AddDevice] adds any device that QEMU can plug. [VM.SetCPUs] and [VM.SetMemory] set a number of CPUs and an amount
// of memory, and choose the devices to add or remove.
//
// If an operation takes a single command, use the generated request: [qemu.Stop], [qemu.BlockJobCancel] and all others.
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
//
// A [Disk], a [NIC] or a [Memory] can also be among the arguments of launch.Start: the machine then starts with it, and the
// removals work on it.
//
// # Places
//
// If a device has no Bus, the operation finds one. It lets QEMU choose first. QEMU chooses the newest bus of the kind
// that the device needs, and a slot or an address on that bus. If QEMU refuses, the operation chooses:
//
//   - for a PCI device, the first empty port of PCI Express, if the chipset's bus takes no devices while the machine
//     runs (q35, virt of aarch64 and riscv64). If another manager takes the port first, the operation takes the next.
//   - for a device of SCSI, USB or virtio-serial, or a namespace of NVMe, any other bus of that kind. On a SCSI
//     controller whose targets are all used, it takes the next unit of target 0.
//
// If the machine has no such bus, or no free PCI slot, the error matches [ErrNoFreePlace] and names the option of QEMU that
// adds one. If all controllers are full, the error is QEMU's, a [*qmp.Error]: no query tells how many places a controller
// has. With [Options.Reserved], the operation chooses the slot of a PCI device on all machines.
//
// A guest with ACPI hotplug (pc, and q35 since QEMU 6.1) can eject a slot twice: it looks at the requests of all slots
// at each addition and each removal of a PCI device, and a request stays until the guest has ejected the slot. The second
// time, it would eject a new device. So if something else was added or removed before the guest ejected a slot, or if
// the guest was asked again, a VM adds no device to that slot for 5 seconds. It takes another free slot. If the caller
// names the slot, or if there is no other, the operation waits. The same can happen to a CPU or memory in the place of
// another one whose removal QEMU was asked for twice: [VM.AddCPU] and [VM.AddMemory] then wait up to 5 seconds. A VM knows only its own operations: use one VM for all
// operations on a machine.
//
// # Names
//
// The caller can name each part of a device: the device itself, its node, netdev, object and character device. By
// default, the names derive from the device's ID:
//
//	the device                   ID
//	a disk's block node          ID, or Disk.NodeName
//	a NIC's netdev               ID, or NIC.NetdevID
//	the object behind memory     ID, or Memory.ObjectID
//	a vhost-user connection      ID-chardev, or VhostUser.ChardevID
//	a device's character device  ID-chardev, or Chardev.ID
//	a device's object            ID-object, or the ID of its Options
//	a disk's descriptors         in sets with the opaque text "qmpkit:ID:NODE:", a random text, and ":PATH" if it is known
//	a disk's secrets             ID.secret.NAME
//	a NIC's descriptors          ID-0, ID-1, …; those of vhost ID-0-vhost, …
//	a device's descriptors       ID-0-fd, ID-1-fd, …
//	a USB device's descriptors   in a set whose opaque text begins with "qmpkit-device:ID:"
//	a CPU of AddCPUs, SetCPUs    by its place: cpu-socket1-core0-thread0
//	a DIMM of SetMemory          by its slot: dimm-slot3
//
// Descriptors have these names (getfd) only until netdev_add, chardev-add or device_add uses them.
//
// A name begins with a letter and has letters, digits, '-', '.' and '_' only. The name of a node has at most 31 bytes.
// An ID must not be "type". If the caller names a part of the device, or a disk has secrets, the ID must not
// have ".node", ".netdev", ".object" or ".character-device" at its end or before another dot.
//
// A VM keeps no record of the devices that it adds. A manager that was restarted, or another one, removes a device by
// its ID. The removal asks QEMU which parts the device uses. It recognizes a part that this package added by one of
// these signs:
//
//   - The part has its default name.
//   - A set of descriptors has the ID and the name of the node in its opaque text, or the ID of a USB device.
//   - An object marks the part: "ID.node.NODE", "ID.netdev.NETDEV", "ID.object.OBJECT" or "ID.character-device.CHARDEV".
//     The methods that add create this object (a secret without content) if a part has neither a default name nor a set.
//     [VM.AddNode] always does.
//
// All other parts belong to somebody else and stay, see [Kept]. [WithBackend] removes them, too, for example on machines
// that another manager has started.
//
// # When adding fails
//
// If a step of AddDisk, AddNIC or another method that adds a device fails, or the context ends, the method undoes the
// steps before it and returns the error of that step. Undoing continues after the context has ended, for at most
// 30 seconds. If undoing fails too, the error is a [*RollbackError]. It has both errors, and lists
// the things that may be left.
//
// If two managers add devices with the same ID at the same time, QEMU refuses the second device. Its manager undoes
// its own steps, and the error matches [ErrExists]. If the other device uses a node, a netdev, a character device or
// memory of these steps, it stays, and the error is also a [*RollbackError] that matches [ErrInUse].
//
// An operation waits for QEMU's answer for up to 5 seconds after its context has ended. If it gets no answer, it
// undoes a step only if it recognizes the thing as its own:
//
//   - a node by its set of descriptors
//   - a netdev by its descriptors or its vhost-user connection
//   - the object behind memory by its type and its size
//   - a CPU by its place
//   - a device by its bus and by its node, netdev, character device, object or set of descriptors
//
// The operation cannot recognize a node without descriptors, a netdev that QEMU opens itself, or a character device. It
// removes these if nothing uses them, even if another manager added them. If another manager has added the same device
// without a Backend and a Bus, or a CPU by AddCPUs in the same place, the operation removes that, too.
//
// # Removing a device
//
// QEMU cannot remove most devices by itself: it asks the guest to release the device. RemoveDisk, RemoveNIC and the
// other methods wait for the guest:
//
//   - The guest releases the device: the method removes everything that was added with it, and returns nil. It also
//     returns a list of the parts that stay, because somebody else added them or something else uses them.
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
// bridge together with the devices on its buses. If there are such devices, nothing is removed and the error matches
// [ErrNotAlone].
//
// While block jobs run on a disk, QEMU cannot remove its nodes. The removal then changes nothing, and the error matches
// [ErrBusy]; with [WithJobs], the removal cancels the jobs first. The same error means that exports serve a node that this
// package added. To find the jobs of a disk, the removal compares the nodes of each job with the nodes of the disk: the
// nodes below the device, and the nodes that [VM.AddNode] added for the disk. A job with an ID like "ID.move" belongs to the
// disk ID, whatever nodes it uses. See package job.
//
// For programs that clean up, [VM.RemoveNode], [VM.RemoveNetdev], [VM.RemoveChardev], [VM.RemoveObject] and
// [VM.RemoveFDSet] remove a single part of a device, if it exists.
//
// [VM.SetCPUs] and [VM.SetMemory] remove one device after the other. If a step fails, they undo nothing: their results
// say what they have reached.
//
// # Operations side by side
//
// A VM does one operation at a time for each ID. RemoveNode and the other methods for single parts are operations on
// the name that they get. A removal with [WithNode] is also an operation on the name of the node. The same holds for
// [WithNetdev], [WithObject] and [WithChardev]. Operations with different IDs do not wait for each other, with these
// exceptions:
//
//   - While a controller or a bridge is removed, an operation that adds a device to one of its buses waits. An operation
//     that finds the bus by itself takes another one.
//   - While a function of a multifunction device is removed, an operation that adds a function to its slot waits.
//   - While AddNIC adds a NIC, or AddDevice a device with the property "netdev", RemoveNetdev of the netdev waits.
//   - AddCPU finds a place for one CPU at a time. AddCPUs and SetCPUs wait for each other, and SetMemory for another
//     SetMemory. Each counts as an operation on the ID of a device while it adds, resizes or removes that device.
//
// # Machines of libvirt
//
// libvirt does not notice the devices that a VM adds. It saves such a machine and cannot restore it, and it cannot
// migrate it. With a qmplibvirt.Domain, operations therefore fail with an error that matches qmplibvirt.ErrUntracked and
// [qmp.ErrNotSent]. If libvirt will never save or migrate the machine, make the VM with Domain.AllowUntracked.
//
// # Cost
//
// [VM.AddDisk], [VM.AddNIC], [VM.AddMemory] and [VM.AddDevice] send the commands that do the work. They query the
// machine only after QEMU refused a command or did not answer. For a [VhostUser], [VirtioFS] or [Chardev] backend,
// with a [Fallback], and for a port of PCI Express before QEMU 10.0, they also query it first. A netdev, an object, a
// node without descriptors or a character device whose name the caller has chosen takes one command more, for its
// mark. Before QEMU 7.0, a NIC takes one command more, and with LinkDown three. [VM.AddCPU], [VM.AddCPUs] and
// [VM.SetCPUs] first query the places for CPUs, [VM.SetMemory] the memory. SetCPUs and SetMemory query again after each
// removal.
//
// A VM asks only once for facts about QEMU that do not change. The first disk, NIC or device without a Driver takes one
// command more, for the architecture. The first memory takes two commands more, and the first vhost-user server takes
// one. To find a port, an operation sends a command for each bus of PCI, all at the same time. The first time, it also
// sends about three commands for each device of PCI.
//
// A removal of a disk first asks for jobs and for exports, with one query each. If there are jobs, it sends four queries
// more, two of which QEMU answers for all disks of the machine.
//
// With [WithBackend], a removal sends one or two queries more, which QEMU answers for all disks of the machine.
//
// The number of commands of an operation does not depend on the number of devices, except for [VM.PCITree],
// [VM.FreePCISlot], an operation that finds a port, [VM.RemoveNetdev], and [VM.RemoveNIC] if it finds no device.
//
// # Faults of old versions
//
// QEMU 5.2 adds a second netdev with the same name instead of refusing it, and may terminate when one of the two is
// removed. Before 7.0, [VM.AddNIC] therefore first asks whether the netdev exists. Meanwhile, the object
// "NETDEV.netdev.NETDEV" keeps other managers that use this package from adding the same netdev. If the process ends at
// this moment, remove the object with [VM.RemoveObject].
//
// Without KVM, QEMU 5.2 and 7.2 corrupt their memory when a CPU is unplugged. [VM.RemoveCPU] refuses to remove CPUs
// there.
//
// Root ports of QEMU 5.2 (q35) are unreliable: a Linux guest releases a device by itself 5 seconds after it was
// plugged. A removal before that has no effect until the machine is reset. The device's backend stays until the
// device is removed. Newer QEMUs do not have this fault.
package hotplug
