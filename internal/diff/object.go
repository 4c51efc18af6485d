package diff

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// objects are two structs or unions being compared.
type objects struct {
	c        *comparison
	n        *node // what it is reported in
	old, new *side

	// moved are the members of branches that are common ones in the other object, by branch.
	moved map[string][]string
}

// objects compares two structs or unions, but for members that have moved.
func (c *comparison) objects(n *node, old, new *introspect.Object, moved string) {
	n.features(Type, place{}, "$", old.Features, new.Features)
	o := &objects{c, n, newSide(c.old, old), newSide(c.new, new), map[string][]string{}}
	elsewhere := strings.Fields(moved)
	for _, name := range union(o.old.members, o.new.members) {
		if !slices.Contains(elsewhere, name) {
			o.common(name)
		}
	}
	for _, name := range union(o.old.branches, o.new.branches) {
		o.branch(name)
	}
}

// common compares a member that is a common one in either object.
func (o *objects) common(name string) {
	old, new := o.old.members[name], o.new.members[name]
	switch {
	case old != nil && new != nil:
		o.member(place{}, name, old, new)
	case new == nil:
		in, all := o.new.having(name, o.old)
		for _, branch := range in {
			o.moved[branch] = append(o.moved[branch], name)
			o.member(place{new: "+" + branch}, name, old, o.new.branches[branch].members[name])
		}
		if !all {
			o.n.report(finding{
				kind: Removed, what: Member, at: here(introspect.Component(name)), breaks: memberRemoved,
				old: o.old.view.describeMember(old), new: only(in),
			})
		}
	default:
		in, all := o.old.having(name, o.new)
		for _, branch := range in {
			o.moved[branch] = append(o.moved[branch], name)
			o.member(place{old: "+" + branch}, name, o.old.branches[branch].members[name], new)
		}
		if !all {
			o.n.report(finding{
				kind: Added, what: Member, at: here(introspect.Component(name)), breaks: memberAdded(new),
				old: only(in), new: o.new.view.describeMember(new),
			})
		}
	}
}

// only says that a member is in some branches.
func only(branches []string) string {
	if len(branches) == 0 {
		return ""
	}
	return "only in +" + strings.Join(branches, ", +")
}

// member compares two objects' members with one name.
func (o *objects) member(in place, name string, old, new *introspect.Member) {
	at := in.below(introspect.Component(name))
	o.n.features(Member, at, "$$", old.Features, new.Features)
	switch optional := in.below("*" + name); {
	case new.Optional && !old.Optional:
		o.n.report(finding{kind: Optional, what: Member, at: optional, breaks: memberOptional})
	case old.Optional && !new.Optional:
		o.n.report(finding{kind: Mandatory, what: Member, at: optional, breaks: memberMandatory})
	}
	o.c.position(o.n, Member, at, old.Type, new.Type)
}

// branch compares two objects' branches for one value of the discriminator. A branch that only
// one of them has is nothing new if the enums say the same of its value.
func (o *objects) branch(name string) {
	old, new := o.old.branches[name], o.new.branches[name]
	at := here("+" + name)
	moved := o.moved[name]
	switch {
	case old != nil && new != nil:
		p := pair{old.object.Name, new.object.Name, strings.Join(moved, " ")}
		o.n.edges = append(o.n.edges, edge{p, at})
	case new == nil && o.new.allows(name, o.old.object.Tag):
		breaks := nowhere
		for range old.without(moved) {
			breaks |= memberRemoved
		}
		o.n.report(finding{kind: Removed, what: Branch, at: at, breaks: breaks})
	case old == nil && o.old.allows(name, o.new.object.Tag):
		breaks := nowhere
		for _, m := range new.without(moved) {
			breaks |= memberAdded(m)
		}
		o.n.report(finding{kind: Added, what: Branch, at: at, breaks: breaks})
	}
}
