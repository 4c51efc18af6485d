// Package gogen turns a QAPI schema into typed Go: a request type for each command, a type
// for each event, struct, union, alternate and enum, and the code that takes them to and
// from the wire.
//
// [Generate] works in steps, each in files of its own: what is wanted of the schema is selected
// (selection.go), a Go-side model is built from that (build.go, with all naming in names.go, and
// with QEMU's documentation from prose.go), the model is emitted with jennifer (emit_*.go, which
// decide nothing), and the rendered files come back as a map. [WriteDir] puts them into a folder.
//
// The rules by which QAPI becomes Go are stated in the package comment of what is generated
// (package_comment.go), with examples of what the package has (sample.go).
package gogen
