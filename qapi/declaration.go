package qapi

import "github.com/qmpkit/qmpkit/internal/syntax"

// declaration is the text of one definition in a schema: well formed, with names where the model
// has references.
type declaration struct {
	kind     kind
	name     string
	module   *Module
	pos      Pos
	owner    *declaration // of a type that the schema does not name; nil: it does
	cond     Cond
	features []*Feature
	doc      *syntax.Doc

	values        []*EnumValue // of an enum
	prefix        string
	members       []*memberDeclaration // of a struct; branches of a union; alternatives
	noMembers     bool                 // a struct that has something else in their place
	wrapper       bool                 // a struct for a branch of a simple union
	sinceKnown    bool                 // of a wrapper: the type in it was defined before it
	base          dataDeclaration
	discriminator string
	data          dataDeclaration // of a command or an event
	returns       typeRef
	element       string // of an array
	flags         map[string]bool
}

// kind is the kind of a definition, by the key that a schema has for it.
type kind string

const (
	kindEnum      kind = "enum"
	kindUnion     kind = "union"
	kindAlternate kind = "alternate"
	kindStruct    kind = "struct"
	kindCommand   kind = "command"
	kindEvent     kind = "event"
	kindArray     kind = "array" // never written as a definition
)

// definitionKinds holds the kinds that a schema can write.
var definitionKinds = []kind{kindEnum, kindUnion, kindAlternate, kindStruct, kindCommand, kindEvent}

// typeRef is the name of a type, or of the type of an array's elements. The zero value
// refers to nothing.
type typeRef struct {
	name  string
	array bool
}

// dataDeclaration is an object type that is named or written in its place.
type dataDeclaration struct {
	name    string
	inline  bool
	members []*memberDeclaration // if inline
}

// memberDeclaration is a member, a branch or an alternative.
type memberDeclaration struct {
	name     string
	optional bool
	typ      typeRef
	cond     Cond
	features []*Feature
	pos      Pos
}

// locate completes a problem of a definition with its place and its name, which are those of
// the definition that it belongs to if it has none itself.
func (d *declaration) locate(problem *Diagnostic) *Diagnostic {
	if d.owner != nil {
		d = d.owner
	}
	if problem.Pos.Line == 0 {
		problem.Pos = d.pos
	}
	if d.name != "" {
		problem.Message = string(d.kind) + " '" + d.name + "': " + problem.Message
	}
	return problem
}
