package gogen

import "github.com/qmpkit/qmpkit/qapi"

// The Go-side model stands between the schema and the text: everything about the generated
// code is decided in it, and emission only spells it out.

// pkg is the package to be generated.
type pkg struct {
	opts     Options
	modules  []*module
	events   []*event // of all modules
	features []feature
	unions   bool // there is at least one
}

// A module is a file of the schema, and a file of the package.
type module struct {
	source string // the schema file's base name
	decls  []decl
}

// A decl is the Go declaration for one definition of the schema: *enum, *object, *alternate, *command or
// *event.
type decl interface{ emit(f *file) }

// enum is a string type with constants.
type enum struct {
	name   string
	doc    comment
	values []enumValue
}

type enumValue struct {
	name string // of the constant
	wire string
	cond qapi.Cond // of the value, or of the branch for it
	doc  comment
	// branch says since when there is a branch for it, and until when; "" if that is as for the union.
	branch string
}

// object is a struct type: a QAPI struct, or a union with its branches.
type object struct {
	name   string
	doc    comment
	fields []*field
	// extra is the name of the field for undeclared members, of a command that QEMU's
	// generator does not know the arguments of ('gen': false); else "".
	extra string
	union *union // nil: no branches
	codec
	receiver string // of its methods
}

// A union is the part of an object that a QAPI union has in addition to the common members.
type union struct {
	tag      *field
	iface    string // the sealed interface
	field    string // the field of that type
	marker   string // the interface's own method
	branches []branch
	empty    []enumValue // the discriminator's values without a branch
	unsent   *enumValue  // the discriminator's value if a server does not send it; nil: none
	reason   string      // for that value
}

// A branch is a type for one or several values of a union's discriminator. If data is nil, the object has
// the members of the type. Otherwise the object has a member "data", and typ is the name of the data's
// type, or of a type that the package defines by it.
type branch struct {
	typ    string
	data   goType
	values []enumValue
}

// field is a field of an object for one member.
type field struct {
	name     string
	wire     string
	typ      goType
	optional bool
	pointer  bool // a pointer holds it: it is optional, or its type would contain itself
	doc      comment
}

// tag returns the tag for encoding/json.
func (f *field) tag() string {
	if f.optional {
		return f.wire + ",omitzero"
	}
	return f.wire
}

// alternate is a struct with one pointer for each alternative, and a field for values of other kinds.
type alternate struct {
	name         string
	doc          comment
	alternatives []alternative
	other        string // the field's name
	codec
}

type alternative struct {
	name string
	kind qapi.JSONKind
	typ  goType
	doc  comment
}

// command is a request type with its Do method.
type command struct {
	name string
	wire string
	doc  comment
	// args is the request type itself. It is nil if the arguments are the named type
	// argType.
	args     *object
	argType  string
	argCodec codec
	// merged says that argType has the command's own name, so that one type is both.
	merged   bool
	result   goType // nil: none
	noReply  bool
	allowOOB bool
}

// event is a type for the data of an event.
type event struct {
	name     string
	constant string // for wire
	wire     string
	doc      comment
	// constantDoc is what the comment of the constant says: in which versions the event is.
	constantDoc comment
	data        *object // nil if the data is of the named type dataType
	// dataType is that type, with branches if dataUnion.
	dataType  string
	dataCodec codec
	dataUnion bool
}

// feature is the path of a feature in a server's introspection.
type feature struct {
	name string
	path string
	doc  comment
}
