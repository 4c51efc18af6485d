// Package unmask makes QAPI schema files from the schema of a running server. The answer to
// query-qmp-schema has numbers instead of the names of types. Unmask recovers the names from the
// schema of another QEMU version.
//
//	live, err := qmpschema.Query(ctx, client)
//	…
//	snapshot, err := unmask.Unmask(live, names) // names: the schema of some other QEMU
//
// The result is a schema in QEMU's language. Package qapi loads it like any other schema.
//
// # Recovered names
//
// Unmask walks both schemas from the commands and events that both have, along members, branches
// and elements with the same names. Two types at the same place can be the same type if they are
// of the same kind and at least half of the smaller one is in the other. Each such place is a vote
// for a name, with a weight that grows with their similarity. A type gets the name with the most
// votes, and no two types get the same name. So Unmask recognizes a type that has grown, and
// treats a type that replaced another one as new.
//
// A server also does not send the widths of integers, the names of alternatives, bases, modules,
// the versions of definitions, and properties of commands such as boxed. Unmask takes these from
// the same places in the other schema. If there is no such place, Unmask uses the most common
// value: an integer is an int, which has 64 bits and a sign.
//
// If a type was renamed, Unmask gives it the old name, because the answer does not show the
// change.
//
// # New names
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
//	struct with the one member data           …Wrapper; the type of data gets the name without Wrapper
//
// An array has the place of its elements. Places in commands come first, then those in events,
// then those in types, each in the order of names. So the name of a type changes only if a new
// place comes before the old one. If the name is taken, in QAPI or in Go, Unmask adds a number.
// If QAPI does not allow it, Unmask adds the word Type.
//
// New commands and events are in the module new.json. A new type is in the module that uses it.
// The alternatives of a new alternate have the names str, int, number, bool, null, list and
// object.
//
// # Names of a server
//
// All other names are the server's, even if QAPI's rules do not allow them: up to QEMU 2.5 values of
// enums had dots. The schema then has the pragma server-names, which only qapi.DialectAny accepts. A
// name consists of letters, digits, '-', '_' and '.'. Names of members and values can be empty.
//
// # Joining
//
// [Join] adds the new parts of a server's schema to the schema of a QEMU whose sources you have.
// Bindings for the result work with both.
package unmask
