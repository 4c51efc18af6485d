package qapi

// Only returns a schema with the commands and events for which keep returns true, and the types
// of their values. It leaves out a base type that no value has: the members of the base are in
// the types that use it.
//
// The result shares its definitions with s. Their Header.Module is the module of s. The modules
// of the result have only the remaining definitions, and can be empty.
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

// Reach is a set of types. It has the element types of arrays instead of the arrays. If it has a
// type, it also has every type that a value of that type can contain.
type Reach map[Type]bool

// Add adds a type, and every type that its values can contain. t may be nil.
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
