package diff

import "github.com/qmpkit/qmpkit/qmp/introspect"

// position compares two types where something has them, which is retyped if they take other kinds
// of JSON. Their common parts are compared separately.
func (c *comparison) position(n *node, what What, at place, old, new string) {
	r := relation{comparison: c}
	r.types(c.old.Lookup(old), c.new.Lookup(new))
	if r.retyped {
		n.report(finding{
			kind: Retyped, what: what, at: at, breaks: r.breaks,
			old: c.old.describe(old), new: c.new.describe(new),
		})
	}
	for _, p := range r.pairs {
		n.edges = append(n.edges, edge{p, at})
	}
}

// alternates compares two alternates.
func (c *comparison) alternates(n *node, old, new *introspect.Alternate) {
	n.features(Type, place{}, "$", old.Features, new.Features)
	r := relation{comparison: c}
	r.leaves(old, new)
	if r.retyped {
		n.report(finding{
			kind: Retyped, what: Type, breaks: r.breaks,
			old: c.old.describe(old.Name), new: c.new.describe(new.Name),
		})
	}
	for _, p := range r.pairs {
		n.edges = append(n.edges, edge{to: p})
	}
}

// A relation is the relation between two types.
type relation struct {
	*comparison
	retyped bool
	breaks  ways
	pairs   []pair // of types to be compared on their own
}

// types relates two types.
func (r *relation) types(old, new introspect.Info) {
	if !r.alike(old, new) {
		r.leaves(old, new)
	}
}

// alike relates types of the same kind, other than built-in ones. Arrays are looked into, since
// they have nothing of their own.
func (r *relation) alike(old, new introspect.Info) bool {
	ok := false
	switch a := old.(type) {
	case *introspect.Array:
		var b *introspect.Array
		if b, ok = new.(*introspect.Array); ok {
			r.types(r.old.Lookup(a.ElementType), r.new.Lookup(b.ElementType))
		}
		return ok
	case *introspect.Object:
		_, ok = new.(*introspect.Object)
	case *introspect.Enum:
		_, ok = new.(*introspect.Enum)
	case *introspect.Alternate:
		_, ok = new.(*introspect.Alternate)
	}
	if ok {
		r.pairs = append(r.pairs, pair{old: old.Head().Name, new: new.Head().Name})
	}
	return ok
}

// leaves relates types by the kinds of JSON that they take.
func (r *relation) leaves(old, new introspect.Info) {
	before, after := r.old.leaves(old), r.new.leaves(new)
	was, is := kindsOf(before), kindsOf(after)
	if !was.take(is) || !is.take(was) {
		r.retyped = true
		r.breaks |= retyped(was, is)
	}
	for _, a := range before {
		for _, b := range after {
			r.alike(a, b)
		}
	}
}
