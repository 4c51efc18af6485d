package introspect

// An Info is an entry of a schema, a SchemaInfo: a [*Builtin], [*Enum], [*Array], [*Object],
// [*Alternate], [*Command], [*Event] or, for a meta-type that is newer than this package,
// [*Unknown].
type Info interface {
	// Head returns the fields that all kinds of entry share.
	Head() *Header
	// MetaType returns the name of the kind, such as "command".
	MetaType() string
}

// Header has the fields that all kinds of entry share.
type Header struct {
	Name     string   // the name of a type is a number, unless the schema was made without masking
	Features []string // nil if the server gave no list; the list may be empty
}

// Head returns h itself.
func (h *Header) Head() *Header { return h }

// Builtin is a predefined type. The type int stands for all integer types.
type Builtin struct {
	Header
	JSONType string // string, number, int, boolean, null, object, array or value
}

// Enum is a set of strings.
type Enum struct {
	Header
	Members []EnumMember

	// ValuesOnly reports that the server gave the names of the values alone, as QEMU does up to
	// 6.1. Values have no features then.
	ValuesOnly bool
}

// EnumMember is a value of an [Enum].
type EnumMember struct {
	Name     string
	Features []string
}

// Array is a list of values of one type. Its name is the name of that type in brackets.
type Array struct {
	Header
	ElementType string
}

// Object is a struct or a union. Members includes the members of its base.
type Object struct {
	Header
	Members  []Member
	Tag      string    // the discriminator's name; empty if the object is not a union
	Variants []Variant // one for each value of the discriminator
}

// Member is a member of an [Object].
type Member struct {
	Name     string
	Type     string
	Optional bool // the member has a default in the schema, which is always null
	Features []string
}

// Variant has the members that a union adds for one value of its discriminator.
type Variant struct {
	Case string
	Type string // an object type, which may be empty
}

// Alternate is a type with several alternatives. The JSON kind of a value selects the
// alternative.
type Alternate struct {
	Header
	Types []string
}

// Command is a command. ArgType and RetType are empty objects if the command has no arguments or
// no result.
type Command struct {
	Header
	ArgType  string
	RetType  string
	AllowOOB bool
}

// Event is an event. ArgType is an empty object if the event has no data.
type Event struct {
	Header
	ArgType string
}

// Unknown is an entry of a meta-type that this package does not know.
type Unknown struct {
	Header
	Meta string
}

// MetaType returns "builtin".
func (*Builtin) MetaType() string { return "builtin" }

// MetaType returns "enum".
func (*Enum) MetaType() string { return "enum" }

// MetaType returns "array".
func (*Array) MetaType() string { return "array" }

// MetaType returns "object".
func (*Object) MetaType() string { return "object" }

// MetaType returns "alternate".
func (*Alternate) MetaType() string { return "alternate" }

// MetaType returns "command".
func (*Command) MetaType() string { return "command" }

// MetaType returns "event".
func (*Event) MetaType() string { return "event" }

// MetaType returns the name that the server gave.
func (u *Unknown) MetaType() string { return u.Meta }

// JSONType returns the kind of JSON that values of a type have: string for an enum, array, object, or the
// JSONType of a [Builtin]. For alternates, nil and entries that are not types, it returns "value", which is any
// kind.
func JSONType(info Info) string {
	switch info := info.(type) {
	case *Builtin:
		return info.JSONType
	case *Enum:
		return "string"
	case *Array:
		return "array"
	case *Object:
		return "object"
	}
	return "value"
}

// Member returns the object's member with this name, or nil if there is none.
func (o *Object) Member(name string) *Member {
	for i := range o.Members {
		if o.Members[i].Name == name {
			return &o.Members[i]
		}
	}
	return nil
}

// Variant returns the union's variant for a value of its discriminator, or nil if there is no
// such variant.
func (o *Object) Variant(value string) *Variant {
	for i := range o.Variants {
		if o.Variants[i].Case == value {
			return &o.Variants[i]
		}
	}
	return nil
}

// Member returns the enum's value with this name, or nil if there is none.
func (e *Enum) Member(name string) *EnumMember {
	for i := range e.Members {
		if e.Members[i].Name == name {
			return &e.Members[i]
		}
	}
	return nil
}
