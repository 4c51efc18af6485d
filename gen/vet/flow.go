package vet

import (
	"go/token"
	"go/types"
	"maps"
)

// A flow is what is known at a place of a function.
type flow struct {
	s     state                   // the releases that come to the place, as far as vet understands why
	may   state                   // the same if no condition counts that vet does not understand
	vars  map[*types.Var]assigned // what tracked variables can have
	looks map[look]bool           // members and pointers that were compared with nil
}

// assigned has the assignments from which a variable can have its value, and what they say of it. It is not changed.
type assigned map[*def]guard

func newFlow(s, may state) *flow {
	return &flow{s, may, map[*types.Var]assigned{}, map[look]bool{}}
}

func (f *flow) clone() *flow {
	return &flow{f.s, f.may, maps.Clone(f.vars), maps.Clone(f.looks)}
}

// join adds what comes by another way.
func (f *flow) join(g *flow) {
	f.s |= g.s
	f.may |= g.may
	for v, a := range g.vars {
		f.vars[v] = f.vars[v].join(a, g.may)
	}
	maps.Copy(f.looks, g.looks)
}

// join returns the assignments of two ways. By the second one only some releases come.
func (a assigned) join(b assigned, may state) assigned {
	same := true
	for d, is := range b {
		if old, ok := a[d]; is != is.within(may) || a != nil && (!ok || old.or(is) != old) {
			same = false
		}
	}
	switch {
	case same && a == nil:
		return b
	case same:
		return a
	}
	out := make(assigned, len(a)+len(b))
	maps.Copy(out, a)
	for d, is := range b {
		out[d] = out[d].or(is.within(may))
	}
	return out
}

// doubt says that a condition which is not understood decides whether control comes here: what variables have is
// not known to be what they have for all releases that come.
func (f *flow) doubt() {
	for v, a := range f.vars {
		f.vars[v] = a.doubt(f.s)
	}
}

func (a assigned) doubt(s state) assigned {
	out := assigned{}
	for d, g := range a {
		g.yes, g.no = g.yes&s, g.no&s
		out[d] = g
	}
	return out
}

// restore says that the two ways of a condition which is not understood have met again. What they did not set is as
// it was before.
func (f *flow) restore(before *flow, set map[*def]bool) {
	f.s |= f.may & before.s
	for v, a := range before.vars {
		same := true
		for d := range f.vars[v] {
			same = same && !set[d]
		}
		if same {
			f.vars[v] = f.vars[v].join(a, f.may)
		}
	}
}

// leave forgets the variables whose scope does not have a place.
func (f *flow) leave(place token.Pos) {
	if !place.IsValid() {
		return
	}
	gone := func(obj types.Object) bool {
		scope := obj.Parent()
		return scope != nil && obj.Pkg() != nil && scope != obj.Pkg().Scope() && !scope.Contains(place)
	}
	maps.DeleteFunc(f.vars, func(v *types.Var, _ assigned) bool { return gone(v) })
	maps.DeleteFunc(f.looks, func(l look, _ bool) bool { return l.root == nil || gone(l.root) })
}

// equal reports whether a flow says the same.
func (f *flow) equal(g *flow) bool {
	return f.s == g.s && f.may == g.may && maps.Equal(f.looks, g.looks) && maps.EqualFunc(f.vars, g.vars, maps.Equal)
}
