// Package schematest checks a generated package against the schema that it was generated from,
// with random values. It looks at the schema and, by reflection, at the Go types, never at the
// generator: it has a walk of its own through the schema for each direction.
//
//   - A generator makes random JSON documents for a type (generator.go, noise.go, scalar.go),
//     with what other versions of QEMU send mixed in.
//   - The reference decoder makes the Go value that a document stands for (value.go): what a
//     decoder is compared with, and what an encoder is given.
//   - The reference encoder makes the bytes that a Go value stands for (encode.go).
//
// [Check] puts them together. The field for a member is known by its place: the fields of a
// generated struct are in the order of the members, those of the base first, and a union's
// branch or a command's further properties come last.
package schematest
