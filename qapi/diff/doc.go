// Package diff tells what changed from one QEMU to another, as a client sees it: it compares
// two views of a schema, each of which a server gave of itself or a schema's source gives.
//
//	changes, err := diff.Compare(old, new)
//	…
//	for _, c := range changes {
//		if c.Breaking {
//			fmt.Println(c.Kind, c.What, c.Path)
//		}
//	}
//
// Both schemas are walked from the names of their commands and events. A server gives its types
// numbers in place of names, so that a type has no identity but its place: the type of a
// command's arguments is compared with that of the same command's arguments, the type of a
// member with that of the member of the same name. Two types that meet in several places are
// compared once, and what changed in them is one [Change], which knows all who use it.
//
// # What breaks a client
//
// Values go in two directions. Arguments of commands are sent by the client; results of
// commands, and the data of events, are received. A change is breaking if a client made for the
// old schema can fail with a server of the new one, in a direction in which the type is used:
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
//	branch removed or added                as the members that it takes away or brings
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
// So a client must ignore members that it does not know, and must take enum values that it does
// not know: QEMU adds both all the time. What is marked as unstable, or deprecated, is classed
// like all else.
//
// # Members and branches
//
// What counts in a union are the members that go with a value of its discriminator: the common
// ones and the branch's. A member that moves from the one to the other, or from a struct that
// becomes a union to a branch of it, is the same member; it is removed, or added, only if that
// is so for some of the values.
//
// A branch that comes or goes together with the enum value that selects it is not reported:
// the value is. A branch alone is reported when the value is not new, above all when a struct
// with a string becomes a union with an enum.
//
// # Types
//
// A type is retyped when it takes other kinds of JSON than it did. All integers are one kind,
// which is among the numbers; an enum is among the strings, and as to results no more than
// that: from an enum to a string is like getting new values. An alternate has several kinds,
// and any has all. The elements of arrays are compared in the place of the array.
//
// The names of types are not on the wire, and a server does not tell them. They are compared
// when both schemas have them, which is when both come from sources and were made with Unmask.
// A name that comes or goes is compatible: what it means for a client is in the other changes.
//
// # What is not seen
//
// A schema from a source is that of a server in which all conditions hold, unless it was made
// with a configuration. Compared with a running server, it has in addition what that one was
// built without. What QEMU does not write into its schema (ranges, defaults, what a command
// does) can change unseen.
package diff
