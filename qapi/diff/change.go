package diff

// A Change is one difference between two schemas.
type Change struct {
	// Breaking says that a client made for the old schema can fail with the new one.
	Breaking bool `json:"breaking"`
	Kind     Kind `json:"kind"`
	What     What `json:"what"`

	// Path tells where, in the grammar of [introspect.Schema.Has]: the shortest, of several. Has
	// tells true of what was added in the new schema and false in the old one, and of what was
	// removed the reverse. A member that became optional, or was so before, has its asterisk. What
	// is deprecated or retyped is in both schemas.
	//
	// This is not so for OutOfBand, whose path is that of the command, for the features of an
	// enum or an alternate type, which Has does not reach, and for the name of a type.
	Path string `json:"path"`

	// Direction is that of the values: Both, if the type is used in arguments and in results. A
	// command itself is sent, an event received.
	Direction Direction `json:"direction,omitempty"`

	// Old and New describe what it was and what it is, as far as Kind and What do not tell.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`

	// Users are the commands and events that the change concerns, sorted by name; none for the
	// name of a type.
	Users []string `json:"users,omitempty"`
}

// A Kind says what happened to something.
type Kind string

// The kinds of change.
const (
	Added      Kind = "added"
	Removed    Kind = "removed"
	Deprecated Kind = "deprecated" // got the feature of that name
	Retyped    Kind = "retyped"    // takes other kinds of JSON
	Optional   Kind = "optional"   // of a member that was mandatory
	Mandatory  Kind = "mandatory"  // of a member that was optional
)

// What tells what it is that a change happened to.
type What string

// What a change can happen to.
const (
	Command   What = "command"
	Event     What = "event"
	Result    What = "result" // of a command
	Member    What = "member" // of a struct, a union, the arguments of a command, the data of an event
	Branch    What = "branch" // of a union
	Value     What = "value"  // of an enum
	Type      What = "type"   // by its place, or by its name where both schemas have names
	Feature   What = "feature"
	OutOfBand What = "out-of-band" // execution of a command
)

// A Direction is the way that values go, as the client sees it.
type Direction string

// The directions. The name of a type has none.
const (
	Sent     Direction = "sent"     // arguments of commands
	Received Direction = "received" // results of commands, data of events
	Both     Direction = "both"
)
