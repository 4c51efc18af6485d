package introspect

// An Info is an entry of a schema, a SchemaInfo: exactly one of [*Builtin], [*Enum], [*Array],
// [*Object], [*Alternate], [*Command], [*Event] and, for what is newer than this package,
// [*Unknown].
type Info interface {
	// Head returns what all kinds of entry have.
	Head() *Header
	// MetaType returns the kind by the name that the schema has for it.
	MetaType() string
}

// Header is what all kinds of entry have.
type Header struct {
	Name     string   // of a type: a number, unless the view was made without masking
	Features []string // nil: the server gave none; else it gave a list, which may be empty
}

// Head returns h itself.
func (h *Header) Head() *Header { return h }

// Builtin is a predefined type. All integer types are one, int.
type Builtin struct {
	Header
	JSONType string // string, number, int, boolean, null, object, array or value
}

// Enum is a set of strings.
type Enum struct {
	Header
	Members []EnumMember

	// ValuesOnly says that the server gave the values without members, as it did up to
	// QEMU 6.1: these could have no features.
	ValuesOnly bool
}

// EnumMember is a value of an [Enum].
type EnumMember struct {
	Name     string
	Features []string
}

// Array is a list of values of one type. Its own name is that type's in brackets.
type Array struct {
	Header
	ElementType string
}

// Object is a struct or a union. The members of its base are among its own.
type Object struct {
	Header
	Members  []Member
	Tag      string    // the discriminator's name; empty when there are no variants
	Variants []Variant // of a union: one for each value of the discriminator
}

// Member is a member of an [Object].
type Member struct {
	Name     string
	Type     string
	Optional bool // it has a default, which is always null
	Features []string
}

// Variant is what a union adds for one value of its discriminator.
type Variant struct {
	Case string
	Type string // an object type, which may be empty
}

// Alternate is a type whose values are told apart by their kind of JSON.
type Alternate struct {
	Header
	Types []string
}

// Command is a command. Without arguments, or without a result, the type is an empty object.
type Command struct {
	Header
	ArgType  string
	RetType  string
	AllowOOB bool
}

// Event is an event. Without data the type is an empty object.
type Event struct {
	Header
	ArgType string
}

// Unknown is an entry of a meta-type that this package does not know.
type Unknown struct {
	Header
	Meta string
}

func (*Builtin) MetaType() string   { return "builtin" }
func (*Enum) MetaType() string      { return "enum" }
func (*Array) MetaType() string     { return "array" }
func (*Object) MetaType() string    { return "object" }
func (*Alternate) MetaType() string { return "alternate" }
func (*Command) MetaType() string   { return "command" }
func (*Event) MetaType() string     { return "event" }
func (u *Unknown) MetaType() string { return u.Meta }

// JSONType returns the kind of JSON that values of a type have: string for an enum, array, object, or what
// a builtin type has. For alternates, nil and entries that are no types it returns "value", which is any kind.
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

// Member returns the object's member of that name, nil if there is none.
func (o *Object) Member(name string) *Member {
	for i := range o.Members {
		if o.Members[i].Name == name {
			return &o.Members[i]
		}
	}
	return nil
}

// Variant returns what the union adds for a value of its discriminator, nil if it has no such
// value.
func (o *Object) Variant(value string) *Variant {
	for i := range o.Variants {
		if o.Variants[i].Case == value {
			return &o.Variants[i]
		}
	}
	return nil
}

// Member returns the enum's value of that name, nil if there is none.
func (e *Enum) Member(name string) *EnumMember {
	for i := range e.Members {
		if e.Members[i].Name == name {
			return &e.Members[i]
		}
	}
	return nil
}
