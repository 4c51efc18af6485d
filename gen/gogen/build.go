package gogen

import (
	"fmt"
	"path"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// builder makes the Go-side model of a schema.
type builder struct {
	schema *qapi.Schema
	opts   Options
	reach  *reach
	scope  names // of the package
	types  map[qapi.Type]goType
	// done holds the implicit types that have been declared.
	done map[qapi.Type]bool
	pkg  *pkg
}

func build(schema *qapi.Schema, opts Options) (*pkg, error) {
	b := &builder{
		schema: schema,
		opts:   opts,
		reach:  reached(schema),
		scope:  names{},
		types:  map[qapi.Type]goType{},
		done:   map[qapi.Type]bool{},
		pkg:    &pkg{opts: opts},
	}
	if err := b.nameTypes(); err != nil {
		return nil, err
	}
	if err := b.declare(); err != nil {
		return nil, err
	}
	if err := b.features(); err != nil {
		return nil, err
	}
	return b.pkg, nil
}

// nameTypes claims the names of all types, so that commands can see which ones are taken.
func (b *builder) nameTypes() error {
	if err := b.scope.take("RawBranch", "the branch of unknown members"); err != nil {
		return err
	}
	if err := b.scope.take("DecodeEvent", "the table of events"); err != nil {
		return err
	}
	for _, d := range b.schema.Definitions {
		if _, ok := d.(qapi.Type); !ok {
			continue
		}
		if err := b.scope.take(typeName(d), describe(d)); err != nil {
			return err
		}
	}
	return nil
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

// both is c, or all there is if that is asked for.
func (b *builder) both(c codec) codec {
	if b.opts.Codec == CodecBoth {
		return codec{sent: true, received: true}
	}
	return c
}

func baseName(m *qapi.Module) string { return path.Base(m.Name) }

// declare makes the declarations of all definitions, module by module. Modules of one base
// name share a file: storage-daemon's are ../../qapi's.
func (b *builder) declare() error {
	files := map[string]*module{}
	for _, m := range b.schema.Modules {
		if len(m.Definitions) == 0 {
			continue
		}
		file := files[fileName(m.Name)]
		if file == nil {
			file = &module{source: baseName(m)}
			files[fileName(m.Name)] = file
			b.pkg.modules = append(b.pkg.modules, file)
		}
		for _, d := range m.Definitions {
			decls, err := b.declaration(d)
			if err != nil {
				return err
			}
			file.decls = append(file.decls, decls...)
		}
	}
	return nil
}

// declaration makes the declarations of one definition: itself, and the implicit types that
// it is the first to use.
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
	name := typeName(d)
	e := &enum{name: name, doc: definitionComment(
		fmt.Sprintf("%s is the QAPI enum %s.", name, d.Name), "enum", &d.Header)}
	for _, v := range d.Values {
		constant := constantName(name, v.Name)
		if err := b.scope.take(constant, fmt.Sprintf("value %s of %s", v.Name, describe(d))); err != nil {
			return nil, err
		}
		e.values = append(e.values, enumValue{constant, v.Name, remarks("the value", v.If, v.Features)})
	}
	return e, nil
}

// object makes the declaration of a named struct, or of the part that a union shares with it.
func (b *builder) object(d qapi.ObjectType) (*object, error) {
	name := typeName(d)
	o := &object{
		name: name,
		doc: definitionComment(fmt.Sprintf("%s is the QAPI %s %s.", name, kindOf(d), d.Head().Name),
			kindOf(d), d.Head()),
		codec:    b.both(b.reach.codec(d)),
		receiver: "v",
	}
	return o, b.fields(o, d, d.Head().Name)
}

// fields adds the fields of t's members to o. The owner's name is the one that the table of
// secrets has.
func (b *builder) fields(o *object, t qapi.ObjectType, owner string) error {
	scope := names{}
	for _, m := range t.AllMembers() {
		f, err := b.field(t, m, owner)
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

func (b *builder) field(owner qapi.ObjectType, m *qapi.Member, ownerName string) (*field, error) {
	f := &field{
		name:     fieldName(m.Name),
		wire:     m.Name,
		typ:      b.goType(m.Type),
		optional: m.Optional,
		doc:      remarks("the member", m.If, m.Features),
	}
	if isSecret(ownerName, m.Name) {
		f.typ = secretOf(f.typ)
		if f.typ == nil {
			return nil, fmt.Errorf("%s: %s of %s is in the table of secrets and not a string",
				m.Pos, m.Name, ownerName)
		}
		f.doc = append(comment{"A secret: String hides it."}, f.doc...)
	}
	f.pointer = !f.typ.nilable() && (m.Optional || containsItself(owner, m))
	return f, nil
}

// goType is the Go type for a type of the schema.
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
		return newEnumType(typeName(t))
	case *qapi.Alternate:
		return &structType{typeName(t), true}
	case qapi.ObjectType:
		return &structType{typeName(t), false}
	default:
		return builtinTypes[t.TypeName()]
	}
}

func (b *builder) alternate(d *qapi.Alternate) (*alternate, error) {
	name := typeName(d)
	a := &alternate{
		name: name,
		doc: definitionComment(fmt.Sprintf(
			"%s is the QAPI alternate %s: exactly one of its fields is set. Decoding sets none "+
				"for a kind of value that is not among them.", name, d.Name), "alternate", &d.Header),
		codec: b.both(b.reach.codec(d)),
	}
	scope := names{}
	for _, alt := range d.Alternatives {
		f := alternative{fieldName(alt.Name), alt.Type.JSONKind(), b.goType(alt.Type)}
		if err := scope.take(f.name, fmt.Sprintf("alternative %s of %s", alt.Name, describe(d))); err != nil {
			return nil, err
		}
		a.alternatives = append(a.alternatives, f)
	}
	return a, nil
}

func (b *builder) command(d *qapi.Command) (*command, error) {
	c := &command{name: goName(d.Name), wire: d.Name, noReply: d.NoReply, allowOOB: d.AllowOOB}
	if d.Returns != nil {
		c.result = b.goType(d.Returns)
	}
	explicit := d.Arg != nil && !d.Arg.Head().Implicit
	if explicit {
		c.argType = typeName(d.Arg)
		c.merged = c.argType == c.name
	}
	if !c.merged {
		if _, taken := b.scope[c.name]; taken {
			c.name += "Command"
		}
		if err := b.scope.take(c.name, describe(d)); err != nil {
			return nil, err
		}
	}
	c.doc = definitionComment(fmt.Sprintf("%s is the QMP command %s.", c.name, d.Name), "command", &d.Header)
	if explicit && !d.NoGen {
		return c, nil
	}
	c.args = &object{name: c.name, receiver: "r", codec: b.both(codec{sent: d.Arg != nil})}
	if d.Arg != nil {
		if err := b.fields(c.args, d.Arg, d.Name); err != nil {
			return nil, err
		}
		if d.NoGen {
			c.args.extra = b.extraField(c.args)
		}
	}
	return c, nil
}

// extraField is the name of the field for what the schema does not declare: Props, unless a
// member has that name.
func (b *builder) extraField(o *object) string {
	scope := names{}
	for _, f := range o.fields {
		scope[f.name] = f.wire
	}
	return scope.free("Props", "OtherProps")
}

func (b *builder) event(d *qapi.Event) (*event, error) {
	e := &event{name: eventName(d), wire: d.Name}
	if err := b.scope.take(e.name, describe(d)); err != nil {
		return nil, err
	}
	e.doc = definitionComment(fmt.Sprintf("%s is the event %s.", e.name, d.Name), "event", &d.Header)
	b.pkg.events = append(b.pkg.events, e)
	if d.Arg != nil && !d.Arg.Head().Implicit {
		_, e.dataUnion = d.Arg.(*qapi.Union)
		e.dataType = typeName(d.Arg)
		return e, nil
	}
	e.data = &object{name: e.name, receiver: "v", codec: b.both(codec{received: true})}
	if d.Arg != nil {
		return e, b.fields(e.data, d.Arg, d.Name)
	}
	return e, nil
}

// unionWithImplicit makes the declaration of a union and of the implicit types that its
// branches are the first to use: those of simple unions, which QEMU had until 5.2.
func (b *builder) unionWithImplicit(d *qapi.Union) ([]decl, error) {
	u, err := b.union(d)
	if err != nil {
		return nil, err
	}
	decls := []decl{u}
	implicit := func(t qapi.Type, d qapi.Definition) (bool, error) {
		if !d.Head().Implicit || b.done[t] {
			return false, nil
		}
		b.done[t] = true
		return true, b.scope.take(typeName(d), describe(d))
	}
	if e, ok := d.Discriminator.Type.(*qapi.Enum); ok {
		isNew, err := implicit(e, e)
		if err == nil && isNew {
			var kind *enum
			kind, err = b.enum(e)
			decls = append(decls, kind)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, branch := range d.Branches {
		if branch.Type == nil {
			continue
		}
		isNew, err := implicit(branch.Type, branch.Type)
		if err == nil && isNew {
			var wrapper *object
			wrapper, err = b.object(branch.Type)
			decls = append(decls, wrapper)
		}
		if err != nil {
			return nil, err
		}
	}
	return decls, nil
}

func (b *builder) union(d *qapi.Union) (*object, error) {
	o, err := b.object(d)
	if err != nil {
		return nil, err
	}
	b.pkg.unions = true
	scope := names{}
	u := &union{iface: o.name + "Branch", marker: "is" + o.name + "Branch"}
	for _, f := range o.fields {
		scope[f.name] = f.wire
		if f.wire == d.Discriminator.Name {
			u.tag = f
		}
	}
	u.field = scope.free("Branch", "UnionBranch")
	if err := b.scope.take(u.iface, "the branches of "+describe(d)); err != nil {
		return nil, err
	}
	b.branches(u, d)
	u.tag.doc = append(comment{fmt.Sprintf("Decides what %s holds.", u.field)}, u.tag.doc...)
	o.union = u
	return o, nil
}

// branches groups the values of the discriminator by the type that serves them.
func (b *builder) branches(u *union, d *qapi.Union) {
	tagType := typeName(d.Discriminator.Type.(*qapi.Enum))
	index := map[string]int{}
	for _, br := range d.Branches {
		value := enumValue{name: constantName(tagType, br.Value), wire: br.Value}
		if br.Type == nil {
			u.empty = append(u.empty, value)
			continue
		}
		typ := typeName(br.Type)
		i, ok := index[typ]
		if !ok {
			i = len(u.branches)
			index[typ] = i
			u.branches = append(u.branches, branch{typ: typ})
		}
		u.branches[i].values = append(u.branches[i].values, value)
	}
}

// list joins the wire names of values.
func list(values []enumValue) string {
	wire := make([]string, len(values))
	for i, v := range values {
		wire[i] = v.wire
	}
	return strings.Join(wire, ", ")
}
