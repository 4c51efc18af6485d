// Package gogen generates Go from a QAPI schema: a request type for each command, a type for each event, struct,
// union, alternate and enum, and the code that encodes and decodes them.
//
// [Generate] works in steps, and each step has its own files. It selects a part of the schema (selection.go). It builds
// a model of the Go code (build.go), with names from names.go and QEMU's documentation from prose.go. It emits the
// model with jennifer (emit_*.go, which make no decisions), and returns the rendered files as a map. [WriteDir] writes
// them to a folder.
//
// The package comment of a generated package states the rules by which QAPI becomes Go (package_comment.go), with examples
// from that package (sample.go).
package gogen
