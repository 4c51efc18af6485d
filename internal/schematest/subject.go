package schematest

import (
	"fmt"
	"reflect"

	"github.com/qmpkit/qmpkit/qapi"
)

// subject is a Go type to be checked: that of a struct, a union or an alternate, a request, or
// an event's data.
type subject struct {
	name   string    // of the definition
	typ    qapi.Type // what its values are: an object type or an alternate
	goType reflect.Type
	extra  bool // it takes members that the schema does not declare
	need   need
}

// subjects lists the types that the schema says there are.
func (b *bindings) subjects() ([]subject, error) {
	var all []subject
	for _, d := range b.definitions() {
		s := b.subject(d)
		if s.goType == nil {
			return nil, fmt.Errorf("%s: %s has no Go type", d.Head().Pos, d.Head().Name)
		}
		if c, ok := d.(*qapi.Command); ok && c.Arg != nil && s.goType == b.goType(c.Arg) {
			continue // one with the type of its arguments
		}
		all = append(all, s)
	}
	return all, nil
}

// definitions returns those of the schema but for enums, and the types that the language makes
// for the branches of unions.
func (b *bindings) definitions() []qapi.Definition {
	var all []qapi.Definition
	for _, d := range b.Schema.Definitions {
		if _, ok := d.(*qapi.Enum); !ok && !b.vanished(d) {
			all = append(all, d)
		}
	}
	seen := map[qapi.Type]bool{}
	for _, u := range b.Schema.Unions() {
		for _, branch := range u.Branches {
			if t := branch.Type; t != nil && t.Head().Implicit && !seen[t] && !b.vanished(t) {
				seen[t] = true
				all = append(all, t)
			}
		}
	}
	return all
}

// enums returns those of the schema, and those that the language makes for unions.
func (b *bindings) enums() []*qapi.Enum {
	all := b.Schema.Enums()
	for _, u := range b.Schema.Unions() {
		if e, ok := u.Discriminator.Type.(*qapi.Enum); ok && e.Implicit {
			all = append(all, e)
		}
	}
	return all
}

func (b *bindings) subject(d qapi.Definition) subject {
	s := subject{name: d.Head().Name, need: b.needs[d]}
	switch d := d.(type) {
	case qapi.Type:
		s.typ, s.goType = d, b.goType(d)
	case *qapi.Command:
		s.goType = b.commands[d.Name]
		s.extra = d.NoGen && d.Arg != nil
		s.typ = d.Arg
		if d.Arg == nil || d.Arg.Head().Implicit || d.NoGen {
			s.typ = inline(d.Name, d.Arg)
		}
	case *qapi.Event:
		s.goType = b.events[d.Name]
		s.typ = d.Arg
		if d.Arg == nil || d.Arg.Head().Implicit {
			s.typ = inline(d.Name, d.Arg)
		}
	}
	return s
}

// inline is the type of data that the schema writes in its place, by the name of its owner.
func inline(owner string, t qapi.ObjectType) *qapi.Struct {
	s := &qapi.Struct{Header: qapi.Header{Name: owner}}
	if t != nil {
		s.Members = t.AllMembers()
	}
	return s
}
