// Package qom reads and sets the properties of QEMU's objects: devices, buses, memory backends, iothreads, the machine
// itself. QEMU's object model (QOM) is a tree of objects, which are named by paths.
//
//	size, err := qom.Get[uint64](ctx, client, qom.DevicePath("mem1"), "size")
//	…
//	err = qom.Set(ctx, client, qom.DevicePath("mem1"), "requested-size", 1<<30)
//	…
//	for object, err := range qom.Walk(ctx, client, "/machine") {
//		…
//		fmt.Println(object.Path, object.Type, len(object.Properties))
//	}
//
// # Paths
//
// [DevicePath], [ObjectPath] and [ChardevPath] return the path of something with an ID. A device without an ID is below
// /machine/peripheral-anon, and its number depends on the order of the command line. QEMU also takes the end of a path
// ("pci.0") if only one object has it.
//
// # Values
//
// [Get] decodes a property into the type that the caller names, and [Set] encodes it:
//
//	property in QEMU                      type in Go
//	bool                                  bool
//	an integer, a size                    an integer type; a value that does not fit is an error
//	string                                string
//	an enum, OnOffAuto                    string, or the enum of package qemu
//	link<…>, child<…>                     string: the path of the other object, "" for none
//	drive, netdev, chardev                string: the name
//	a struct, a union                     the type of package qemu, or a struct with json tags
//	a list                                a slice
//	anything                              qmp.RawJSON, any, map[string]any, []any, with the types of qmp.Args
//
// QEMU takes a value only in its own kind: it refuses "5" and "64M" for an integer.
//
// # Errors
//
// If QEMU refuses to read or set a property, the error matches one of [ErrNoObject], [ErrNoProperty] and [ErrRefused],
// and has QEMU's answer, a [*qmp.Error]. QEMU's answer does not say which one it is, so the functions look with qom-list
// after a refusal. All other errors are those of the commands: see [qmp.Client.Execute].
package qom
