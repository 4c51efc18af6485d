// Package gogen turns a QAPI schema into typed Go: a request type for each command, a type
// for each event, struct, union, alternate and enum, and the code that takes them to and
// from the wire.
//
// [Generate] works in three steps, each in files of its own: a Go-side model is built from
// the schema (build.go, with all naming in names.go), the model is emitted with jennifer
// (emit_*.go, which decide nothing), and the rendered files come back as a map. [WriteDir]
// puts them into a folder.
//
// The rules by which QAPI becomes Go are stated in the package comment of what is generated
// (emit_package.go).
package gogen
