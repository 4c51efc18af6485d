package qapi

import (
	"strconv"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// IntrospectOptions selects the server for [Schema.Introspect]. The zero value stands for a
// server in which all conditions hold.
type IntrospectOptions struct {
	// Config reports whether a name is in the configuration of the server's build. nil means that
	// all names are.
	Config func(name string) bool

	// Unmask keeps the names of types. Otherwise types get numbers, as a server sends them.
	Unmask bool

	// ValuesOnly describes the values of enums by their names alone, without features, as QEMU up
	// to 6.1 does.
	ValuesOnly bool
}

// Introspect returns the answer to query-qmp-schema of a server that is built from the schema. It
// has the commands and events, then the types that they use, in the order of QEMU's generator.
//
// A type whose condition does not hold still takes a number, so the numbers have gaps.
func (s *Schema) Introspect(opts IntrospectOptions) *introspect.Schema {
	v := &introspector{
		opts:    opts,
		masks:   map[string]string{},
		queued:  map[string]bool{},
		builtin: map[string]*Builtin{},
	}
	for _, b := range builtins {
		v.builtin[b.name] = b
	}
	for _, m := range s.Modules {
		for _, d := range m.Definitions {
			v.visit(d)
		}
	}
	for i := 0; i < len(v.queue); i++ { // the loop appends to it
		v.visitType(v.queue[i])
	}
	return introspect.New(v.infos)
}

// introspector makes the view of a schema.
type introspector struct {
	opts    IntrospectOptions
	infos   []introspect.Info
	masks   map[string]string // of types, by name
	queue   []Type            // those that are used, in order of their first use
	queued  map[string]bool   // by name
	builtin map[string]*Builtin
}

// emptyObject stands for no arguments, no result and no members.
var emptyObject = &Struct{Header: Header{Name: emptyName, Implicit: true}}

func (v *introspector) holds(c Cond) bool {
	return c == nil || v.opts.Config == nil || Eval(c, v.opts.Config)
}

// add adds an entry, unless the condition leaves it out.
func (v *introspector) add(c Cond, info introspect.Info) {
	if v.holds(c) {
		v.infos = append(v.infos, info)
	}
}

// visit adds a command or an event.
func (v *introspector) visit(d Definition) {
	switch d := d.(type) {
	case *Command:
		arg := v.useOrEmpty(d.Arg)
		ret := v.useOrEmpty(d.Returns)
		v.add(d.If, &introspect.Command{
			Header:  introspect.Header{Name: d.Name, Features: v.features(d.Features)},
			ArgType: arg, RetType: ret, AllowOOB: d.AllowOOB,
		})
	case *Event:
		arg := v.useOrEmpty(d.Arg)
		v.add(d.If, &introspect.Event{
			Header:  introspect.Header{Name: d.Name, Features: v.features(d.Features)},
			ArgType: arg,
		})
	}
}

// useOrEmpty is use, where nil stands for the empty object.
func (v *introspector) useOrEmpty(t Type) string {
	if t == nil {
		return v.use(emptyObject)
	}
	return v.use(t)
}

// use queues a type on its first use, and returns the name that the view has for it. All
// integers are one type.
func (v *introspector) use(t Type) string {
	t = v.plain(t)
	if name := t.TypeName(); !v.queued[name] {
		v.queued[name] = true
		v.queue = append(v.queue, t)
	}
	switch t := t.(type) {
	case *Builtin:
		return t.name
	case *Array:
		return "[" + v.use(t.Element) + "]"
	}
	return v.mask(t.TypeName())
}

// plain returns int for all integers, and an array of int for an array of one of them.
func (v *introspector) plain(t Type) Type {
	if t.JSONKind() == KindInt {
		return v.builtin["int"]
	}
	if a, ok := t.(*Array); ok && a.Element.JSONKind() == KindInt {
		return &Array{v.builtin["int"]}
	}
	return t
}

// mask returns the number or word in place of a type's name, by the order of first use.
func (v *introspector) mask(name string) string {
	if v.opts.Unmask {
		return name
	}
	m, ok := v.masks[name]
	if !ok {
		m = strconv.Itoa(len(v.masks))
		v.masks[name] = m
	}
	return m
}

// visitType adds a type that is used.
func (v *introspector) visitType(t Type) {
	switch t := t.(type) {
	case *Builtin:
		v.add(nil, &introspect.Builtin{Header: introspect.Header{Name: t.name}, JSONType: string(t.kind)})
	case *Array:
		element := v.use(t.Element)
		v.add(condOf(t), &introspect.Array{
			Header: introspect.Header{Name: "[" + element + "]"}, ElementType: element,
		})
	case *Enum:
		enum := &introspect.Enum{ValuesOnly: v.opts.ValuesOnly}
		for _, value := range t.Values {
			if v.holds(value.If) {
				enum.Members = append(enum.Members, introspect.EnumMember{
					Name: value.Name, Features: v.features(value.Features),
				})
			}
		}
		enum.Header = v.head(&t.Header)
		v.add(t.If, enum)
	case *Struct:
		v.addObject(t, nil)
	case *Union:
		v.addObject(t, t)
	case *Alternate:
		alternate := &introspect.Alternate{}
		for _, a := range t.Alternatives {
			if name := v.use(a.Type); v.holds(a.If) {
				alternate.Types = append(alternate.Types, name)
			}
		}
		alternate.Header = v.head(&t.Header)
		v.add(t.If, alternate)
	}
}

// addObject adds a struct or a union; u is nil for a struct.
func (v *introspector) addObject(t ObjectType, u *Union) {
	o := &introspect.Object{}
	for _, m := range t.AllMembers() {
		if name := v.use(m.Type); v.holds(m.If) {
			o.Members = append(o.Members, introspect.Member{
				Name: m.Name, Type: name, Optional: m.Optional, Features: v.features(m.Features),
			})
		}
	}
	if u != nil {
		o.Tag = u.Discriminator.Name
		for _, b := range u.Branches {
			if name := v.useOrEmpty(b.Type); v.holds(b.If) {
				o.Variants = append(o.Variants, introspect.Variant{Case: b.Value, Type: name})
			}
		}
	}
	o.Header = v.head(t.Head())
	v.add(t.Head().If, o)
}

// head makes the header of a type that has a name, which gets its number at the latest here.
func (v *introspector) head(h *Header) introspect.Header {
	return introspect.Header{Name: v.mask(h.Name), Features: v.features(h.Features)}
}

// features returns the names of the features that there are: an empty list if conditions leave
// all of them out.
func (v *introspector) features(features []*Feature) (names []string) {
	if len(features) > 0 {
		names = []string{}
	}
	for _, f := range features {
		if v.holds(f.If) {
			names = append(names, f.Name)
		}
	}
	return names
}
