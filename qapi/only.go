package qapi

// Only returns the part of a schema that serves some of its commands and events: those for which
// keep is true, and the types that values of theirs are of. The base of a type is not among them
// unless it is a type of some value itself: its members are those of the type.
//
// The definitions are those of s, whose Header.Module is the module of s. The modules of the
// result hold only what is left of them, which may be nothing.
func (s *Schema) Only(keep func(Definition) bool) *Schema {
	reached := Reach{}
	kept := map[Definition]bool{}
	for _, d := range s.Definitions {
		switch c := d.(type) {
		case *Command:
			if kept[d] = keep(d); kept[d] {
				reached.Add(c.Arg)
				reached.Add(c.Returns)
			}
		case *Event:
			if kept[d] = keep(d); kept[d] {
				reached.Add(c.Arg)
			}
		}
	}
	out := &Schema{ServerNames: s.ServerNames, index: map[string]Definition{}}
	of := func(definitions []Definition) (left []Definition) {
		for _, d := range definitions {
			if t, ok := d.(Type); kept[d] || ok && reached[t] {
				left = append(left, d)
			}
		}
		return left
	}
	for _, m := range s.Modules {
		out.Modules = append(out.Modules, &Module{Name: m.Name, Path: m.Path, Definitions: of(m.Definitions)})
	}
	out.Definitions = of(s.Definitions)
	for _, d := range out.Definitions {
		out.index[d.Head().Name] = d
	}
	return out
}

// Reach is a set of types that values are of, arrays aside: with a type it has all those that a
// value of it can hold.
type Reach map[Type]bool

// Add adds a type, which may be nil, and what its values hold.
func (r Reach) Add(t Type) {
	switch t := t.(type) {
	case nil:
	case *Array:
		r.Add(t.Element)
	default:
		if !r[t] {
			r[t] = true
			r.addHeld(t)
		}
	}
}

func (r Reach) addHeld(t Type) {
	switch t := t.(type) {
	case ObjectType:
		for _, m := range t.AllMembers() {
			r.Add(m.Type)
		}
		if u, ok := t.(*Union); ok {
			for _, b := range u.Branches {
				r.Add(b.Type)
			}
		}
	case *Alternate:
		for _, a := range t.Alternatives {
			r.Add(a.Type)
		}
	}
}
