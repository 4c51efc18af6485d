// Package schema holds QEMU's QAPI schemas by version, without their prose: what is generated
// in this module is generated from them, and tests have a real schema at hand.
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
package schema
