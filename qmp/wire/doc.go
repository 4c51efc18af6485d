// Package wire reads and writes the JSON of QMP messages: a strict single-pass decoder over a
// byte slice and an append-style encoder. Generated code calls it. Programs use the generated
// types and package qmp instead.
//
// # Decoding
//
// A [Decoder] reads one complete JSON value. Its caller has found the end of the value. A received type
// has a method DecodeMember, which decodes the value of one member and returns the member's number, or
// 0 if it does not know the name. [Decoder.Object] has the loop over the members. QEMU writes the
// members of an object in the order of a hash table, so the discriminator of a union often comes late.
// When Object comes to a member that the union does not know, it looks ahead for the discriminator
// among the object's members, without validating them. Then it creates the branch and continues. So it
// decodes each member once and in order.
//
// The decoder is strict about data. It checks that:
//   - integers are exact and in the range of their type. It never converts them through a float.
//   - strings are valid UTF-8, with complete surrogate pairs and without bare control characters.
//   - nesting is not deeper than [MaxDepth].
//   - skipped values are valid, like all others.
//
// It is lax where QEMU's schema grows: it skips unknown members, accepts unknown enum values, and
// leaves missing members zero. If the discriminator of a union is missing, DecodeBranch can still
// create a branch for the members that the union does not know.
//
// A repeated member is an error. If an object has two members with the same name, decoding fails at
// the second one. This is so for every member: optional or not, a discriminator, common to all
// branches of a union or in one branch, known or unknown. QEMU never sends such an object, and
// refuses one ("duplicate key"). The decoder does not look for repeated names inside values that it
// skips or keeps as text.
//
// # Encoding
//
// An [Encoder] appends compact JSON to a buffer. A sent type has a method EncodeMembers, which
// writes its members without braces, so that the members of bases and branches become members of
// the object around them.
//
// # Errors
//
// Decoder and Encoder keep the first failure, with the path of its member ("file.filename",
// "props[2].name"). Every later call returns at once. So callers can check for an error once, after
// the last call. The path costs nothing unless there is a failure. Then the Decoder or Encoder
// reads the text again to find it.
//
// # Imports
//
// The package does not import fmt, reflect or encoding/json. Each of them would add more to a
// program than the package itself; see the project's ARCHITECTURE.md.
//
// # Inlining
//
// The methods that generated code calls for each member are marked noinline. A generated package
// has thousands of these calls, and inlining them doubles the time to compile it.
package wire
