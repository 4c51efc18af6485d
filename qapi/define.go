package qapi

// entity is something with a name: a definition on its way from its declaration to the
// model, or a predefined type.
type entity struct {
	decl  *declaration // nil for a predefined type
	typ   Type         // nil for a command or an event
	def   Definition   // nil for a predefined type or an array
	state state

	// The results of the check of an object type.
	depth       int     // of bases and branches in it
	base        *entity // nil: none
	members     nameSet // its own, as many as were checked
	flat        int     // how many members it has with those of its base
	conditional bool    // some of these have a condition
}

// state is the progress of the check of an entity.
type state int

const (
	unchecked state = iota
	checking
	checked
	failed
)

// emptyName is the name of the predefined object type without members.
const emptyName = "q_empty"

// define gives each declaration its name, and makes the types that the language adds: the
// third phase.
func (l *loader) define() {
	l.byName = make(map[string]*entity, 2*len(l.declarations))
	l.predefine()
	for _, d := range l.declarations {
		if l.full() {
			break
		}
		problem := l.expand(d)
		if problem == nil {
			problem = l.defineOne(d)
		}
		if problem != nil {
			l.report(d.locate(problem))
		}
	}
	l.declarations = nil
}

// predefine makes the types that every schema has.
func (l *loader) predefine() {
	for _, b := range builtins {
		l.byName[b.name] = &entity{typ: b, state: checked}
		l.byName[b.name+"List"] = &entity{typ: &Array{b}, state: checked}
	}
	empty := &Struct{Header: Header{Name: emptyName, Implicit: true}}
	l.byName[emptyName] = &entity{typ: empty, def: empty, state: checked}
	qtype := &Enum{Header: Header{Name: "QType", Implicit: true}, Prefix: "QTYPE"}
	for _, name := range []string{"none", "qnull", "qnum", "qstring", "qdict", "qlist", "qbool"} {
		qtype.Values = append(qtype.Values, &EnumValue{Name: name})
	}
	l.byName[qtype.Name] = &entity{typ: qtype, def: qtype, state: checked}
}

// defineOne makes the entity of a declaration.
func (l *loader) defineOne(d *declaration) *Diagnostic {
	if other := l.byName[d.name]; other != nil {
		if other.decl == nil {
			return fail("built-in type '", d.name, "' is already defined")
		}
		return fail("'", d.name, "' is already defined at ", other.decl.pos.String())
	}
	l.add(newEntity(d))
	return nil
}

func (l *loader) add(e *entity) {
	e.members.asIs = l.pragma.serverNames
	l.byName[e.decl.name] = e
	l.entities = append(l.entities, e)
}

// expand makes the types that a declaration needs besides itself, and refers to them by
// name.
func (l *loader) expand(d *declaration) *Diagnostic {
	if d.noMembers {
		return fail("'data' should be an object")
	}
	if d.kind == kindUnion && d.discriminator == "" && !d.base.inline && d.base.name == "" {
		if problem := l.expandSimpleUnion(d); problem != nil {
			return problem
		}
	}
	d.base.name = l.named(&d.base, d, "base")
	l.expandArrays(d.members, d)
	d.data.name = l.named(&d.data, d, "arg")
	d.returns = l.plain(d.returns, d)
	return nil
}

// named returns the name of data, which is an implicit type's if it is written in its place.
// Without members it is the same as none.
func (l *loader) named(data *dataDeclaration, owner *declaration, role string) string {
	if !data.inline {
		return data.name
	}
	if len(data.members) == 0 {
		return ""
	}
	l.expandArrays(data.members, owner)
	return l.implicit(&declaration{
		name: "q_obj_" + owner.name + "-" + role, owner: owner,
		cond: owner.cond, members: data.members,
	})
}

// implicit makes a struct that belongs to another declaration, unless it is there already,
// and returns its name.
func (l *loader) implicit(d *declaration) string {
	if l.byName[d.name] == nil {
		d.kind, d.module, d.pos = kindStruct, d.owner.module, d.owner.pos
		l.add(newEntity(d))
	}
	return d.name
}

func (l *loader) expandArrays(members []*memberDeclaration, owner *declaration) {
	for _, m := range members {
		m.typ = l.plain(m.typ, owner)
	}
}

// plain returns a reference to the same type that is not in array notation.
func (l *loader) plain(r typeRef, user *declaration) typeRef {
	if !r.array {
		return r
	}
	return typeRef{name: l.arrayOf(r.name, user)}
}

// arrayOf returns the name of the type of arrays of a type, which it makes if need be.
func (l *loader) arrayOf(element string, user *declaration) string {
	name := element + "List"
	if l.byName[name] != nil {
		return name
	}
	l.add(&entity{
		decl: &declaration{
			kind: kindArray, name: name, owner: user, element: element,
			module: user.module, pos: user.pos,
		},
		typ: &Array{},
	})
	return name
}

// expandSimpleUnion gives a discriminator to a union of QEMU 5.2 that has none: its branches'
// names make an enum, and its branches hold a single member 'data'.
func (l *loader) expandSimpleUnion(d *declaration) *Diagnostic {
	enum := &declaration{
		kind: kindEnum, name: d.name + "Kind", owner: d,
		module: d.module, pos: d.pos, cond: d.cond,
	}
	for _, branch := range d.members {
		enum.values = append(enum.values, &EnumValue{Name: branch.name, If: branch.cond, Pos: branch.pos})
		element := l.plain(branch.typ, d)
		wrapper := &declaration{
			name: "q_obj_" + element.name + "-wrapper", owner: d, wrapper: true,
			members:    []*memberDeclaration{{name: "data", typ: element, pos: branch.pos}},
			sinceKnown: l.byName[element.name] != nil,
		}
		branch.typ = typeRef{name: l.implicit(wrapper)}
		if first := l.byName[wrapper.name].decl; l.rules.wrapOnce && wrapper.sinceKnown && !first.sinceKnown {
			return fail("QEMU 5.2 breaks down where '", element.name, "' is defined between two unions that use it")
		}
	}
	if problem := l.defineOne(enum); problem != nil {
		l.report(enum.locate(problem))
	}
	d.discriminator = "type"
	d.base = dataDeclaration{inline: true, members: []*memberDeclaration{
		{name: "type", typ: typeRef{name: enum.name}, pos: enum.pos},
	}}
	return nil
}

// newEntity makes the entity of a declaration, without references to other entities.
func newEntity(d *declaration) *entity {
	e := &entity{decl: d}
	h := Header{
		Name: d.name, Module: d.module, Pos: d.pos, If: d.cond, Features: d.features,
		Doc: newDoc(d), Implicit: d.owner != nil,
	}
	switch d.kind {
	case kindEnum:
		enum := &Enum{Header: h, Prefix: d.prefix, Values: d.values}
		e.def, e.typ = enum, enum
	case kindStruct:
		s := &Struct{Header: h, Members: newMembers(d.members)}
		e.def, e.typ = s, s
	case kindUnion:
		u := &Union{Header: h}
		e.def, e.typ = u, u
	case kindAlternate:
		a := &Alternate{Header: h}
		e.def, e.typ = a, a
	case kindCommand:
		e.def = &Command{
			Header: h,
			Boxed:  d.flags["boxed"], NoGen: d.flags["gen"], NoReply: d.flags["success-response"],
			AllowOOB: d.flags["allow-oob"], AllowPreconfig: d.flags["allow-preconfig"],
			Coroutine: d.flags["coroutine"],
		}
	case kindEvent:
		e.def = &Event{Header: h, Boxed: d.flags["boxed"]}
	}
	return e
}

func newMembers(declared []*memberDeclaration) []*Member {
	members := make([]*Member, len(declared))
	for i, m := range declared {
		members[i] = &Member{Name: m.name, Optional: m.optional, If: m.cond, Features: m.features, Pos: m.pos}
	}
	return members
}
