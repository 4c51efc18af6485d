package qapi

import (
	"slices"

	"github.com/qmpkit/qmpkit/internal/syntax"
)

// declare turns expressions into declarations: the second phase. It checks everything that
// can be checked in an expression by itself.
func (l *loader) declare() {
	l.declarations = make([]*declaration, 0, len(l.expressions))
	for _, x := range l.expressions {
		if l.full() {
			break
		}
		d := declarer{loader: l, expression: x.object, declaration: &declaration{
			module: x.module,
			pos:    x.module.at(syntax.Pos{Line: x.object.Pos.Line}),
			doc:    x.doc,
		}}
		if problem := d.read(); problem != nil {
			l.report(d.locate(problem))
			continue
		}
		l.featureNames.add(d.declaration)
		l.declarations = append(l.declarations, d.declaration)
	}
	l.expressions = nil
}

// declarer makes one declaration.
type declarer struct {
	*loader
	*declaration
	expression *syntax.Object
}

// read reads the expression.
func (d *declarer) read() *Diagnostic {
	var keys []kind
	for _, k := range definitionKinds {
		if d.expression.Get(string(k)) != nil {
			keys = append(keys, k)
		}
	}
	if len(keys) != 1 {
		return fail("expression must have exactly one key 'enum', 'struct', 'union', 'alternate', 'command', 'event'")
	}
	name, ok := d.expression.Get(string(keys[0])).(*syntax.String)
	if !ok {
		return fail("'", string(keys[0]), "' requires a string name")
	}
	d.kind, d.name = keys[0], name.Text
	for _, step := range []func() *Diagnostic{d.checkName, d.checkDoc, d.readBody, d.readCommon} {
		if problem := step(); problem != nil {
			return problem
		}
	}
	return nil
}

func (d *declarer) checkName() *Diagnostic {
	if d.pragma.serverNames && (d.kind == kindCommand || d.kind == kindEvent) {
		return nil
	}
	return d.rules.names.checkDefinition(d.kind, d.name, d.pragma.except(d.name, commandNameExceptions))
}

// checkDoc checks that the comment before the definition belongs to it.
func (d *declarer) checkDoc() *Diagnostic {
	doc := d.doc
	if doc == nil {
		if d.pragma.docRequired {
			return fail("documentation comment required")
		}
		return nil
	}
	if doc.Symbol != d.name {
		return fail("documentation comment is for '", doc.Symbol, "'")
	}
	for _, s := range doc.Sections {
		if s.Kind != syntax.Tagged {
			continue
		}
		if problem := d.checkTagged(s.Name); problem != nil {
			problem.Pos = d.module.at(s.Pos)
			if d.rules.docs.classic {
				problem.Pos = d.module.at(syntax.Pos{Line: doc.Pos.Line})
			}
			return problem
		}
	}
	return nil
}

// checkTagged checks that a tag fits the definition.
func (d *declarer) checkTagged(tag string) *Diagnostic {
	switch {
	case tag != "Returns" && tag != "Errors":
		return nil
	case d.kind != kindCommand:
		return fail("'", tag, "' section is only valid for commands")
	case tag == "Returns" && d.rules.docs.complete && d.expression.Get("returns") == nil:
		return fail("'Returns' section, but command doesn't return anything")
	}
	return nil
}

// readBody reads the keys that a kind of definition has for itself.
func (d *declarer) readBody() *Diagnostic {
	switch d.kind {
	case kindEnum:
		return d.readEnum()
	case kindStruct:
		return d.readStruct()
	case kindUnion:
		return d.readUnion()
	case kindAlternate:
		return d.readAlternate()
	case kindCommand:
		return d.readCommand()
	default:
		return d.readEvent()
	}
}

// checkKeys checks the definition's keys.
func (d *declarer) checkKeys(required, optional []string) *Diagnostic {
	required = append([]string{string(d.kind)}, required...)
	return checkKeys(d.expression, place{what: string(d.kind)}, required, append(optional, "if", "features"))
}

// readCommon reads the keys that all kinds of definition have.
func (d *declarer) readCommon() (problem *Diagnostic) {
	if d.cond, problem = d.readIf(d.expression, place{what: string(d.kind)}); problem != nil {
		return problem
	}
	if d.features, problem = d.readFeatures(d.expression); problem != nil {
		return problem
	}
	return d.readFlags()
}

// readFlags reads the keys that are there only to differ from their default.
func (d *declarer) readFlags() *Diagnostic {
	for _, flag := range []struct {
		key   string
		value bool
	}{
		{"gen", false}, {"success-response", false},
		{"boxed", true}, {"allow-oob", true}, {"allow-preconfig", true}, {"coroutine", true},
	} {
		v := d.expression.Get(flag.key)
		if v == nil {
			continue
		}
		if b, ok := v.(*syntax.Bool); !ok || b.Value != flag.value {
			if flag.value {
				return fail("flag '", flag.key, "' may only use true value")
			}
			return fail("flag '", flag.key, "' may only use false value")
		}
		if d.flags == nil {
			d.flags = map[string]bool{}
		}
		d.flags[flag.key] = true
	}
	if d.flags["allow-oob"] && d.flags["coroutine"] {
		return fail("flags 'allow-oob' and 'coroutine' are incompatible")
	}
	return nil
}

// readFeatures reads the 'features' of a definition, a member or a value.
func (d *declarer) readFeatures(o *syntax.Object) ([]*Feature, *Diagnostic) {
	v := o.Get("features")
	if v == nil {
		return nil, nil
	}
	list, ok := v.(*syntax.Array)
	if !ok {
		return nil, fail("'features' must be an array")
	}
	features := make([]*Feature, len(list.Elements))
	for i, e := range list.Elements {
		name, object, problem := readNamed(e, place{what: "'features' member"}, []string{"if"})
		if problem != nil {
			return nil, problem
		}
		f := &Feature{Name: name, Pos: d.module.at(e.Position())}
		what := place{"'features' member", name}
		if problem := d.checkPart(name, what, false); problem != nil {
			return nil, problem
		}
		if f.If, problem = d.readIf(object, what); problem != nil {
			return nil, problem
		}
		features[i] = f
	}
	return features, nil
}

// readNamed reads an element of a list of names, which is a string or an object with a name.
func readNamed(v syntax.Value, what place, optional []string) (string, *syntax.Object, *Diagnostic) {
	switch v := v.(type) {
	case *syntax.String:
		return v.Text, nil, nil
	case *syntax.Object:
		if problem := checkKeys(v, what, []string{"name"}, optional); problem != nil {
			return "", nil, problem
		}
		if name, ok := v.Get("name").(*syntax.String); ok {
			return name.Text, v, nil
		}
	}
	return "", nil, fail(what.String(), " requires a string name")
}

// readIf reads the 'if' of an object, which may be nil.
func (d *declarer) readIf(o *syntax.Object, what place) (Cond, *Diagnostic) {
	if o == nil {
		return nil, nil
	}
	v := o.Get("if")
	if v == nil {
		return nil, nil
	}
	return d.rules.parseCond(v, what)
}

// checkKeys checks that an object has the keys that it must have, and no others but those
// that it may have.
func checkKeys(o *syntax.Object, what place, required, optional []string) *Diagnostic {
	var missing, unknown []string
	for _, key := range required {
		if o.Get(key) == nil {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fail(what.String(), " misses key", plural(missing), " ", quoted(missing))
	}
	for i := range o.Members {
		key := o.Members[i].Key
		if !slices.Contains(required, key) && !slices.Contains(optional, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		valid := slices.Concat(required, optional)
		slices.Sort(valid)
		return fail(what.String(), " has unknown key", plural(unknown), " ", quoted(unknown),
			"; valid keys are ", quoted(valid))
	}
	return nil
}
