package qapi

import "github.com/qmpkit/qmpkit/qmp/introspect"

// Loosen prepares s for a server of another version: it makes a member optional if the member is
// missing or optional at the same place in the server's schema. Code that is generated from s can
// then also decode that server's messages. Loosen compares results and the data of events. It adds
// nothing to s.
//
// If requests use a type, its members become optional there, too. A discriminator stays
// mandatory, because QAPI has no optional discriminators.
//
// Loosen changes s and its definitions. Call it before other code uses them.
func (s *Schema) Loosen(server *introspect.Schema) {
	l := &loosener{server: server, tags: map[*Member]bool{}, met: map[meeting]bool{}}
	for _, u := range s.Unions() {
		l.tags[u.Discriminator] = true
	}
	for _, c := range s.Commands() {
		if theirs, ok := server.Lookup(c.Name).(*introspect.Command); ok {
			l.meet(c.Returns, theirs.RetType)
		}
	}
	for _, e := range s.Events() {
		if theirs, ok := server.Lookup(e.Name).(*introspect.Event); ok && e.Arg != nil {
			l.meet(e.Arg, theirs.ArgType)
		}
	}
}

// A loosener walks a schema and a server's from the names of commands and events.
type loosener struct {
	server *introspect.Schema
	tags   map[*Member]bool // the discriminators
	met    map[meeting]bool
}

// A meeting is a type with the server's type at the same place.
type meeting struct {
	ours   Type
	theirs string
}

// meet compares the types of one place. Types of different kinds have nothing to compare, but for
// an alternate: it has what the other type has among its alternatives.
func (l *loosener) meet(ours Type, theirs string) {
	if m := (meeting{ours, theirs}); l.met[m] {
		return
	} else {
		l.met[m] = true
	}
	info := l.server.Lookup(theirs)
	if a, ok := info.(*introspect.Alternate); ok {
		for _, t := range a.Types {
			l.meet(ours, t)
		}
		return
	}
	switch ours := ours.(type) {
	case *Array:
		if a, ok := info.(*introspect.Array); ok {
			l.meet(ours.Element, a.ElementType)
		}
	case *Alternate:
		for _, a := range ours.Alternatives {
			l.meet(a.Type, theirs)
		}
	case *Struct:
		if o, ok := info.(*introspect.Object); ok {
			l.members(ours, o)
		}
	case *Union:
		if o, ok := info.(*introspect.Object); ok {
			l.members(ours, o)
			l.branches(ours, o)
		}
	}
}

func (l *loosener) members(ours ObjectType, theirs *introspect.Object) {
	for _, m := range ours.AllMembers() {
		t := theirs.Member(m.Name)
		m.Optional = m.Optional || (t == nil || t.Optional) && !l.tags[m]
		if t != nil {
			l.meet(m.Type, t.Type)
		}
	}
}

// branches compares each branch with what the server sends for its value. A server to which the
// union is a struct sends the members of the struct for each value.
func (l *loosener) branches(ours *Union, theirs *introspect.Object) {
	for _, b := range ours.Branches {
		v := theirs.Variant(b.Value)
		switch {
		case b.Type == nil:
		case v != nil:
			l.meet(b.Type, v.Type)
		case theirs.Tag == "" && theirs.Member(ours.Discriminator.Name) != nil:
			l.meet(b.Type, theirs.Name)
		}
	}
}
