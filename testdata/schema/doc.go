// Package schema holds QEMU's QAPI schemas by version, without their prose: what is generated
// in this module is generated from them, and tests have a real schema at hand.
//
// # From QEMU's source
//
// A folder is made from the source tree of that QEMU, by
//
//	go run ./gen/qapigen print -qemu-version 10.2.2 -out testdata/schema/10.2 \
//		QEMU/qapi/qapi-schema.json QEMU/qga/qapi-schema.json \
//		QEMU/storage-daemon/qapi/qapi-schema.json
//
// run in the module's root, where QEMU is the tree's folder. (Trees that have a file VERSION
// need no -qemu-version.) The files say what QEMU's files say: the same definitions in the
// same modules. QEMU's documentation text is not in them, since it is under a licence of its
// own.
//
// # From servers
//
// The folder captured has what QEMU and qemu-storage-daemon of several versions answered to
// query-qmp-schema, as qapigen capture writes it, with the version in a file beside it:
//
//	captured/11.1/qemu.json       qemu-system-x86_64
//	captured/11.1/storage.json    qemu-storage-daemon
//
// They are those of Debian's packages (scripts/get-qemu.sh), for x86-64, which are built with most
// of what QEMU can be built with on Linux. What they lack of 10.2's schema is what needs Windows,
// macOS or BSD, AF_XDP, IGVM, and three compressions of migration (qatzip, qpl, uadk).
//
// The packages are for all of these servers: what one of them does not send is optional there
// (qapigen generate -also).
//
// # Joined
//
// The folder 11.1 is made by go generate in qmp/generated: 10.2 from the source, joined with what 11.1's servers
// have beyond it. What these brought says "(seen first in 11.1)"; it may be older, since nobody
// looked at the versions between. The files captured/11.1/*.overrides decide where the two have
// different kinds of types, a row with its reason each.
//
// make update does all of this for another QEMU: see docs/new-qemu.md.
package schema
