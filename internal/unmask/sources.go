package unmask

import (
	"path"

	"github.com/qmpkit/qmpkit/qapi"
)

// A namer is the schema that names come from, with all its types by name: also those that the
// language makes, for inline arguments and the branches of simple unions.
type namer struct {
	*qapi.Schema
	types map[string]qapi.Type
	order map[string]int // of the definitions
}

func newNamer(s *qapi.Schema) *namer {
	n := &namer{s, map[string]qapi.Type{}, map[string]int{}}
	for i, d := range s.Definitions {
		n.order[d.Head().Name] = i
		switch d := d.(type) {
		case *qapi.Command:
			if d.Arg != nil {
				n.add(d.Arg)
			}
			if d.Returns != nil {
				n.add(d.Returns)
			}
		case *qapi.Event:
			if d.Arg != nil {
				n.add(d.Arg)
			}
		case qapi.Type:
			n.add(d)
		}
	}
	return n
}

// add adds a type and all that is in it.
func (n *namer) add(t qapi.Type) {
	if a, ok := t.(*qapi.Array); ok {
		t = a.Element
	}
	if n.types[t.TypeName()] != nil {
		return
	}
	n.types[t.TypeName()] = t
	switch t := t.(type) {
	case qapi.ObjectType:
		for _, m := range t.AllMembers() {
			n.add(m.Type)
		}
		if u, ok := t.(*qapi.Union); ok {
			for _, b := range u.Branches {
				if b.Type != nil {
					n.add(b.Type)
				}
			}
		}
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			n.add(a.Type)
		}
	}
}

// module returns the file that a definition is in, "" if there is no such definition.
func (n *namer) module(name string) string {
	if d := n.Lookup(name); d != nil {
		return path.Base(d.Head().Module.Name)
	}
	return ""
}

// since returns the version that brought a definition, if its documentation says so.
func (n *namer) since(name string) string {
	if d := n.Lookup(name); d != nil && d.Head().Doc != nil {
		return d.Head().Doc.Since
	}
	return ""
}

// memberOf returns a type's member with this name, or nil if there is none.
func memberOf(t qapi.Type, name string) *qapi.Member {
	if o, ok := t.(qapi.ObjectType); ok {
		for _, m := range o.AllMembers() {
			if m.Name == name {
				return m
			}
		}
	}
	return nil
}

// seen returns the marks of earlier joins in the documentation of a definition.
func (n *namer) seen(name string) map[string]string {
	if d := n.Lookup(name); d != nil && d.Head().Doc != nil {
		return seen(d.Head().Doc)
	}
	return nil
}
