package qapi

// maxNesting is how deep bases and branches may be in one another.
const maxNesting = 100

// check resolves the names of types and makes the checks that need them: the fourth phase.
func (l *loader) check() {
	for _, e := range l.entities {
		if l.full() {
			break
		}
		l.checkEntity(e, 0)
		if e.state != checked {
			continue
		}
		l.reportIn(e, l.checkDocumented(e.def))
		if l.rules.docs.classic {
			l.checkDescribed(e)
		}
	}
}

// reportIn reports a problem of an entity, if there is one.
func (l *loader) reportIn(e *entity, problem *Diagnostic) {
	if problem != nil {
		l.report(e.decl.locate(problem))
	}
}

// checkEntity checks an entity, once; those that it contains come first, nested in it. It
// returns false if there is something wrong with it.
func (l *loader) checkEntity(e *entity, nesting int) bool {
	var problem *Diagnostic
	switch {
	case e.state == checked:
		return true
	case e.state == failed:
		return false
	case e.state == checking:
		problem = fail("object ", e.decl.name, " contains itself")
	case nesting > maxNesting:
		problem = e.tooDeep()
	default:
		e.state = checking
		c := &checker{loader: l, entity: e, nesting: nesting}
		if problem = c.check(); problem == nil && e.depth > maxNesting {
			problem = e.tooDeep()
		}
	}
	if problem == nil {
		e.state = checked
		return true
	}
	e.state = failed
	if problem != alreadyReported {
		l.reportIn(e, problem)
	}
	return false
}

func (e *entity) tooDeep() *Diagnostic {
	return fail("object ", e.decl.name, " is nested too deeply")
}

// alreadyReported stands for a problem that needs no diagnostic any more.
var alreadyReported = &Diagnostic{}

// checker checks one entity.
type checker struct {
	*loader
	*entity
	nesting int
}

func (c *checker) check() *Diagnostic {
	if problem := c.checkFeatures(); problem != nil {
		return problem
	}
	switch c.decl.kind {
	case kindArray:
		return c.checkArray(c.typ.(*Array))
	case kindEnum:
		return c.checkValues(c.typ.(*Enum))
	case kindStruct:
		return c.checkStruct(c.typ.(*Struct))
	case kindUnion:
		return c.checkUnion(c.typ.(*Union))
	case kindAlternate:
		return c.checkAlternate(c.typ.(*Alternate))
	case kindCommand:
		return c.checkCommand(c.def.(*Command))
	default:
		return c.checkEvent(c.def.(*Event))
	}
}

// resolve returns the entity of the type with that name.
func (c *checker) resolve(name string, what place) (*entity, *Diagnostic) {
	e := c.byName[name]
	if e == nil || e.typ == nil {
		return nil, fail(what.String(), " uses unknown type '", name, "'")
	}
	return e, nil
}

// contain checks an entity that is a part of this one.
func (c *checker) contain(part *entity) *Diagnostic {
	if !c.checkEntity(part, c.nesting+1) {
		return alreadyReported
	}
	c.depth = max(c.depth, part.depth+1)
	return nil
}

// checkFeatures checks the features of the definition itself.
func (c *checker) checkFeatures() *Diagnostic {
	if problem := c.checkFeatureClash(c.decl.features); problem != nil {
		return problem
	}
	if c.typ == nil {
		return nil
	}
	for _, f := range c.decl.features {
		if f.Name == Deprecated || f.Name == Unstable && !c.rules.noUnstable {
			return fail("feature '", f.Name, "' is not supported for types")
		}
	}
	return nil
}

func (l *loader) checkFeatureClash(features []*Feature) *Diagnostic {
	names := nameSet{asIs: l.pragma.serverNames}
	for _, f := range features {
		if other, ok := names.add(f.Name); !ok {
			return collision(place{"feature", f.Name}, place{"feature", other})
		}
	}
	return nil
}

func (c *checker) checkArray(a *Array) *Diagnostic {
	element, problem := c.resolve(c.decl.element, place{what: "array"})
	if problem != nil {
		return problem
	}
	if _, ok := element.typ.(*Array); ok {
		return fail("array cannot have elements of array type '", c.decl.element, "'")
	}
	a.Element = element.typ
	return nil
}

func (l *loader) checkValues(e *Enum) *Diagnostic {
	names := nameSet{asIs: l.pragma.serverNames}
	for _, v := range e.Values {
		if problem := l.checkFeatureClash(v.Features); problem != nil {
			return problem
		}
		if other, ok := names.add(v.Name); !ok {
			return collision(place{"value", v.Name}, place{"value", other})
		}
	}
	return nil
}
