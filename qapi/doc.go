// Package qapi reads QEMU's QAPI schemas: the files that define the commands, events and types
// of QMP, for QEMU, its storage daemon and its guest agent.
//
// [Load] reads a schema with all files that it includes, checks it, and returns it as a
// [Schema]: the definitions in order, each of them exactly one of [*Enum], [*Struct],
// [*Union], [*Alternate], [*Command] and [*Event], with the names in them resolved. The names
// of the model are QEMU's own terms, which docs/devel/qapi-code-gen.rst of QEMU's source
// explains.
//
// # The language
//
// The language has changed over the years. Load reads what QEMU 5.2 to 11.0 write, whichever
// version it is. A union of QEMU 5.2 that has no discriminator is seen as one that has, with the
// types that this takes; conditions that are C expressions are seen as today's. To learn what
// one version has to say about a schema, name its [Dialect] in [Options].
//
// # Types without a name
//
// The arguments of a command may be written in their place, and so may the base of a union.
// They are types like the others, except that Header.Implicit is set, that they are not among
// the schema's definitions, and that their name, which QEMU's C code uses, is of no interest.
//
// # Conditions
//
// A schema is that of all builds of a QEMU. What is in some of them only has a condition
// ([Cond]) on the configuration. [Schema.Under] returns the schema of one build.
package qapi
