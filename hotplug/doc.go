// Package hotplug adds devices to a running QEMU and removes them: the operations that take
// several commands, a descriptor or the guest's cooperation, each done completely or not at all.
//
//	vm := hotplug.New(client, nil)
//	err := vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: "/srv/data1.img", Direct: true}})
//	…
//	err = vm.RemoveDisk(ctx, "data1")
//
// What takes a single command has no method here; the generated requests are the operations:
// [qemu.Stop], [qemu.BlockJobCancel] and all others.
//
// # Backends
//
// What a device uses on the host is its backend. Each kind of backend is a type, which has the options that
// go with this kind:
//
//	Disk    File, Descriptor, Blockdev, Node, VhostUser
//	NIC     Tap, Netdev, VhostVDPA, VhostUser
//	Memory  RAM, Object
//
// Programs outside this package cannot add types. A pointer to one of them is as good as the value. Anything
// else that QEMU can plug is added with [VM.AddDevice].
//
// # When something fails
//
// If a step of an operation that adds fails, or the context ends, the operation undoes the steps before
// it and returns the error of that step. Undoing does not end with the context: it may take 30
// seconds. If undoing fails too, the error is a [*RollbackError], which has both errors and lists what
// is left.
//
// An operation that removes cannot be undone, since the guest takes part in it. It can be
// called again: parts that are gone are not an error, and the rest is removed. If the guest refuses
// to release the device, the error matches [ErrUnplugRefused]. If the guest has not answered when
// the context ends, it matches [ErrUnplugPending]. A guest that does not answer is asked again every
// 2 seconds, or every 7 seconds if its slot has an attention button.
//
// The guest releases a whole PCI slot. A device that shares its slot with other functions is not
// removed alone: the error is a [*SharedSlotError], and [VM.RemoveFunctions] removes them together.
// A controller or a bridge is not removed while other devices are on its buses: QEMU would remove them
// with it. The error matches [ErrNotAlone].
//
// A program that cleans up after another one, or after itself, removes single things if they are there:
// [VM.RemoveNode], [VM.RemoveNetdev], [VM.RemoveChardev], [VM.RemoveObject] and [VM.RemoveFDSet]. The
// operations of this package remove them by the same code.
//
// Without KVM, QEMU 5.2 and 7.2 corrupt their memory when a CPU is unplugged: CPUs are not removed there.
//
// A root port of QEMU 5.2 (q35) is unreliable: a Linux guest gives a device back 5 seconds after
// it was plugged, unasked, and a removal before that is lost until the machine is reset. What was
// behind the device remains until it is removed. Newer QEMUs do not have this fault.
//
// # Names
//
// Nothing is kept in this process. The names of all that belongs to a device derive from its
// ID, so that a manager which was restarted, or another one, removes what the first one added:
//
//	the device                   ID
//	a disk's block node          ID, unless it is a Node; the nodes below it go with it
//	its sets of descriptors      found by how their opaque text begins, "qmpkit:ID:"
//	its secrets                  ID.secret.NAME
//	the object behind memory     ID
//	a NIC's netdev               ID
//	a vhost-user connection      ID-chardev
//	its descriptors, on the way  by name (getfd): ID-0, ID-1, …, and of vhost ID-vhost-0, …
//
// An ID begins with a letter and has letters, digits, '-', '.' and '_' only; a disk's has at
// most 31 bytes, the limit of a node's name. It must not be "type".
//
// If two managers add under the same ID at the same time, QEMU refuses the second, which then undoes its own part and
// returns [ErrExists]. An operation waits for QEMU's answer for 5 seconds after its context has ended. If it does not
// learn the answer, it finds out what is its own: a node by its set of descriptors, a netdev by the descriptors or
// the connection that it has taken, a device by its bus and by what it uses. A node without descriptors of ours, and
// a netdev that QEMU opens itself, cannot be told from another that has the ID and that no device uses: it is removed.
//
// # Cost
//
// [VM.AddDisk], [VM.AddNIC] and [VM.AddDevice] send the commands that do the work. They look at the machine only if
// QEMU refuses or does not answer. The number of commands of an operation does not depend on how many devices there
// are, except for [VM.PCITree], [VM.FreePCISlot], [VM.RemoveNetdev] and a [VM.RemoveNIC] that finds no device.
package hotplug
