package introspect

import (
	"errors"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Read reads the answer to query-qmp-schema: the array alone, or a whole reply as it came over
// the wire, in which the array is the member "return".
//
// Read is strict about JSON and about the types of known members, and ignores unknown members.
// The error is a [*ReadError], which names the place: "[17].members[2].name".
func Read(answer []byte) (*Schema, error) {
	d := wire.NewDecoder(answer)
	var infos []Info
	if d.Kind() == wire.KindObject {
		var r reply
		d.Object(&r)
		if d.Err() == nil && !r.found {
			return nil, &ReadError{errors.New(`the reply has no member "return"`)}
		}
		infos = r.infos
	} else {
		infos = decodeInfos(d)
	}
	if err := d.End(); err != nil {
		return nil, &ReadError{err}
	}
	return New(infos), nil
}

// A ReadError reports that a text is not an answer to query-qmp-schema.
type ReadError struct{ err error }

// Error returns the place and the reason.
func (e *ReadError) Error() string { return "introspect: " + e.err.Error() }

// Unwrap returns the error of the decoder.
func (e *ReadError) Unwrap() error { return e.err }

// reply is a message of the protocol.
type reply struct {
	infos []Info
	found bool
}

func (r *reply) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) != "return" {
		return 0
	}
	r.infos, r.found = decodeInfos(d), true
	return 1
}

func decodeInfos(d *wire.Decoder) []Info {
	infos := []Info{}
	for ok := d.Array(); ok; ok = d.More() {
		var e entry
		d.Object(&e)
		if e.head.Name == "" || e.meta == "" {
			d.Fail("an entry has no name or no meta-type")
		}
		if d.Err() == nil {
			infos = append(infos, e.info())
		}
	}
	return infos
}

// An entry has the members of all kinds of entry, because the member with the kind may come last.
type entry struct {
	meta string
	head Header

	jsonType, elementType, argType, retType, tag string

	allowOOB bool
	members  []member
	values   []string
	variants []Variant
}

// A member holds those of an enum, of an object and of an alternate.
type member struct {
	name, typ string
	optional  bool
	features  []string
}

func (e *entry) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "meta-type":
		e.meta = d.Enum()
		return 1
	case "name":
		e.head.Name = d.String()
		return 2
	case "features":
		e.head.Features = decodeStrings(d)
		return 3
	case "json-type":
		e.jsonType = d.Enum()
		return 4
	case "element-type":
		e.elementType = d.String()
		return 5
	case "arg-type":
		e.argType = d.String()
		return 6
	case "ret-type":
		e.retType = d.String()
		return 7
	case "allow-oob":
		e.allowOOB = d.Bool()
		return 8
	case "tag":
		e.tag = d.String()
		return 9
	case "values":
		e.values = decodeStrings(d)
		return 10
	case "members":
		e.members = nil
		for ok := d.Array(); ok; ok = d.More() {
			e.members = append(e.members, member{})
			d.Object(&e.members[len(e.members)-1])
		}
		return 11
	case "variants":
		e.variants = nil
		for ok := d.Array(); ok; ok = d.More() {
			e.variants = append(e.variants, Variant{})
			d.Object((*variant)(&e.variants[len(e.variants)-1]))
		}
		return 12
	}
	return 0
}

func (m *member) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "name":
		m.name = d.String()
		return 1
	case "type":
		m.typ = d.String()
		return 2
	case "default":
		d.Skip()
		m.optional = true
		return 3
	case "features":
		m.features = decodeStrings(d)
		return 4
	}
	return 0
}

// A variant is a Variant on its way from the wire.
type variant Variant

func (v *variant) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "case":
		v.Case = d.String()
		return 1
	case "type":
		v.Type = d.String()
		return 2
	}
	return 0
}

// decodeStrings returns a list that is empty, not nil, if the array is.
func decodeStrings(d *wire.Decoder) []string {
	all := []string{}
	for ok := d.Array(); ok; ok = d.More() {
		all = append(all, d.Enum())
	}
	return all
}

// info makes the entry of its kind.
func (e *entry) info() Info {
	switch e.meta {
	case "builtin":
		return &Builtin{Header: e.head, JSONType: e.jsonType}
	case "enum":
		return e.enum()
	case "array":
		return &Array{Header: e.head, ElementType: e.elementType}
	case "object":
		o := &Object{Header: e.head, Tag: e.tag, Variants: e.variants}
		for _, m := range e.members {
			o.Members = append(o.Members, Member{m.name, m.typ, m.optional, m.features})
		}
		return o
	case "alternate":
		a := &Alternate{Header: e.head}
		for _, m := range e.members {
			a.Types = append(a.Types, m.typ)
		}
		return a
	case "command":
		return &Command{Header: e.head, ArgType: e.argType, RetType: e.retType, AllowOOB: e.allowOOB}
	case "event":
		return &Event{Header: e.head, ArgType: e.argType}
	}
	return &Unknown{Header: e.head, Meta: e.meta}
}

func (e *entry) enum() *Enum {
	enum := &Enum{Header: e.head, ValuesOnly: e.members == nil && e.values != nil}
	for _, m := range e.members {
		enum.Members = append(enum.Members, EnumMember{m.name, m.features})
	}
	if enum.ValuesOnly {
		for _, name := range e.values {
			enum.Members = append(enum.Members, EnumMember{Name: name})
		}
	}
	return enum
}
