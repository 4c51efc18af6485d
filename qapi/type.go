package qapi

import "slices"

// Type is a type of the language: a [*Builtin], [*Array], [*Enum], [*Struct], [*Union] or
// [*Alternate].
type Type interface {
	// TypeName returns the name as a schema writes it: "str", "BlockdevOptions", or "['str']" for
	// an array.
	TypeName() string
	// JSONKind returns the JSON kind of the type's values.
	JSONKind() JSONKind
}

// ObjectType is a type whose values are JSON objects: [*Struct] or [*Union].
type ObjectType interface {
	Type
	Definition
	// AllMembers returns the members that are common to all values of the type, those of the base
	// first. They include a union's discriminator, but not the members of its branches.
	AllMembers() []*Member
}

// Enum is a set of string values.
type Enum struct {
	Header
	Prefix string // prefix of the C identifiers; "" means the default
	Values []*EnumValue
}

// EnumValue is one value of an [Enum].
type EnumValue struct {
	Name     string
	If       Cond
	Features []*Feature
	Pos      Pos
}

// Struct is an object type without branches.
type Struct struct {
	Header
	Base    *Struct   // nil: none
	Members []*Member // without those of the base; see AllMembers
}

// Member is a member of an object type.
type Member struct {
	Name     string
	Type     Type
	Optional bool
	If       Cond
	Features []*Feature
	Pos      Pos
}

// Union is an object type. The value of its discriminator selects the branch, which adds members.
type Union struct {
	Header
	Base          *Struct // implicit if the schema writes the common members inline
	Discriminator *Member // one of the base's
	// Branches has one branch for each value of the discriminator's enum: first those in the
	// union's data, in that order, then the others in the order of the enum.
	Branches []*Branch
}

// Branch has the members that a Union adds for one value of its discriminator.
type Branch struct {
	Value string     // of the discriminator
	Type  ObjectType // nil: no further members
	If    Cond
	Pos   Pos
}

// Alternate is a type with several alternatives. The JSON kind of a value selects the
// alternative.
type Alternate struct {
	Header
	Alternatives []*Alternative
}

// Alternative is one of the types of an [Alternate].
type Alternative struct {
	Name string // not on the wire
	Type Type
	If   Cond
	Pos  Pos
}

// Array is a list of values of one type.
type Array struct {
	Element Type
}

// TypeName returns the name of the enum.
func (e *Enum) TypeName() string { return e.Name }

// TypeName returns the name of the struct.
func (s *Struct) TypeName() string { return s.Name }

// TypeName returns the name of the union.
func (u *Union) TypeName() string { return u.Name }

// TypeName returns the name of the alternate.
func (a *Alternate) TypeName() string { return a.Name }

// TypeName returns the array as a schema writes it: "['str']".
func (a *Array) TypeName() string { return "['" + a.Element.TypeName() + "']" }

// JSONKind returns [KindString].
func (e *Enum) JSONKind() JSONKind { return KindString }

// JSONKind returns [KindObject].
func (s *Struct) JSONKind() JSONKind { return KindObject }

// JSONKind returns [KindObject].
func (u *Union) JSONKind() JSONKind { return KindObject }

// JSONKind returns [KindValue].
func (a *Alternate) JSONKind() JSONKind { return KindValue }

// JSONKind returns [KindArray].
func (a *Array) JSONKind() JSONKind { return KindArray }

// AllMembers returns the members of the struct's base, then its own. Do not modify the result.
func (s *Struct) AllMembers() []*Member {
	if s.Base == nil {
		return s.Members
	}
	return slices.Concat(s.Base.AllMembers(), s.Members)
}

// AllMembers returns the members that are common to all branches. Do not modify the result.
func (u *Union) AllMembers() []*Member { return u.Base.AllMembers() }
