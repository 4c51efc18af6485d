package qapi

func (c *checker) checkStruct(s *Struct) *Diagnostic {
	if problem := c.checkBase(); problem != nil {
		return problem
	}
	if c.base != nil {
		s.Base = c.base.typ.(*Struct)
	}
	if problem := c.countMembers(len(s.Members)); problem != nil {
		return problem
	}
	for i, m := range s.Members {
		c.conditional = c.conditional || m.If != nil
		e, problem := c.resolve(c.decl.members[i].typ.name, place{"member", m.Name})
		if problem != nil {
			return problem
		}
		m.Type = e.typ
		if problem := c.checkFeatureClash(m.Features); problem != nil {
			return problem
		}
		if c.base != nil {
			if other := c.base.find(m.Name); other != nil {
				return collision(place{"member", m.Name}, place{"base member", other.Name})
			}
		}
		if other, ok := c.members.add(m.Name); !ok {
			return collision(place{"member", m.Name}, place{"member", other})
		}
	}
	if c.decl.wrapper {
		s.If = condOf(s.Members[0].Type)
	}
	return nil
}

// condOf returns the condition of a type. An array has that of its elements.
func condOf(t Type) Cond {
	switch t := t.(type) {
	case *Array:
		return condOf(t.Element)
	case Definition:
		return t.Head().If
	}
	return nil
}

// checkBase resolves the base of a struct or a union.
func (c *checker) checkBase() *Diagnostic {
	if c.decl.base.name == "" {
		return nil
	}
	base, problem := c.resolve(c.decl.base.name, place{what: "'base'"})
	if problem != nil {
		return problem
	}
	if _, ok := base.typ.(*Struct); !ok {
		return fail("'base' requires a struct type, ", base.describe(), " isn't")
	}
	c.base = base
	problem = c.contain(base)
	c.conditional = base.conditional
	return problem
}

// maxMembers is how many members the object types of a schema may have in all, with those of
// their bases. Without a limit a few of them that share a large base would need memory without
// end when they are flattened.
const maxMembers = 1 << 20

// countMembers counts the members of an object type, which has n without those of its base.
func (c *checker) countMembers(n int) *Diagnostic {
	c.flat = n
	if c.base != nil {
		c.flat += c.base.flat
	}
	if c.flatMembers += c.flat; c.flatMembers > maxMembers {
		return fail("too many members in the schema's object types, with those of their bases")
	}
	return nil
}

// find returns the member of a struct that has the same name in C, which may be one of a
// base; nil if there is none.
func (e *entity) find(name string) *Member {
	for ; e != nil; e = e.base {
		if i := e.members.find(name); i >= 0 {
			return e.typ.(*Struct).Members[i]
		}
	}
	return nil
}

func (c *checker) checkUnion(u *Union) *Diagnostic {
	if problem := c.checkBase(); problem != nil {
		return problem
	}
	enum, problem := c.checkDiscriminator(u)
	if problem != nil {
		return problem
	}
	if problem := c.countMembers(0); problem != nil {
		return problem
	}
	if problem := c.checkBranches(u, enum); problem != nil {
		return problem
	}
	return c.checkBranchClash(c.decl, map[*entity]bool{})
}

// checkDiscriminator finds the discriminator and returns its type.
func (c *checker) checkDiscriminator(u *Union) (*Enum, *Diagnostic) {
	tag, base := c.decl.discriminator, "'base'"
	if c.base != nil && !c.base.def.Head().Implicit {
		base = "base type '" + c.base.decl.name + "'"
	}
	m := c.base.find(tag)
	if m == nil || m.Name != tag {
		return nil, fail("discriminator '", tag, "' is not a member of ", base)
	}
	enum, ok := m.Type.(*Enum)
	switch {
	case !ok:
		return nil, fail("discriminator member '", tag, "' of ", base, " must be of enum type")
	case m.Optional:
		return nil, fail("discriminator member '", tag, "' of ", base, " must not be optional")
	case m.If != nil:
		return nil, fail("discriminator member '", tag, "' of ", base, " must not be conditional")
	}
	u.Base, u.Discriminator = c.base.typ.(*Struct), m
	return enum, nil
}

// maxBranches is how many branches the unions of a schema may have in all. Without a limit a
// few of them that share a large enum would need memory without end.
const maxBranches = 1 << 20

// checkBranches makes the union's branches, one for each value of the enum.
func (c *checker) checkBranches(u *Union, enum *Enum) *Diagnostic {
	if len(enum.Values) == 0 && len(c.decl.members) == 0 {
		return fail("union has no branches")
	}
	if c.branches += len(enum.Values); c.branches > maxBranches {
		return errTooManyBranches()
	}
	values := c.valuesOf(enum)
	named := make(map[string]bool, len(c.decl.members))
	for _, b := range c.decl.members {
		branch := place{"branch", b.name}
		part, problem := c.resolve(b.typ.name, branch)
		if problem != nil {
			return problem
		}
		if !values[b.name] {
			return fail(branch.String(), " is not a value of enum type '", enum.Name, "'")
		}
		object, ok := part.typ.(ObjectType)
		if _, union := part.typ.(*Union); !ok || union && c.rules.noUnionBranches {
			return fail(branch.String(), " cannot use ", part.describe())
		}
		if problem := c.contain(part); problem != nil {
			return problem
		}
		named[b.name] = true
		u.Branches = append(u.Branches, &Branch{Value: b.name, Type: object, If: b.cond, Pos: b.pos})
	}
	for _, v := range enum.Values {
		if !named[v.Name] {
			u.Branches = append(u.Branches, &Branch{Value: v.Name, If: v.If, Pos: c.decl.pos})
		}
	}
	return nil
}

func errTooManyBranches() *Diagnostic { return fail("too many branches in the schema's unions") }

// valuesOf returns the names of an enum's values.
func (l *loader) valuesOf(enum *Enum) map[string]bool {
	values := l.enumValues[enum]
	if values != nil {
		return values
	}
	values = make(map[string]bool, len(enum.Values))
	for _, v := range enum.Values {
		values[v.Name] = true
	}
	if l.enumValues == nil {
		l.enumValues = map[*Enum]map[string]bool{}
	}
	l.enumValues[enum] = values
	return values
}

// checkBranchClash checks the members of a union's branches against those that c has for all
// of them. The branches may be unions in turn.
func (c *checker) checkBranchClash(union *declaration, visited map[*entity]bool) *Diagnostic {
	if c.branches += len(union.members); c.branches > maxBranches {
		return errTooManyBranches()
	}
	for _, b := range union.members {
		part := c.byName[b.typ.name]
		if visited[part] {
			continue
		}
		visited[part] = true
		if name, other := clash(part, c.base); other != nil {
			return collision(place{"member '" + name + "' of branch", b.name}, place{"base member", other.Name})
		}
		if part.decl != nil && part.decl.kind == kindUnion {
			if problem := c.checkBranchClash(part.decl, visited); problem != nil {
				return problem
			}
		}
	}
	return nil
}

// clash finds a member of part, bases included, that has the same name in C as one of base. It
// goes through the names of the one that has fewer.
func clash(part, base *entity) (name string, other *Member) {
	if part.flat > base.flat {
		for e := base; e != nil; e = e.base {
			for i, name := range e.members.names {
				if same := part.find(name); same != nil {
					return same.Name, e.typ.(*Struct).Members[i]
				}
			}
		}
		return "", nil
	}
	for e := part; e != nil; e = e.base {
		for _, name := range e.members.names {
			if other := base.find(name); other != nil {
				return name, other
			}
		}
	}
	return "", nil
}
