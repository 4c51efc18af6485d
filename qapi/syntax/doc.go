// Package syntax reads the text of a QAPI schema file into a small tree with positions, and
// prints such a tree.
//
// The package knows the notation only: a file is a row of JSON-like objects, in single
// quotes and without numbers, with documentation comments between them. What the objects
// mean is package qapi's affair. There is no I/O here.
//
// The notation is described in docs/devel/qapi-code-gen.rst of QEMU's source. Positions and
// the order of errors are those of QEMU's own parser. Documentation comments are read by the
// rules of a [Dialect]: those of one version of QEMU, or those of QEMU 10.2, relaxed where
// QEMU 5.2 to 10.0 allowed more.
//
// All functions take any input whatever without panicking, in time and memory linear in its
// size, and may be called by several goroutines at once.
package syntax
