package gogen

import (
	"fmt"
	"path"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// builder makes the Go-side model of a schema, pkg.
type builder struct {
	whole  *qapi.Schema // all that names are given by, so that none depends on what is selected
	schema *qapi.Schema // the part of it that is generated
	opts   Options
	codecs *codecs
	scope  names // of the package
	types  map[qapi.Type]goType
	// claimed and done hold the implicit types whose names were claimed, and those that were
	// declared.
	claimed, done map[qapi.Definition]bool
	commandArgs   map[string]string        // see commandArgs
	commands      map[*qapi.Command]string // their names
	events        map[*qapi.Event]string
	// eventConstants are the constants for the events' names.
	eventConstants map[*qapi.Event]string
	constantsOf    map[*qapi.Enum]map[string]string // see constants
	merged         map[string]*qapi.Command         // commands that are one type with their argument, by name
	wrappers       map[qapi.Type]bool               // wrappers that vanish
	uses           map[qapi.Definition][]use        // see usesOf
	used           []qapi.Definition                // the types that have uses
	place          map[qapi.Definition]string       // their paths from a command or an event
	times          map[qapi.Definition]facts.Fact   // see timesInUse
	nodes          map[string]facts.Node            // of the facts, see qemuName
	qemuNames      map[qapi.Definition]string
	cycles         cycles
	failed         error // the first type without a Go type
	pkg            *pkg
}

// build makes the model of a part of the schema of a build, named as if there were no other build.
func build(schema, whole, part *qapi.Schema, opts Options) (*builder, error) {
	b := &builder{
		whole:          whole,
		schema:         part,
		opts:           opts,
		scope:          names{},
		commandArgs:    commandArgs(schema),
		types:          map[qapi.Type]goType{},
		claimed:        map[qapi.Definition]bool{},
		done:           map[qapi.Definition]bool{},
		events:         map[*qapi.Event]string{},
		eventConstants: map[*qapi.Event]string{},
		commands:       map[*qapi.Command]string{},
		constantsOf:    map[*qapi.Enum]map[string]string{},
		merged:         map[string]*qapi.Command{},
		qemuNames:      map[qapi.Definition]string{},
		cycles:         findCycles(part),
		pkg:            &pkg{opts: opts},
	}
	b.codecs = findCodecs(part, b.cycles)
	b.findWrappers()
	if err := b.claim(); err != nil {
		return nil, err
	}
	if err := b.declare(); err != nil {
		return nil, err
	}
	if b.failed != nil {
		return nil, b.failed
	}
	if err := b.features(); err != nil {
		return nil, err
	}
	return b, nil
}

func describe(d qapi.Definition) string {
	h := d.Head()
	return fmt.Sprintf("%s %s (%s)", kindOf(d), h.Name, h.Pos)
}

func kindOf(d qapi.Definition) string {
	switch d.(type) {
	case *qapi.Enum:
		return "enum"
	case *qapi.Struct:
		return "struct"
	case *qapi.Union:
		return "union"
	case *qapi.Alternate:
		return "alternate"
	case *qapi.Command:
		return "command"
	default:
		return "event"
	}
}

func baseName(m *qapi.Module) string { return path.Base(m.Name) }

// declare makes the declarations of all definitions, module by module. Modules with the same base name
// share a file: storage-daemon uses the modules of ../../qapi.
func (b *builder) declare() error {
	files := map[string]*module{}
	for _, m := range b.schema.Modules {
		for _, d := range m.Definitions {
			if b.vanishes(d) {
				continue
			}
			source := b.moduleOf(d)
			file := files[fileName(source)]
			if file == nil {
				file = &module{source: path.Base(source)}
				files[fileName(source)] = file
				b.pkg.modules = append(b.pkg.modules, file)
			}
			decls, err := b.declaration(d)
			if err != nil {
				return err
			}
			file.decls = append(file.decls, decls...)
		}
	}
	return nil
}

// declaration makes the declarations of one definition and of the implicit types that it is the first to
// use.
func (b *builder) declaration(d qapi.Definition) ([]decl, error) {
	switch d := d.(type) {
	case *qapi.Enum:
		return one(b.enum(d))
	case *qapi.Struct:
		return one(b.object(d))
	case *qapi.Union:
		return b.unionWithImplicit(d)
	case *qapi.Alternate:
		return one(b.alternate(d))
	case *qapi.Command:
		return one(b.command(d))
	case *qapi.Event:
		return one(b.event(d))
	}
	return nil, fmt.Errorf("%s: no Go for this kind of definition", d.Head().Pos)
}

func one[D decl](d D, err error) ([]decl, error) { return []decl{d}, err }

func (b *builder) enum(d *qapi.Enum) (*enum, error) {
	e := &enum{name: b.typeName(d), doc: append(b.definitionComment(d, nil, b.typeSentences(d)...), b.typeDirective(d)...)}
	for _, v := range d.Values {
		e.values = append(e.values, enumValue{
			name: b.constants(d)[v.Name], wire: v.Name, cond: v.If,
			doc: b.partComment(d, v.Name, "the value", v.If, v.Features),
		})
	}
	return e, nil
}

// object makes the declaration of a named struct, or of the part that a union shares with it.
func (b *builder) object(d qapi.ObjectType) (*object, error) {
	name := b.typeName(d)
	o := &object{
		name:     name,
		doc:      append(b.definitionComment(d, nil, b.typeSentences(d)...), b.typeDirective(d)...),
		codec:    b.codecs.of(d),
		receiver: "v",
	}
	return o, b.fields(o, d, d)
}

// fields adds the fields for t's members to o. The owner is t itself, or the command or event with these
// members. The comments and the table of secrets use the owner.
func (b *builder) fields(o *object, t qapi.ObjectType, owner qapi.Definition) error {
	scope := names{}
	fields := b.fieldNames(t)
	for _, m := range t.AllMembers() {
		f, err := b.field(fields[m.Name], t, m, owner)
		if err != nil {
			return err
		}
		if err := scope.take(f.name, fmt.Sprintf("member %s of %s", m.Name, describe(t))); err != nil {
			return err
		}
		o.fields = append(o.fields, f)
	}
	return nil
}

func (b *builder) field(name string, t qapi.ObjectType, m *qapi.Member, owner qapi.Definition) (*field, error) {
	f := &field{
		name:     name,
		wire:     m.Name,
		typ:      b.goType(m.Type),
		optional: m.Optional,
		doc:      b.partComment(owner, m.Name, "the member", m.If, m.Features),
	}
	if isSecret(t, owner, m.Name) {
		f.typ = secretOf(f.typ)
		if f.typ == nil {
			return nil, fmt.Errorf("%s: %s of %s is in the table of secrets, but is not a string",
				m.Pos, m.Name, owner.Head().Name)
		}
		f.doc = append(comment{"A secret: String hides it, JSON does not."}, f.doc...)
	}
	f.pointer = !f.typ.nilable() && (m.Optional || b.cycles.holds(t, m.Type))
	return f, nil
}

// goType returns the Go type for a type of the schema.
func (b *builder) goType(t qapi.Type) goType {
	if g, ok := b.types[t]; ok {
		return g
	}
	g := b.newGoType(t)
	b.types[t] = g
	return g
}

func (b *builder) newGoType(t qapi.Type) goType {
	switch t := t.(type) {
	case *qapi.Array:
		return &arrayType{b.goType(t.Element)}
	case *qapi.Enum:
		if t.Module == nil {
			return stringType // QType, which the language predefines
		}
		return newEnumType(b.typeName(t))
	case *qapi.Alternate:
		return &structType{b.typeName(t), true, b.codecs.of(t)}
	case qapi.ObjectType:
		if t.Head().Implicit && !b.claimed[t] && b.failed == nil {
			b.failed = fmt.Errorf("%s is an implicit type and is used by name: qapigen has no Go type for it",
				t.Head().Name)
		}
		return &structType{b.typeName(t), false, b.codecs.of(t)}
	default:
		return builtinTypes[t.TypeName()]
	}
}

func (b *builder) alternate(d *qapi.Alternate) (*alternate, error) {
	a := &alternate{
		name:  b.typeName(d),
		doc:   append(b.definitionComment(d, nil, append(b.typeSentences(d), "Exactly one of its fields is set.")...), b.typeDirective(d)...),
		codec: b.codecs.of(d),
	}
	scope := names{}
	for _, alt := range d.Alternatives {
		f := alternative{fieldName(alt.Name), alt.Type.JSONKind(), b.goType(alt.Type),
			b.partComment(d, alt.Name, "the alternative", alt.If, nil)}
		if err := scope.take(f.name, fmt.Sprintf("alternative %s of %s", alt.Name, describe(d))); err != nil {
			return nil, err
		}
		a.alternatives = append(a.alternatives, f)
	}
	a.other = scope.free("Other", "OtherKind")
	return a, nil
}

func (b *builder) command(d *qapi.Command) (*command, error) {
	c := &command{name: b.commands[d], wire: d.Name, noReply: d.NoReply, allowOOB: d.AllowOOB}
	if d.Returns != nil {
		c.result = b.goType(d.Returns)
	}
	if hasNamedArg(d) {
		c.argType, c.argCodec = b.typeName(d.Arg), b.codecs.of(d.Arg)
		c.merged = b.merged[c.name] == d
	}
	subject := c.name
	if c.merged {
		subject = "Do" // the comment of the type describes the type
	}
	c.doc = b.definitionComment(d, b.commandFacts(d), b.commandSentences(subject, d)...)
	if hasNamedArg(d) && !d.NoGen {
		return c, nil
	}
	c.args = &object{name: c.name, receiver: "r", codec: b.codecs.ofRequest(d)}
	if d.Arg != nil {
		if err := b.fields(c.args, d.Arg, d); err != nil {
			return nil, err
		}
		if d.NoGen {
			c.args.extra = b.extraField(c.args)
		}
	}
	return c, nil
}

// extraField returns the name of the field for members that the schema does not declare: Props, unless a
// member has that name.
func (b *builder) extraField(o *object) string {
	scope := names{}
	for _, f := range o.fields {
		scope[f.name] = f.wire
	}
	return scope.free("Props", "OtherProps")
}

func (b *builder) event(d *qapi.Event) (*event, error) {
	e := &event{name: b.events[d], constant: b.eventConstants[d], wire: d.Name}
	e.doc = b.definitionComment(d, b.eventFacts(d), e.name+" is "+b.schemaName(d, e.name)+".")
	if dates := b.definitionDates(d); dates != nil {
		e.constantDoc = comment{strings.Join(dates, " ")}
	}
	if fact := b.confirmed(b.definitionFact(d), d, ""); b.isDeprecated(d.Features, fact) {
		e.constantDoc = append(e.constantDoc, b.prose(d).deprecated("the event", fact, b.replacement(d, "", fact))...)
	}
	b.pkg.events = append(b.pkg.events, e)
	if d.Arg != nil && !d.Arg.Head().Implicit {
		_, e.dataUnion = d.Arg.(*qapi.Union)
		e.dataType, e.dataCodec = b.typeName(d.Arg), b.codecs.of(d.Arg)
		return e, nil
	}
	e.data = &object{name: e.name, receiver: "v", codec: b.codecs.ofEvent(d)}
	if d.Arg != nil {
		return e, b.fields(e.data, d.Arg, d)
	}
	return e, nil
}
