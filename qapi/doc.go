// Package qapi reads QEMU's QAPI schemas: the files that define the commands, events and types
// of QMP, for QEMU, its storage daemon and its guest agent.
//
//	schema, err := qapi.Load("qapi/qapi-schema.json", nil)
//	if err != nil {
//		return err // Diagnostics have the file and the line of each error
//	}
//	for _, c := range schema.Commands() {
//		fmt.Println(c.Name)
//	}
//
// [Load] reads a schema with all files that it includes, and checks it. A [Schema] has the
// definitions in order. Each is an [*Enum], a [*Struct], a [*Union], an [*Alternate], a
// [*Command] or an [*Event], and refers to other definitions by pointers. The names of the model
// are QEMU's; see docs/devel/qapi-code-gen.rst in QEMU's source.
//
// # The language
//
// The language has changed over the years. Load reads the schemas of QEMU 5.2 to 11.0. It
// translates older notations into today's: a union of QEMU 5.2 without a discriminator gets one,
// with the types that this needs, and a condition that is a C expression becomes a [Cond]. To
// check a schema by the rules of one version, set [Options].Dialect.
//
// # Types without a name
//
// A schema can write the arguments of a command, or the base of a union, inside the definition that
// uses them. In the model they are types like the others, except that Header.Implicit is set and
// that Schema.Definitions does not have them. Their names are those in QEMU's C code, and are not
// on the wire.
//
// # Conditions
//
// A schema describes all builds of a QEMU. A part that only some builds have carries a condition
// ([Cond]) on the configuration. [Schema.Under] returns the schema of one build.
package qapi
