package unmask

import "github.com/qmpkit/qmpkit/qapi"

// A definition is the description of one name in a schema, with types by their names, so that the
// text can be written without the types themselves being there.
type definition struct {
	kind     string // the language's word: "struct"
	name     string
	module   string
	since    string            // the QEMU that brought it, if it is known
	seen     map[string]string // of what a source does not have, the server that had it first; by the part, "" being the definition
	cond     qapi.Cond
	features []*qapi.Feature

	prefix  string            // of an enum
	values  []*qapi.EnumValue // of an enum
	members []member          // a struct's own, a union's common ones, inline arguments, alternatives

	base     string // of a struct, or of a union in place of members; empty: none
	tag      string // of a union
	branches []branch

	data    string // the type of the arguments, in place of members; empty: none
	returns ref
	flags   flags
}

// A member is one of an object type, or an alternative.
type member struct {
	name     string
	typ      ref
	optional bool
	cond     qapi.Cond
	features []*qapi.Feature
}

// A branch is one of a union.
type branch struct {
	value, typ string
	cond       qapi.Cond
}

// A ref names a type or an array of it. The zero value names nothing.
type ref struct {
	name  string
	array bool
}

// Flags are the properties of a command or an event other than its types. The language gives most
// of them only one value.
type flags struct {
	boxed, noGen, noReply, allowOOB, allowPreconfig, coroutine bool
}

// refTo is the reference to a type.
func refTo(t qapi.Type) ref {
	switch t := t.(type) {
	case nil:
		return ref{}
	case *qapi.Array:
		return ref{t.Element.TypeName(), true}
	}
	return ref{t.TypeName(), false}
}
