package gogen

import "github.com/qmpkit/qmpkit/qapi"

// reach says which types a program sends and which it receives: the ones reached from the
// arguments of commands, and from results and event data.
type reach struct{ sent, received map[qapi.Type]bool }

func reached(schema *qapi.Schema) *reach {
	r := &reach{map[qapi.Type]bool{}, map[qapi.Type]bool{}}
	for _, c := range schema.Commands() {
		if c.Arg != nil {
			visit(c.Arg, r.sent)
		}
		if c.Returns != nil {
			visit(c.Returns, r.received)
		}
	}
	for _, e := range schema.Events() {
		if e.Arg != nil {
			visit(e.Arg, r.received)
		}
	}
	return r
}

// visit marks t and what its values hold. A base is no value of its own: its members are
// those of the type.
func visit(t qapi.Type, seen map[qapi.Type]bool) {
	if a, ok := t.(*qapi.Array); ok {
		visit(a.Element, seen)
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	switch t := t.(type) {
	case qapi.ObjectType:
		for _, m := range t.AllMembers() {
			visit(m.Type, seen)
		}
		if u, ok := t.(*qapi.Union); ok {
			for _, b := range u.Branches {
				if b.Type != nil {
					visit(b.Type, seen)
				}
			}
		}
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			visit(a.Type, seen)
		}
	}
}

func (r *reach) codec(t qapi.Type) codec {
	return codec{sent: r.sent[t], received: r.received[t]}
}
