package vet

import (
	"go/token"
	"go/types"
	"maps"
)

// A flow is what the analyzer knows at a place of a function.
type flow struct {
	s     state                   // the releases that reach the place for sure; no doubt decides about them
	may   state                   // the releases that may reach the place, if each doubt lets them pass
	vars  map[*types.Var]assigned // the possible values of tracked variables
	looks map[look]bool           // the members and pointers that the program has compared with nil
}

// assigned has the assignments that can have given a variable its value, each with the guard of the value. It is
// immutable.
type assigned map[*def]guard

func newFlow(s, may state) *flow {
	return &flow{s, may, map[*types.Var]assigned{}, map[look]bool{}}
}

func (f *flow) clone() *flow {
	return &flow{f.s, f.may, maps.Clone(f.vars), maps.Clone(f.looks)}
}

// join adds what another way to the place brings.
func (f *flow) join(g *flow) {
	f.s |= g.s
	f.may |= g.may
	for v, a := range g.vars {
		f.vars[v] = f.vars[v].join(a, g.may)
	}
	maps.Copy(f.looks, g.looks)
}

// join returns the assignments of two ways to a place. Only the releases of may come by the second one.
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

// doubt notes that a doubt decides whether control comes here. So the values of variables are sure for the releases
// of s only.
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

// restore notes that the two ways out of a doubt have met again. The variables that they did not set are as before.
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

// leave forgets the variables whose scope does not contain the place.
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

// equal reports whether two flows are equal.
func (f *flow) equal(g *flow) bool {
	return f.s == g.s && f.may == g.may && maps.Equal(f.looks, g.looks) && maps.EqualFunc(f.vars, g.vars, maps.Equal)
}
