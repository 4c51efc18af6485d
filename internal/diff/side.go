package diff

import (
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A side is one of two objects that are compared, with the parts to look for in it.
type side struct {
	view     *view
	object   *introspect.Object
	members  map[string]*introspect.Member // the common ones
	branches map[string]*side              // without branches of their own
}

func newSide(v *view, o *introspect.Object) *side {
	s := newBranch(v, o)
	s.branches = make(map[string]*side, len(o.Variants))
	for _, variant := range o.Variants {
		if s.branches[variant.Case] == nil {
			s.branches[variant.Case] = newBranch(v, v.Lookup(variant.Type).(*introspect.Object))
		}
	}
	return s
}

func newBranch(v *view, o *introspect.Object) *side {
	s := &side{view: v, object: o, members: make(map[string]*introspect.Member, len(o.Members))}
	for i := range o.Members {
		if m := &o.Members[i]; s.members[m.Name] == nil {
			s.members[m.Name] = m
		}
	}
	return s
}

// allows reports whether an object may have a value in the member that is the other side's
// discriminator. It may not only if an enum says so.
func (s *side) allows(value, tag string) bool {
	m := s.members[tag]
	if m == nil {
		return true
	}
	e, ok := s.view.Lookup(m.Type).(*introspect.Enum)
	return !ok || e.Member(value) != nil
}

// having returns the branches that have a member, of those whose values the other side allows;
// all says that these are all of them, and that there are any.
func (s *side) having(member string, other *side) (branches []string, all bool) {
	n := 0
	for _, name := range union(s.branches, nil) {
		if !other.allows(name, s.object.Tag) {
			continue
		}
		n++
		if s.branches[name].members[member] != nil {
			branches = append(branches, name)
		}
	}
	return branches, n > 0 && len(branches) == n
}

// without returns the members of a branch but for some.
func (s *side) without(moved []string) (rest []*introspect.Member) {
	for name, m := range s.members {
		if !slices.Contains(moved, name) {
			rest = append(rest, m)
		}
	}
	return rest
}
