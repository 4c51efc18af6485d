package qapi

import "slices"

// Under returns the schema of one build of QEMU: the parts of s whose conditions hold. config
// reports whether a name in a condition, such as "CONFIG_LINUX", is in the configuration. Under
// calls it once for each name. The result has no conditions. s does not change.
//
// QEMU cannot be built in every configuration. If the condition of a type does not hold but
// another part needs the type, Under keeps it. If the condition of a branch does not hold but its
// discriminator's value remains, this value has no branch.
func (s *Schema) Under(config func(name string) bool) *Schema {
	b := &build{
		config:      config,
		known:       map[string]bool{},
		modules:     map[*Module]*Module{},
		definitions: map[Definition]Definition{},
		arrays:      map[*Array]*Array{},
	}
	out := &Schema{ServerNames: s.ServerNames, index: make(map[string]Definition, len(s.index))}
	for _, m := range s.Modules {
		b.modules[m] = &Module{Name: m.Name, Path: m.Path}
		out.Modules = append(out.Modules, b.modules[m])
	}
	for _, d := range s.Definitions {
		if b.holds(d.Head().If) {
			b.definition(d)
		}
	}
	b.fill()
	for _, d := range s.Definitions {
		c, ok := b.definitions[d]
		if !ok {
			continue
		}
		h := c.Head()
		out.Definitions = append(out.Definitions, c)
		h.Module.Definitions = append(h.Module.Definitions, c)
		out.index[h.Name] = c
	}
	return out
}

// build makes the copy of a schema that is its schema under a configuration. Copies are made
// when they are first referred to, and filled later, so that types may refer to one another.
type build struct {
	config func(string) bool
	known  map[string]bool // what config said

	modules     map[*Module]*Module
	definitions map[Definition]Definition
	arrays      map[*Array]*Array
	unfilled    []Definition // originals
}

func (b *build) holds(c Cond) bool {
	return Eval(c, func(name string) bool {
		value, ok := b.known[name]
		if !ok {
			value = b.config(name)
			b.known[name] = value
		}
		return value
	})
}

// definition returns the copy of d.
func (b *build) definition(d Definition) Definition {
	if c, ok := b.definitions[d]; ok {
		return c
	}
	var c Definition
	switch d := d.(type) {
	case *Enum:
		c = new(*d)
	case *Struct:
		c = new(*d)
	case *Union:
		c = new(*d)
	case *Alternate:
		c = new(*d)
	case *Command:
		c = new(*d)
	case *Event:
		c = new(*d)
	}
	h := c.Head()
	h.If = nil
	h.Module = b.modules[h.Module]
	h.Features = b.features(h.Features)
	b.definitions[d] = c
	b.unfilled = append(b.unfilled, d)
	return c
}

// typ returns the copy of t, which may be nil.
func (b *build) typ(t Type) Type {
	switch t := t.(type) {
	case nil, *Builtin:
		return t
	case *Array:
		if b.arrays[t] == nil {
			b.arrays[t] = &Array{Element: b.typ(t.Element)}
		}
		return b.arrays[t]
	default:
		return b.definition(t.(Definition)).(Type)
	}
}

func (b *build) object(t ObjectType) ObjectType {
	if t == nil {
		return nil
	}
	return b.definition(t).(ObjectType)
}

// fill completes the copies, which may make more of them.
func (b *build) fill() {
	var unions []*Union
	for len(b.unfilled) > 0 {
		d := b.unfilled[len(b.unfilled)-1]
		b.unfilled = b.unfilled[:len(b.unfilled)-1]
		switch c := b.definitions[d].(type) {
		case *Enum:
			c.Values = filter(c.Values, b.value)
		case *Struct:
			if c.Base != nil {
				c.Base = b.definition(c.Base).(*Struct)
			}
			c.Members = filter(c.Members, b.member)
		case *Union:
			c.Base = b.definition(c.Base).(*Struct)
			unions = append(unions, c)
		case *Alternate:
			c.Alternatives = filter(c.Alternatives, b.alternative)
		case *Command:
			c.Arg, c.Returns = b.object(c.Arg), b.typ(c.Returns)
		case *Event:
			c.Arg = b.object(c.Arg)
		}
		if len(b.unfilled) == 0 {
			b.fillUnions(unions)
			unions = nil
		}
	}
}

// fillUnions completes unions whose bases are complete.
func (b *build) fillUnions(unions []*Union) {
	for _, u := range unions {
		common := u.AllMembers()
		tag := slices.IndexFunc(common, func(m *Member) bool { return m.Name == u.Discriminator.Name })
		u.Discriminator = common[tag]
		values := map[string]bool{}
		for _, v := range u.Discriminator.Type.(*Enum).Values {
			values[v.Name] = true
		}
		u.Branches = filter(u.Branches, func(br *Branch) *Branch {
			if !b.holds(br.If) || !values[br.Value] {
				return nil
			}
			return &Branch{Value: br.Value, Type: b.object(br.Type), Pos: br.Pos}
		})
	}
}

func (b *build) features(features []*Feature) []*Feature {
	return filter(features, func(f *Feature) *Feature {
		if !b.holds(f.If) {
			return nil
		}
		return &Feature{Name: f.Name, Pos: f.Pos}
	})
}

func (b *build) value(v *EnumValue) *EnumValue {
	if !b.holds(v.If) {
		return nil
	}
	return &EnumValue{Name: v.Name, Features: b.features(v.Features), Pos: v.Pos}
}

func (b *build) member(m *Member) *Member {
	if !b.holds(m.If) {
		return nil
	}
	return &Member{
		Name: m.Name, Type: b.typ(m.Type), Optional: m.Optional,
		Features: b.features(m.Features), Pos: m.Pos,
	}
}

func (b *build) alternative(a *Alternative) *Alternative {
	if !b.holds(a.If) {
		return nil
	}
	return &Alternative{Name: a.Name, Type: b.typ(a.Type), Pos: a.Pos}
}

// filter returns the copies of items, and leaves out items without a copy.
func filter[T any](items []*T, copyOf func(*T) *T) []*T {
	var out []*T
	for _, item := range items {
		if c := copyOf(item); c != nil {
			out = append(out, c)
		}
	}
	return out
}
