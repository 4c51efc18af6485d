package diff

// A Change is one difference between two schemas.
type Change struct {
	// Breaking reports that a client for the old schema can fail with the new one.
	Breaking bool `json:"breaking"`
	Kind     Kind `json:"kind"`
	What     What `json:"what"`

	// Path is the place, in the grammar of [introspect.Schema.Has], and the shortest one if there
	// are several. For an added part, Has returns true in the new schema and false in the old one;
	// for a removed part the reverse. The path of a member that is, or was, optional has an
	// asterisk. A deprecated or retyped part is in both schemas.
	//
	// Has does not help for three changes: OutOfBand, whose path is the command; features of an
	// enum or an alternate; and names of types.
	Path string `json:"path"`

	// Direction is the direction of the values. It is Both if arguments and results use the type.
	// A command is Sent, an event is Received.
	Direction Direction `json:"direction,omitempty"`

	// Old and New describe the part before and after the change. One of them or both are empty if
	// Kind and What say enough.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`

	// Users are the commands and events that use the changed part, sorted by name. It is empty
	// for the name of a type.
	Users []string `json:"users,omitempty"`
}

// A Kind is a kind of change.
type Kind string

// The kinds of change.
const (
	Added      Kind = "added"
	Removed    Kind = "removed"
	Deprecated Kind = "deprecated" // got the feature "deprecated"
	Retyped    Kind = "retyped"    // has other kinds of JSON values
	Optional   Kind = "optional"   // of a member that was mandatory
	Mandatory  Kind = "mandatory"  // of a member that was optional
)

// What is the kind of part that has changed.
type What string

// The kinds of parts.
const (
	Command   What = "command"
	Event     What = "event"
	Result    What = "result" // of a command
	Member    What = "member" // of a struct, a union, the arguments of a command, the data of an event
	Branch    What = "branch" // of a union
	Value     What = "value"  // of an enum
	Type      What = "type"   // at its place, or its name if both schemas have names
	Feature   What = "feature"
	OutOfBand What = "out-of-band" // execution of a command
)

// A Direction is the direction of values, as the client sees it.
type Direction string

// The directions. A change of a type's name has none.
const (
	Sent     Direction = "sent"     // arguments of commands
	Received Direction = "received" // results of commands, data of events
	Both     Direction = "both"
)
