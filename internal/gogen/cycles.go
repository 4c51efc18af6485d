package gogen

import "github.com/qmpkit/qmpkit/qapi"

// cycles finds types that would contain each other by value, which Go does not allow. Types in the same
// cycle have the same number. Optional members, branches and alternatives are pointers, and break a cycle;
// so do arrays.
type cycles map[qapi.Type]int

// holds reports whether a value of type t, as a field, would contain its owner.
func (c cycles) holds(owner, t qapi.Type) bool {
	n, ok := c[owner]
	m, also := c[t]
	return ok && also && n == m
}

// findCycles finds the strongly connected components of the types by the members that they hold,
// by Tarjan's algorithm: a member of the owner's component leads back to the owner.
func findCycles(schema *qapi.Schema) cycles {
	f := &cycleFinder{order: map[qapi.Type]int{}, lowest: map[qapi.Type]int{}, found: cycles{}}
	for _, d := range schema.Definitions {
		if t, ok := d.(qapi.ObjectType); ok && f.order[t] == 0 {
			f.visit(t)
		}
	}
	return f.found
}

type cycleFinder struct {
	order, lowest map[qapi.Type]int // of the visit, from 1; the lowest that a type leads to
	stack         []qapi.ObjectType // visited, and not yet in a component
	components    int
	found         cycles
}

func (f *cycleFinder) visit(t qapi.ObjectType) {
	n := len(f.order) + 1
	f.order[t], f.lowest[t] = n, n
	f.stack = append(f.stack, t)
	for _, m := range t.AllMembers() {
		next, ok := m.Type.(qapi.ObjectType)
		if !ok || m.Optional {
			continue
		}
		if f.order[next] == 0 {
			f.visit(next)
		}
		if _, done := f.found[next]; !done {
			f.lowest[t] = min(f.lowest[t], f.lowest[next])
		}
	}
	if f.lowest[t] < n {
		return
	}
	f.components++
	for last := qapi.ObjectType(nil); last != t; {
		last = f.stack[len(f.stack)-1]
		f.stack = f.stack[:len(f.stack)-1]
		f.found[last] = f.components
	}
}
