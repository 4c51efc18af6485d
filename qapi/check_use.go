package qapi

func (c *checker) checkCommand(cmd *Command) (problem *Diagnostic) {
	if cmd.Arg, problem = c.checkArguments(cmd.Boxed); problem != nil {
		return problem
	}
	if c.decl.returns.name == "" {
		return nil
	}
	result, problem := c.resolve(c.decl.returns.name, place{what: "command's 'returns'"})
	if problem != nil {
		return problem
	}
	cmd.Returns = result.typ
	if c.pragma.except(cmd.Name, commandReturnsExceptions) {
		return nil
	}
	element := cmd.Returns
	if array, ok := element.(*Array); ok {
		element = array.Element
	}
	if _, ok := element.(ObjectType); !ok && element != nil {
		return fail("command's 'returns' cannot take ", result.describe())
	}
	return nil
}

func (c *checker) checkEvent(e *Event) (problem *Diagnostic) {
	e.Arg, problem = c.checkArguments(e.Boxed)
	return problem
}

// checkArguments resolves the 'data' of a command or an event.
func (c *checker) checkArguments(boxed bool) (ObjectType, *Diagnostic) {
	if c.decl.data.name == "" {
		return nil, nil
	}
	what := string(c.decl.kind) + "'s 'data'"
	e, problem := c.resolve(c.decl.data.name, place{what: what})
	if problem != nil {
		return nil, problem
	}
	switch e.typ.(type) {
	case *Struct:
	case *Union:
		if !boxed {
			return nil, fail(what, " can take ", e.describe(), " only with 'boxed': true")
		}
	default:
		return nil, fail(what, " cannot take ", e.describe())
	}
	if !c.rules.argumentsLast {
		if problem := c.contain(e); problem != nil {
			return nil, problem
		}
	}
	if c.rules.boxConditions && !boxed && e.conditional {
		return nil, fail("conditional ", string(c.decl.kind), " arguments require 'boxed': true")
	}
	return e.typ.(ObjectType), nil
}

func (c *checker) checkAlternate(a *Alternate) *Diagnostic {
	names := nameSet{asIs: c.pragma.serverNames}
	seen := map[JSONKind]string{} // the alternative that takes a kind of value
	for _, d := range c.decl.members {
		what := place{"alternative", d.name}
		e, problem := c.resolve(d.typ.name, what)
		if problem != nil {
			return problem
		}
		if other, ok := names.add(d.name); !ok {
			return collision(what, place{"alternative", other})
		}
		kinds := c.alternateKinds(e.typ)
		if kinds == nil {
			return fail(what.String(), " cannot use ", e.describe())
		}
		for _, kind := range kinds {
			if other, ok := seen[kind]; ok {
				return fail(what.String(), " can't be distinguished from '", other, "'")
			}
			seen[kind] = d.name
		}
		a.Alternatives = append(a.Alternatives, &Alternative{Name: d.name, Type: e.typ, If: d.cond, Pos: d.pos})
	}
	return nil
}

// alternateKinds returns the kinds of JSON value that nothing else may have beside an
// alternative of type t; none if t cannot be an alternative. Where values come as strings
// from a command line, a string could stand for a number or a boolean.
func (l *loader) alternateKinds(t Type) []JSONKind {
	kind := t.JSONKind()
	switch kind {
	case KindValue:
		return nil
	case KindInt:
		return []JSONKind{KindNumber}
	case KindString:
	default:
		return []JSONKind{kind}
	}
	enum, ok := t.(*Enum)
	if !ok {
		return []JSONKind{KindString, KindNumber, KindBoolean}
	}
	if kinds := l.enumKinds[enum]; kinds != nil {
		return kinds
	}
	kinds := []JSONKind{KindString}
	var number, boolean bool
	for _, v := range enum.Values {
		boolean = boolean || v.Name == "on" || v.Name == "off"
		number = number || isDigit(v.Name[0]) || v.Name[0] == '-' || v.Name[0] == '+' || v.Name[0] == '.'
	}
	if number {
		kinds = append(kinds, KindNumber)
	}
	if boolean {
		kinds = append(kinds, KindBoolean)
	}
	if l.enumKinds == nil {
		l.enumKinds = map[*Enum][]JSONKind{}
	}
	l.enumKinds[enum] = kinds
	return kinds
}

// describe returns "struct type 'Foo'".
func (e *entity) describe() string {
	switch t := e.typ.(type) {
	case *Enum:
		return "enum type '" + t.Name + "'"
	case *Struct:
		return "struct type '" + t.Name + "'"
	case *Union:
		return "union type '" + t.Name + "'"
	case *Alternate:
		return "alternate type '" + t.Name + "'"
	case *Array:
		if e.decl != nil { // its element may not be known yet
			return "array type ['" + e.decl.element + "']"
		}
		return "array type " + t.TypeName()
	}
	return "built-in type '" + e.typ.TypeName() + "'"
}
