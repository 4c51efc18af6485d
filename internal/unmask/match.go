package unmask

import (
	"cmp"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A pair is a type of the server's schema, and one of the schema with names that stands where it
// does.
type pair struct{ live, old string }

// A candidate is a pair that may be one type.
type candidate struct {
	pair
	alike float64 // how alike the two are
	votes int     // in how many places they meet
	owner string  // of these places, the first by its old name; empty: a command or an event
}

// weight is the sum of a candidate's votes: each place has a vote, which counts as much as the
// types are alike.
func (c *candidate) weight() float64 { return c.alike * float64(c.votes) }

// A matcher finds the pairs of two schemas: it walks both from the names of the commands and
// events that both have, to all that is at the same place in both.
type matcher struct {
	live, old  *introspect.Schema
	candidates map[pair]*candidate
	queue      []*candidate
}

// match returns the pairs that may be one type, by the order in which the walk comes to them.
func match(live, old *introspect.Schema) []*candidate {
	m := &matcher{live: live, old: old, candidates: map[pair]*candidate{}}
	for _, info := range sorted(live) {
		switch info := info.(type) {
		case *introspect.Command:
			if was, ok := old.Lookup(info.Name).(*introspect.Command); ok {
				m.meet("", info.ArgType, was.ArgType)
				m.meet("", info.RetType, was.RetType)
			}
		case *introspect.Event:
			if was, ok := old.Lookup(info.Name).(*introspect.Event); ok {
				m.meet("", info.ArgType, was.ArgType)
			}
		}
	}
	for i := 0; i < len(m.queue); i++ { // the loop appends to it
		m.below(m.queue[i].pair)
	}
	return m.queue
}

// sorted returns the entries of a schema by their names, so that the result does not depend on
// their order.
func sorted(s *introspect.Schema) []introspect.Info {
	return slices.SortedFunc(slices.Values(s.Infos), func(a, b introspect.Info) int {
		return cmp.Compare(a.Head().Name, b.Head().Name)
	})
}

// meet notes that two types stand at one place, in a type that the old schema calls owner. Where
// the shape has changed too much, nothing can be compared.
func (m *matcher) meet(owner, live, old string) {
	_, array := m.live.Lookup(live).(*introspect.Array)
	if _, was := m.old.Lookup(old).(*introspect.Array); array != was {
		return
	}
	a, b := element(m.live, live), element(m.old, old)
	if a.MetaType() != b.MetaType() {
		return
	}
	if _, ok := a.(*introspect.Builtin); ok {
		return
	}
	p := pair{a.Head().Name, b.Head().Name}
	if c := m.candidates[p]; c != nil {
		c.votes++
		c.owner = min(c.owner, owner)
		return
	}
	alike, ok := compare(parts(m.live, a), parts(m.old, b))
	if !ok {
		return
	}
	c := &candidate{p, alike, 1, owner}
	m.candidates[p] = c
	m.queue = append(m.queue, c)
}

// below goes to the parts that both types of a pair have.
func (m *matcher) below(p pair) {
	switch live := m.live.Lookup(p.live).(type) {
	case *introspect.Object:
		old := m.old.Lookup(p.old).(*introspect.Object)
		for i := range live.Members {
			if was := old.Member(live.Members[i].Name); was != nil {
				m.meet(p.old, live.Members[i].Type, was.Type)
			}
		}
		for _, v := range live.Variants {
			if was := old.Variant(v.Case); was != nil {
				m.meet(p.old, v.Type, was.Type)
			}
		}
	case *introspect.Alternate:
		for _, t := range live.Types {
			for _, was := range m.old.Lookup(p.old).(*introspect.Alternate).Types {
				if kind(m.live, t) == kind(m.old, was) {
					m.meet(p.old, t, was)
				}
			}
		}
	}
}

// parts returns the parts of a type: values, members with their kinds, branches, alternatives.
func parts(s *introspect.Schema, info introspect.Info) map[string]bool {
	all := map[string]bool{}
	switch info := info.(type) {
	case *introspect.Enum:
		for i := range info.Members {
			all[info.Members[i].Name] = true
		}
	case *introspect.Object:
		for i := range info.Members {
			all[info.Members[i].Name+" "+kind(s, info.Members[i].Type)] = true
		}
		for _, v := range info.Variants {
			if !isEmpty(s.Lookup(v.Type)) {
				all["+"+v.Case] = true
			}
		}
	case *introspect.Alternate:
		for _, t := range info.Types {
			all[kind(s, t)] = true
		}
	}
	return all
}

// isEmpty reports whether a type has nothing in it.
func isEmpty(info introspect.Info) bool {
	o, ok := info.(*introspect.Object)
	return ok && len(o.Members) == 0 && len(o.Variants) == 0
}

// compare returns how similar two types are, by the share of their common parts, and whether they
// can be one type at all: at least the half of the smaller one is in the other, so that a type
// may have grown.
func compare(a, b map[string]bool) (alike float64, ok bool) {
	if len(a) == 0 || len(b) == 0 {
		return 1, len(a) == len(b)
	}
	shared := 0
	for part := range a {
		if b[part] {
			shared++
		}
	}
	return float64(shared) / float64(len(a)+len(b)-shared), shared > 0 && 2*shared >= min(len(a), len(b))
}

// choose gives each type of the server the most likely type with a name, and no type twice.
// Between equals the place decides: a command comes before a type, and SocketAddress before
// SocketAddressLegacy. Types that already have names keep them.
func choose(candidates []*candidate, own map[string]string) (chosen map[string]string) {
	chosen = map[string]string{}
	taken := map[string]bool{}
	for live, name := range own {
		chosen[live] = name
		taken[name] = true
	}
	best := slices.SortedStableFunc(slices.Values(candidates), func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.owner, b.owner), cmp.Compare(a.old, b.old))
	})
	for _, c := range best {
		if _, ok := chosen[c.live]; !ok && !taken[c.old] {
			chosen[c.live] = c.old
			taken[c.old] = true
		}
	}
	return chosen
}

// ownNames are the names that types have already: those of an array that was made without masking.
func ownNames(s *introspect.Schema) map[string]string {
	own := map[string]string{}
	for _, info := range s.Infos {
		name := info.Head().Name
		switch info.(type) {
		case *introspect.Enum, *introspect.Object, *introspect.Alternate:
			if !isNumber(name) && !isImplicit(name) {
				own[name] = name
			}
		}
	}
	return own
}

func isNumber(name string) bool { return strings.Trim(name, "0123456789") == "" }

// isImplicit reports whether a name is that of a type which QAPI makes itself, such as
// q_obj_device_add-arg.
func isImplicit(name string) bool { return strings.HasPrefix(name, "q_") }
