// Package diff lists the changes from one QEMU's schema to another's, and marks those that break
// clients. Each schema comes from a running server (query-qmp-schema) or from QEMU's sources
// (package qapi).
//
//	changes, err := diff.Compare(old, new)
//	…
//	for _, c := range changes {
//		if c.Breaking {
//			fmt.Println(c.Kind, c.What, c.Path)
//		}
//	}
//
// Compare walks both schemas from the names of their commands and events. A server's types have
// numbers instead of names, so Compare finds the types to compare by their place: the argument
// types of a command, or the types of a member with the same name. If it meets two types at
// several places, it compares them once. Each difference is then one [Change] with all commands
// and events that use it.
//
// # Breaking changes
//
// Clients send the arguments of commands, and receive results and the data of events. A change is
// breaking if a client for the old schema can fail with a server of the new one. That depends on
// the direction in which the type is used:
//
//	                                       sent        received
//	command or event removed               breaking
//	command or event added                 compatible
//	member removed                         breaking    breaking
//	member added, optional                 compatible  compatible
//	member added, mandatory                breaking    compatible
//	optional member now mandatory          breaking    compatible
//	mandatory member now optional          compatible  breaking
//	enum value removed                     breaking    compatible
//	enum value added                       compatible  compatible
//	branch removed or added                as for the members that are removed or added with it
//	retyped: old values no longer taken    breaking    compatible
//	retyped: new values among the results  compatible  breaking
//	feature removed                        breaking    breaking
//	feature added                          compatible  compatible
//	deprecated                             compatible  compatible
//	deprecated or unstable no more         compatible  compatible
//	out-of-band execution lost             breaking
//	out-of-band execution gained           compatible
//	type of that name removed or added     compatible
//
// So a client must ignore unknown members and accept unknown enum values, because QEMU often adds
// both. These rules also apply to unstable and deprecated parts.
//
// # Members and branches
//
// For each value of a union's discriminator, Compare looks at the common members and those of the
// branch together. So Compare reports no change if a member moves between the union and its
// branches, even if the union was a struct before. It reports a member as added or removed only if
// the member is added or removed for at least one of the values.
//
// If a branch is added or removed together with its discriminator's value, Compare reports only
// the value. It reports a branch alone if both schemas have the value, for example if a struct
// with a string becomes a union with an enum.
//
// # Types
//
// A type is retyped if its values have other kinds of JSON than before. All integers are one
// kind, which is also a number. An enum is a kind of string: in results, a change from an enum to
// a string is like new enum values. An alternate has several kinds, and the type any has all
// kinds. For arrays, Compare compares the elements.
//
// Names of types are not on the wire, and a server does not send them. Compare compares them only
// if both schemas have them: if both come from sources with Unmask. A new or removed name is
// compatible. If it matters to a client, other changes show it.
//
// # Limits
//
// Without a configuration, a schema from sources is that of a server in which all conditions
// hold. So it has parts that a running server may be built without. Compare cannot see changes
// that are not in the schema, such as ranges, defaults and the effects of commands.
package diff
