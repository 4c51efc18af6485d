package unmask

import (
	"cmp"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// describe makes the definitions of all that the server has.
func (b *builder) describe() {
	b.findBases()
	for _, info := range b.live.Infos {
		switch info := info.(type) {
		case *introspect.Command:
			b.command(info)
		case *introspect.Event:
			b.event(info)
		default:
			if b.types[info.Head().Name] != "" {
				b.typ(info)
			}
		}
	}
	b.sort()
}

// typ makes the definition of a type that has a name. A server also lists types that only the
// left-out parts of its build use. These have no name here.
func (b *builder) typ(info introspect.Info) {
	switch info := info.(type) {
	case *introspect.Enum:
		b.enum(info)
	case *introspect.Object:
		b.object(info)
	case *introspect.Alternate:
		b.alternate(info)
	}
}

// define adds a definition.
func (b *builder) define(kind, name string, h *introspect.Header) *definition {
	d := &definition{
		kind: kind, name: name, features: newFeatures(h.Features),
		module: cmp.Or(b.names.module(name), b.modules[name], newModule),
		since:  b.names.since(name), seen: b.names.seen(name),
	}
	b.definitions = append(b.definitions, d)
	return d
}

func (b *builder) command(info *introspect.Command) {
	d := b.define("command", info.Name, &info.Header)
	was, _ := b.names.Lookup(info.Name).(*qapi.Command)
	arg := b.live.Lookup(info.ArgType).(*introspect.Object)
	d.flags = flagsOf(info.Name, was, arg.Tag != "")
	d.flags.allowOOB = info.AllowOOB
	d.flags.coroutine = d.flags.coroutine && !info.AllowOOB // which QAPI has not both of
	b.takes(d, arg)
	var returns qapi.Type
	if was != nil {
		returns = was.Returns
	}
	if !isEmpty(b.live.Lookup(info.RetType)) || b.types[info.RetType] != "" {
		d.returns = b.ref(info.RetType, returns)
	}
}

func (b *builder) event(info *introspect.Event) {
	d := b.define("event", info.Name, &info.Header)
	if was, ok := b.names.Lookup(info.Name).(*qapi.Event); ok {
		d.flags.boxed = was.Boxed
	}
	b.takes(d, b.live.Lookup(info.ArgType).(*introspect.Object))
}

// takes fills in those of a command or an event.
func (b *builder) takes(d *definition, o *introspect.Object) {
	d.data = b.types[o.Name]
	d.flags.boxed = d.data != "" && (d.flags.boxed || o.Tag != "")
	if d.data == "" {
		d.members = b.members(o, b.like[o.Name], nil)
	}
}

func (b *builder) enum(info *introspect.Enum) {
	d := b.define("enum", b.types[info.Name], &info.Header)
	if was, ok := b.like[info.Name].(*qapi.Enum); ok {
		d.prefix = was.Prefix
	}
	for _, m := range info.Members {
		d.values = append(d.values, &qapi.EnumValue{Name: m.Name, Features: newFeatures(m.Features)})
	}
}

func (b *builder) object(info *introspect.Object) {
	kind := "struct"
	if info.Tag != "" {
		kind = "union"
	}
	d := b.define(kind, b.types[info.Name], &info.Header)
	base := b.derived[info.Name]
	if base != nil {
		d.base = b.types[base.Name]
	}
	d.members = b.members(info, b.like[info.Name], base)
	d.tag = info.Tag
	for _, v := range info.Variants {
		if typ := b.types[v.Type]; typ != "" {
			d.branches = append(d.branches, branch{value: v.Case, typ: typ})
		}
	}
}

func (b *builder) alternate(info *introspect.Alternate) {
	d := b.define("alternate", b.types[info.Name], &info.Header)
	was, _ := b.like[info.Name].(*qapi.Alternate)
	for _, t := range info.Types {
		name, typ := b.alternative(t, was)
		d.members = append(d.members, member{name: name, typ: b.ref(t, typ)})
	}
}

// alternative returns the name of an alternative, which is that of the old one for the same kind
// of value, and the type of that one.
func (b *builder) alternative(live string, was *qapi.Alternate) (name string, typ qapi.Type) {
	json := kind(b.live, live)
	if was != nil {
		for _, a := range was.Alternatives {
			if string(a.Type.JSONKind()) == json {
				return a.Name, a.Type
			}
		}
	}
	return cmp.Or(alternativeNames[json], json), nil
}

// alternativeNames are QEMU's usual names for alternatives of these kinds, where it has another
// word than JSON.
var alternativeNames = map[string]string{"string": "str", "boolean": "bool", "array": "list"}

// members returns the members of an object but those of its base.
func (b *builder) members(o *introspect.Object, was qapi.Type, base *introspect.Object) (all []member) {
	for i := range o.Members {
		m := &o.Members[i]
		if base != nil && base.Member(m.Name) != nil {
			continue
		}
		var typ qapi.Type
		if old := memberOf(was, m.Name); old != nil {
			typ = old.Type
		}
		all = append(all, member{
			name: m.Name, typ: b.ref(m.Type, typ), optional: m.Optional, features: newFeatures(m.Features),
		})
	}
	return all
}

// ref returns the reference to a type of the server's that stands where an old one did, which
// knows the widths of integers; nil if there was none.
func (b *builder) ref(live string, was qapi.Type) ref {
	switch info := b.live.Lookup(live).(type) {
	case *introspect.Array:
		element := qapi.Type(nil)
		if a, ok := was.(*qapi.Array); ok {
			element = a.Element
		}
		return ref{b.ref(info.ElementType, element).name, true}
	case *introspect.Builtin:
		if old, ok := was.(*qapi.Builtin); ok && old.JSONKind() == qapi.KindInt && info.JSONType == string(qapi.KindInt) {
			return ref{old.TypeName(), false}
		}
		return ref{live, false}
	}
	return ref{b.types[live], false}
}

func newFeatures(names []string) (features []*qapi.Feature) {
	for _, name := range names {
		features = append(features, &qapi.Feature{Name: name})
	}
	return features
}
