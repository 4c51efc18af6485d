// Package schematest checks a generated package against the schema that it was generated from, with
// random values. It looks at the schema and, by reflection, at the Go types. It uses nothing of the
// generator, and walks the schema itself for each direction.
//
//   - A generator makes random JSON documents for a type (generator.go, noise.go, scalar.go), mixed
//     with things that other versions of QEMU send.
//   - The reference decoder makes the Go value that a document stands for (value.go). Check
//     compares decoders with this value, and gives it to encoders.
//   - The reference encoder makes the bytes that a Go value stands for (encode.go).
//
// [Check] puts them together. It finds the field of a member by its place: the fields of a
// generated struct are in the order of the members, those of the base first, and a union's branch
// or a command's further properties come last.
package schematest
