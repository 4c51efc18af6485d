package schematest

import "github.com/qmpkit/qmpkit/qapi"

// reach tells which types' values are sent, as part of a command's arguments, and which are
// received, as part of a command's result or an event's data.
type reach struct{ sent, received map[qapi.Type]bool }

func reached(s *qapi.Schema) reach {
	r := reach{map[qapi.Type]bool{}, map[qapi.Type]bool{}}
	for _, c := range s.Commands() {
		mark(r.sent, c.Arg)
		mark(r.received, c.Returns)
	}
	for _, e := range s.Events() {
		mark(r.received, e.Arg)
	}
	return r
}

// mark adds t to the set, and the types that values of t are made of.
func mark(set map[qapi.Type]bool, t qapi.Type) {
	if t == nil || set[t] {
		return
	}
	set[t] = true
	switch t := t.(type) {
	case *qapi.Array:
		mark(set, t.Element)
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			mark(set, a.Type)
		}
	case *qapi.Struct:
		markMembers(set, t)
	case *qapi.Union:
		markMembers(set, t)
		for _, branch := range t.Branches {
			if branch.Type != nil {
				mark(set, branch.Type)
			}
		}
	}
}

func markMembers(set map[qapi.Type]bool, t qapi.ObjectType) {
	for _, m := range t.AllMembers() {
		mark(set, m.Type)
	}
}
