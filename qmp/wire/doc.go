// Package wire reads and writes the JSON of QMP messages: a strict single-pass decoder over a
// byte slice and an append-style encoder. It is what generated code stands on; programs use
// the generated types and package qmp.
//
// # Decoding
//
// A [Decoder] reads one complete JSON value that somebody else has framed. A received type has
// one method, DecodeMember, which decodes the value of one member and returns its number, 0 if it
// does not know the name; the loop over the members is [Decoder.Object]. QEMU writes the members of
// an object in the order of a hash table, so the discriminator of a union often comes late. When Object
// meets a member that may be of the branch, it looks ahead for the discriminator, at the object's own
// level and without validating anything, and goes on with the branch. So all members are decoded in
// their order, and nothing twice.
//
// The decoder is strict where a lax one would pass wrong data on: integers are exact and
// checked against the range of their type, never going through a float; strings are checked
// for valid UTF-8, complete surrogate pairs and bare control characters; nesting is bounded by
// [MaxDepth]; and what is skipped is validated like what is used. It is lax where QEMU evolves:
// unknown members are skipped, unknown enum values are passed through, and missing members are
// left zero. If the discriminator of a union is missing, its DecodeBranch can still create a
// branch, which then reads the members that the union does not know.
//
// A repeated member is an error. If an object has two members of the same name, decoding fails at
// the second one, whatever the member is (optional or not, a discriminator, common to a union or
// of its branch, known or unknown), whatever its values are, and whatever stands around it. QEMU
// never sends such an object, and refuses one ("duplicate key"). The rule is for objects that are
// decoded: the text of a value that is skipped, or kept as it came, is not looked through for
// repeated names.
//
// # Encoding
//
// An [Encoder] appends compact JSON to a buffer. A sent type has one method, EncodeMembers,
// which writes its members without the braces, so that bases and union branches flatten into
// the object around them.
//
// # Errors
//
// Both are sticky: the first failure is kept, with the path of the member it happened at
// ("file.filename", "props[2].name"), and every later call returns at once. Code between the
// first call and the last need not look at errors. Keeping the path costs nothing on the good
// way: it is found by reading again, after a failure, what was read or written before it.
//
// # Imports
//
// The package imports none of fmt, reflect and encoding/json, which would add more to a program
// than the package itself; see the project's ARCHITECTURE.md.
//
// # Inlining
//
// What generated code calls for each member is kept from being inlined: a generated package
// has some thousand of these calls, and inlined they double the time it takes to compile.
package wire
