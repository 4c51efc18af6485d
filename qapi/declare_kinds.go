package qapi

import "github.com/qmpkit/qmpkit/internal/syntax"

// data names the part of a definition that most messages are about.
var data = place{what: "'data'"}

func dataMember(name string) place { return place{"'data' member", name} }

func (d *declarer) readEnum() *Diagnostic {
	if problem := d.checkKeys([]string{"data"}, []string{"prefix"}); problem != nil {
		return problem
	}
	list, ok := d.expression.Get("data").(*syntax.Array)
	if !ok {
		return fail("'data' must be an array")
	}
	if v := d.expression.Get("prefix"); v != nil {
		prefix, ok := v.(*syntax.String)
		if !ok {
			return fail("'prefix' must be a string")
		}
		d.prefix = prefix.Text
	}
	d.values = make([]*EnumValue, len(list.Elements))
	for i, e := range list.Elements {
		var problem *Diagnostic
		if d.values[i], problem = d.readValue(e); problem != nil {
			return problem
		}
	}
	return nil
}

// readValue reads a value of an enum.
func (d *declarer) readValue(v syntax.Value) (*EnumValue, *Diagnostic) {
	optional := []string{"if", "features"}
	if d.rules.noValueFeatures {
		optional = optional[:1]
	}
	name, object, problem := readNamed(v, place{what: "'data' member"}, optional)
	if problem != nil {
		return nil, problem
	}
	checked := name
	if name != "" && isDigit(name[0]) {
		checked = "d" + name // values may begin with a digit
	}
	what := dataMember(name)
	if problem := d.checkPart(checked, what, d.pragma.except(d.name, memberNameExceptions)); problem != nil {
		return nil, problem
	}
	value := &EnumValue{Name: name, Pos: d.module.at(v.Position())}
	if object == nil {
		return value, nil
	}
	if value.If, problem = d.readIf(object, what); problem != nil {
		return nil, problem
	}
	value.Features, problem = d.readFeatures(object)
	return value, problem
}

func (d *declarer) readStruct() (problem *Diagnostic) {
	if problem := d.checkKeys([]string{"data"}, []string{"base"}); problem != nil {
		return problem
	}
	switch v := d.expression.Get("data").(type) {
	case *syntax.Object:
		if d.members, problem = d.readMembers(v, "'data' member", d.name); problem != nil {
			return problem
		}
	case *syntax.String:
		d.noMembers = true
		if !d.rules.structNamesData {
			return fail("'data' should be an object")
		}
	default:
		return fail("'data' should be an object")
	}
	if v := d.expression.Get("base"); v != nil {
		d.base.name, problem = readTypeName(v, place{what: "'base'"})
	}
	return problem
}

func (d *declarer) readUnion() (problem *Diagnostic) {
	base, discriminator := d.expression.Get("base"), d.expression.Get("discriminator")
	simple := d.rules.simpleUnions && base == nil && discriminator == nil // of QEMU up to 6.0
	required := []string{"data", "base", "discriminator"}
	if simple {
		required = []string{"data"}
	}
	if problem := d.checkKeys(required, nil); problem != nil {
		return problem
	}
	if !simple {
		if d.base, problem = d.readData(base, place{what: "'base'"}, d.name); problem != nil {
			return problem
		}
		name, ok := discriminator.(*syntax.String)
		if !ok {
			return fail("'discriminator' requires a string name")
		}
		d.discriminator = name.Text
	}
	object, ok := d.expression.Get("data").(*syntax.Object)
	if !ok {
		return fail("'data' must be an object")
	}
	for _, m := range object.Members {
		if simple || d.rules.names == namesClassic {
			// Elsewhere they are values of an enum.
			anyCase := d.rules.names != namesClassic
			if problem := d.checkPart(m.Key, dataMember(m.Key), anyCase); problem != nil {
				return problem
			}
		}
		branch, problem := d.readAlternative(m, simple)
		if problem != nil {
			return problem
		}
		d.members = append(d.members, branch)
	}
	return nil
}

func (d *declarer) readAlternate() *Diagnostic {
	if problem := d.checkKeys([]string{"data"}, nil); problem != nil {
		return problem
	}
	object, ok := d.expression.Get("data").(*syntax.Object)
	if !ok {
		return fail("'data' must be an object")
	}
	if len(object.Members) == 0 {
		return fail("'data' must not be empty")
	}
	for _, m := range object.Members {
		if problem := d.checkPart(m.Key, dataMember(m.Key), false); problem != nil {
			return problem
		}
		alternative, problem := d.readAlternative(m, !d.rules.noArrayAlternates)
		if problem != nil {
			return problem
		}
		d.members = append(d.members, alternative)
	}
	return nil
}

// readAlternative reads a branch of a union or an alternative of an alternate.
func (d *declarer) readAlternative(m syntax.Member, arrays bool) (*memberDeclaration, *Diagnostic) {
	what := dataMember(m.Key)
	a := &memberDeclaration{name: m.Key, pos: d.module.at(m.Pos)}
	v := m.Value
	if object, ok := v.(*syntax.Object); ok {
		problem := checkKeys(object, what, []string{"type"}, []string{"if"})
		if problem != nil {
			return nil, problem
		}
		if a.cond, problem = d.readIf(object, what); problem != nil {
			return nil, problem
		}
		v = object.Get("type")
	}
	var problem *Diagnostic
	if arrays {
		a.typ, problem = readType(v, what)
	} else {
		a.typ.name, problem = readTypeName(v, what)
	}
	return a, problem
}

func (d *declarer) readCommand() (problem *Diagnostic) {
	problem = d.checkKeys(nil, []string{"data", "returns", "boxed", "gen", "success-response",
		"allow-oob", "allow-preconfig", "coroutine"})
	if problem != nil {
		return problem
	}
	if problem := d.readArguments(); problem != nil {
		return problem
	}
	if v := d.expression.Get("returns"); v != nil {
		d.returns, problem = readType(v, place{what: "'returns'"})
	}
	return problem
}

func (d *declarer) readEvent() *Diagnostic {
	if problem := d.checkKeys(nil, []string{"data", "boxed"}); problem != nil {
		return problem
	}
	return d.readArguments()
}

// readArguments reads the 'data' of a command or an event.
func (d *declarer) readArguments() (problem *Diagnostic) {
	v := d.expression.Get("data")
	if boxed, ok := d.expression.Get("boxed").(*syntax.Bool); ok && boxed.Value {
		if v == nil {
			return fail("'boxed': true requires 'data'")
		}
		d.data.name, problem = readTypeName(v, data)
		return problem
	}
	if v != nil {
		d.data, problem = d.readData(v, data, "")
	}
	return problem
}

// readData reads an object type that is named or written in its place; owner is the type
// that it belongs to.
func (d *declarer) readData(v syntax.Value, what place, owner string) (dataDeclaration, *Diagnostic) {
	switch v := v.(type) {
	case *syntax.String:
		return dataDeclaration{name: v.Text}, nil
	case *syntax.Object:
		members, problem := d.readMembers(v, what.what+" member", owner)
		return dataDeclaration{inline: true, members: members}, problem
	}
	return dataDeclaration{}, fail(what.String(), " should be an object or type name")
}

// readMembers reads the members of an object type; what is what messages call one.
func (d *declarer) readMembers(o *syntax.Object, what, owner string) ([]*memberDeclaration, *Diagnostic) {
	anyCase := owner != "" && d.pragma.except(owner, memberNameExceptions)
	members := make([]*memberDeclaration, len(o.Members))
	for i := range o.Members {
		m := &o.Members[i]
		member := &memberDeclaration{name: m.Key, pos: d.module.at(m.Pos)}
		if name, ok := cutOptional(m.Key); ok {
			member.name, member.optional = name, true
		}
		if problem := d.checkMember(member, place{what, m.Key}, anyCase); problem != nil {
			return nil, problem
		}
		if problem := d.readMember(member, m.Value, place{what, m.Key}); problem != nil {
			return nil, problem
		}
		members[i] = member
	}
	return members, nil
}

// checkPart checks the name of an alternative, a value or a feature.
func (d *declarer) checkPart(name string, what place, anyCase bool) *Diagnostic {
	if d.pragma.serverNames {
		return nil
	}
	return d.rules.names.check(name, what, anyCase)
}

// checkMember checks the name of a member.
func (d *declarer) checkMember(m *memberDeclaration, what place, anyCase bool) *Diagnostic {
	if d.pragma.serverNames {
		return nil
	}
	return d.rules.names.checkMember(m.name, m.optional, what, anyCase)
}

// cutOptional cuts the mark of an optional member off its name.
func cutOptional(key string) (name string, ok bool) {
	if key != "" && key[0] == '*' {
		return key[1:], true
	}
	return key, false
}

// readMember reads a member's type, or the object that says more than the type.
func (d *declarer) readMember(m *memberDeclaration, v syntax.Value, what place) (problem *Diagnostic) {
	if object, ok := v.(*syntax.Object); ok {
		if problem := checkKeys(object, what, []string{"type"}, []string{"if", "features"}); problem != nil {
			return problem
		}
		if m.cond, problem = d.readIf(object, what); problem != nil {
			return problem
		}
		if m.features, problem = d.readFeatures(object); problem != nil {
			return problem
		}
		v = object.Get("type")
	}
	m.typ, problem = readType(v, what)
	return problem
}

// readType reads the name of a type, or an array with the name of its elements' type.
func readType(v syntax.Value, what place) (typeRef, *Diagnostic) {
	switch v := v.(type) {
	case *syntax.String:
		return typeRef{name: v.Text}, nil
	case *syntax.Array:
		if len(v.Elements) == 1 {
			if name, ok := v.Elements[0].(*syntax.String); ok {
				return typeRef{name.Text, true}, nil
			}
		}
		return typeRef{}, fail(what.String(), ": array type must contain single type name")
	}
	return typeRef{}, fail(what.String(), " should be a type name or array")
}

// readTypeName reads the name of a type.
func readTypeName(v syntax.Value, what place) (string, *Diagnostic) {
	if name, ok := v.(*syntax.String); ok {
		return name.Text, nil
	}
	return "", fail(what.String(), " should be a type name")
}
