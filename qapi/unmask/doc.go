// Package unmask gives the types of a running server their names back. A server that is asked for
// its schema, query-qmp-schema, tells all of it but what a client does not see: its types have
// numbers in place of names.
//
//	live, err := qmpschema.Query(ctx, client)
//	…
//	snapshot, err := unmask.Unmask(live, names) // names: the schema of some other QEMU
//
// What comes out is a schema in QEMU's own language, which package qapi loads: whatever takes a
// schema takes a server's too.
//
// # Names that are found
//
// Both schemas are walked from the names of the commands and events that both have, by members,
// branches and elements of the same names. Where two types stand at one place, and are alike, the
// one may be the other: not if one is an enum and the other an object, nor if less than half of
// the smaller one is in the other. Each place has a vote, which counts as much as the types are
// alike; a type gets the name that has most, and no name is given twice. So a type is known though
// it has grown, and one that came in place of another one is new.
//
// From the same places come what else is hidden: the widths of integers (a server knows only
// int), the names of an alternate's alternatives, bases, modules, the versions that brought a
// definition, and of commands what they do not tell (boxed, and what depends on QEMU's own code).
// What is not known is taken to be as it is most often: an integer is an int, which is 64 bits
// with a sign.
//
// A type that was renamed has its old name: nothing tells it from one that was not.
//
// # Names that are made
//
// A new type is named after the nearest place where it is used:
//
//	arguments of x-foo, with branches         XFooOptions
//	result of x-foo                           XFooResult
//	data of the event FOO_BAR, with branches  FooBarData
//	argument bar-baz of x-foo                 XFooBarBaz
//	member bar of the type Foo                FooBar
//	branch bar of the union Foo               FooBar
//	alternative of the alternate Foo          FooObject, FooString, … by the kind of value
//	struct with the one member data           …Wrapper, and the type of data what that is without it
//
// Arrays make no difference. The places of commands come before those of events, these before
// those of types, each by their names, so that a name changes only when a nearer place comes up.
// Where it is taken, or would be in Go, a number follows; where QAPI has no such names, the word
// Type.
//
// Commands and events that are new are in the module new.json, and types where they are used. The
// alternatives of a new alternate are str, int, number, bool, null, list and object.
//
// # Names of a server
//
// All other names are the server's, also where QAPI's rules do not allow them. Up to QEMU 2.5 the
// values of enums had dots in them. The schema then has the pragma server-names, which only package
// qapi's dialect Any takes. A name has letters, digits, '-', '_' and '.'; only that of a member or a
// value may be empty.
//
// # Joining
//
// [Join] adds what a server has to the schema of a QEMU whose source is at hand, so that bindings
// which are made of both serve both.
package unmask
