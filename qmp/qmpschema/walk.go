package qmpschema

import (
	"slices"
	"strconv"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A walker goes through the arguments of a command once, beside their types, and notes what the types
// do not have.
type walker struct {
	schema  *introspect.Schema
	call    *qmp.Call
	missing []string

	// Both are kept for the next walk.
	text    []byte
	decoder wire.Decoder
}

var walkers = sync.Pool{New: func() any { return new(walker) }}

// missingOf returns the paths of the parts of a call that the schema does not have. The error is
// the [*qmp.EncodeError] of the arguments.
func missingOf(schema *introspect.Schema, call *qmp.Call) ([]string, error) {
	command, ok := schema.Lookup(call.Command).(*introspect.Command)
	if !ok {
		return []string{call.Command}, nil
	}
	w := walkers.Get().(*walker)
	w.schema, w.call = schema, call
	err := w.walk(command)
	missing := w.missing
	w.schema, w.call, w.missing = nil, nil, nil
	if cap(w.text) <= maxText {
		walkers.Put(w)
	}
	return missing, err
}

// maxText is the size of the longest arguments whose memory is kept.
const maxText = 64 << 10

// walk goes through the arguments of a call of the command.
func (w *walker) walk(command *introspect.Command) (err error) {
	if w.text, err = w.call.AppendArgs(w.text[:0]); err != nil || len(w.text) == 0 {
		return err
	}
	arguments, ok := w.schema.Lookup(command.ArgType).(*introspect.Object)
	if ok && !isOpen(w.schema, command.Name, arguments) {
		w.decoder.Reset(w.text)
		w.decoder.Object(members(&place{walker: w, typ: arguments}))
	}
	return nil
}

// isOpen reports whether QEMU reads a command's arguments by code that takes members that the schema does
// not have ('gen': false): the properties of a device and, up to 5.2, of an object. Where the arguments
// are a union, the schema has all. Up to 5.2, query-qmp-schema ignores arguments.
func isOpen(schema *introspect.Schema, command string, arguments *introspect.Object) bool {
	switch command {
	case "device_add", "object-add", "netdev_add": // the last one up to 4.2
		return arguments.Tag == ""
	case "query-qmp-schema":
		objectAdd, ok := schema.Lookup("object-add").(*introspect.Command)
		if !ok {
			return false
		}
		object, ok := schema.Lookup(objectAdd.ArgType).(*introspect.Object)
		return ok && object.Tag == ""
	}
	return false
}

// A place is an object on the way, or the branch of one. Its path is made only if something is missing.
type place struct {
	*walker
	outer *place              // nil: the object is the arguments
	name  []byte              // the member of outer that the object is, or is in
	index int                 // in the array that the member is, if it is one
	of    *introspect.Variant // if not nil, the place is this branch of outer

	typ  *introspect.Object
	tag  string // the discriminator, once it was read
	elem int    // the element of the last array that is being read
}

// members returns the decoder of an object's members.
func members(p *place) wire.MemberDecoder {
	if p.typ.Tag != "" {
		return union{p}
	}
	return p
}

// DecodeMember compares a member with its type. A member that the type does not have is missing.
func (p *place) DecodeMember(d *wire.Decoder, name []byte) int {
	if number := p.known(d, name); number != 0 {
		return number
	}
	p.unknown(name)
	d.Skip()
	return wire.Unnumbered
}

// known compares a member with its type. It returns 0 if the place has no such member.
func (p *place) known(d *wire.Decoder, name []byte) int {
	for i := range p.typ.Members {
		if m := &p.typ.Members[i]; m.Name == string(name) {
			value := p.value(d, m.Type, name)
			if m.Name == p.typ.Tag {
				p.tag = value
			}
			return i + 1
		}
	}
	return 0
}

// A union is the place of one. The decoder reads its discriminator before the members of its branch.
type union struct{ *place }

var _ wire.UnionDecoder = union{} // else the decoder would take it for an object

// DecodeMember leaves members that the union does not have to the branch.
func (u union) DecodeMember(d *wire.Decoder, name []byte) int { return u.known(d, name) }

// Discriminator returns the name of the discriminator and its number.
func (u union) Discriminator() (string, int) {
	i := slices.IndexFunc(u.typ.Members, func(m introspect.Member) bool { return m.Name == u.typ.Tag })
	return u.typ.Tag, i + 1
}

// DecodeBranch returns the branch. Without a discriminator that the union has, nothing is known of the
// branch's members, and the decoder skips them.
func (u union) DecodeBranch() wire.MemberDecoder {
	v := u.typ.Variant(u.tag)
	if v == nil {
		return nil
	}
	typ, ok := u.schema.Lookup(v.Type).(*introspect.Object)
	if !ok || u.isIn(typ) {
		return nil
	}
	return members(&place{walker: u.walker, outer: u.place, of: v, typ: typ})
}

// isIn reports whether the union has a type, or is a branch of a union that has it, which no server says.
func (u union) isIn(typ *introspect.Object) bool {
	p := u.place
	for p.of != nil && p.typ != typ {
		p = p.outer
	}
	return p.typ == typ
}

// value compares the value of a member, or an element of it, with a type. It returns the value if the type
// is an enum. Values of a type that the schema does not describe are skipped.
func (p *place) value(d *wire.Decoder, typ string, name []byte) string {
	switch t := p.schema.Lookup(typ).(type) {
	case *introspect.Alternate:
		kind := d.Kind()
		i := slices.IndexFunc(t.Types, func(typ string) bool { return takes(p.schema.Lookup(typ), kind) })
		if i < 0 {
			p.misfit(d, name)
			return ""
		}
		return p.plain(d, p.schema.Lookup(t.Types[i]), name)
	case introspect.Info:
		return p.plain(d, t, name)
	}
	d.Skip()
	return ""
}

// plain is value for a type that is not an alternate.
func (p *place) plain(d *wire.Decoder, typ introspect.Info, name []byte) string {
	if !takes(typ, d.Kind()) {
		p.misfit(d, name)
		return ""
	}
	switch t := typ.(type) {
	case *introspect.Object:
		d.Object(members(&place{walker: p.walker, outer: p, name: name, index: p.elem, typ: t}))
		return ""
	case *introspect.Array:
		p.elem = 0
		for ok := d.Array(); ok; ok = d.More() {
			p.value(d, t.ElementType, name)
			p.elem++
		}
		return ""
	case *introspect.Enum:
		value := d.Enum()
		if value != "" && t.Member(value) == nil { // an empty one was not set
			p.lacks(name, "^"+value)
		}
		return value
	case *introspect.Builtin:
		if t.JSONType == "int" {
			if !isInteger(d.Raw()) {
				p.lacks(name, "!number")
			}
			return ""
		}
	}
	d.Skip()
	return ""
}

// takes reports whether a type that is not an alternate takes values of a kind. A JSON type that is not known
// here takes all.
func takes(typ introspect.Info, kind wire.Kind) bool {
	switch json := introspect.JSONType(typ); json {
	case "value":
		return true
	case "int":
		return kind == wire.KindNumber
	default:
		return json == jsonTypes[kind] || !slices.Contains(jsonTypes[:], json)
	}
}

// misfit notes that a member does not take values of the kind that comes next.
func (p *place) misfit(d *wire.Decoder, name []byte) {
	kind := jsonTypes[d.Kind()]
	if text := d.Raw(); kind == "number" && isInteger(text) {
		kind = "int"
	}
	p.lacks(name, "!"+kind)
}

// jsonTypes are the kinds of values by the names that a schema has for them.
var jsonTypes = [...]string{
	wire.KindInvalid: "value",
	wire.KindString:  "string",
	wire.KindNumber:  "number",
	wire.KindBool:    "boolean",
	wire.KindNull:    "null",
	wire.KindObject:  "object",
	wire.KindArray:   "array",
}

// isInteger reports whether QEMU takes a number for an integer: signed or not, of 64 bits.
func isInteger(text []byte) bool {
	_, err := strconv.ParseInt(string(text), 10, 64)
	_, errUnsigned := strconv.ParseUint(string(text), 10, 64)
	return err == nil || errUnsigned == nil
}

// unknown notes that a member is missing. If the place is the branch of a union, the schema does not
// show whether the member belongs to the branch or the union. The type of the request shows it.
func (p *place) unknown(name []byte) {
	at := p
	for branch := p; branch.of != nil; branch = branch.outer {
		if branch.outer.declares(name) {
			at = branch.outer
		}
	}
	p.note(at.path() + "/" + introspect.Component(string(name)))
}

// lacks notes that a member does not have a value.
func (p *place) lacks(name []byte, value string) {
	p.note(p.path() + "/" + introspect.Component(string(name)) + "/" + value)
}

func (w *walker) note(path string) {
	if !slices.Contains(w.missing, path) { // as an element before, or a discriminator, which is read twice
		w.missing = append(w.missing, path)
	}
}

// path returns the path of the place.
func (p *place) path() string {
	switch {
	case p.outer == nil:
		return p.call.Command + "/arg-type"
	case p.of != nil:
		return p.outer.path() + "/+" + p.of.Case
	}
	return p.outer.path() + "/" + introspect.Component(string(p.name))
}
