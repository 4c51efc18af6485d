package cmdline

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// An occurrence is a member with its type, and the values of the discriminator whose branches have it with that type.
type occurrence struct {
	field
	cases []string
}

// anywhere looks for a member of an object, first in the branches that the topic selects, then in all branches. Members of
// different branches can have the same name and different types. anywhere also returns the names of all members.
func (x *explainer) anywhere(p place, o *introspect.Object, name string) (found []occurrence, names []string) {
	fields, undecided := x.fieldsOf(p, o, x.entries(p))
	for _, f := range fields {
		if f.Name == name {
			return []occurrence{{field: f}}, nil
		}
		names = append(names, f.Name)
	}
	if undecided == nil {
		return nil, names
	}
	for _, v := range undecided.Variants {
		branch, ok := x.Schema.Lookup(v.Type).(*introspect.Object)
		if !ok {
			continue
		}
		for _, m := range branch.Members {
			names = append(names, m.Name)
			if m.Name != name {
				continue
			}
			i := slices.IndexFunc(found, func(o occurrence) bool { return o.Type == m.Type })
			if i < 0 {
				i, found = len(found), append(found, occurrence{field: field{m, p.path + "/+" + v.Case}})
			}
			found[i].cases = append(found[i].cases, v.Case)
		}
	}
	slices.Sort(names)
	return found, slices.Compact(names)
}

// leading returns the first occurrence whose type has the next member of the topic, or else the last one.
func (x *explainer) leading(found []occurrence, after string) (*field, []string) {
	if len(found) == 0 {
		return nil, nil
	}
	next, _, _ := strings.Cut(after, ".")
	i := slices.IndexFunc(found, func(f occurrence) bool {
		o := x.objectOf(x.Schema.Lookup(f.Type))
		if o == nil {
			return false
		}
		below, _ := x.anywhere(place{}, o, next)
		return len(below) > 0
	})
	if i < 0 {
		i = len(found) - 1
	}
	return &found[i].field, found[i].cases
}

// several explains a member whose type depends on the branch.
func (x *explainer) several(p place, o *introspect.Object, name string, found []occurrence) *Help {
	tag := p.member(o.Tag).key()
	h := &Help{Kind: "member", Type: "depends on " + tag}
	for _, f := range found {
		at := p
		at.path = f.path
		at = at.member(name)
		notes := x.notes(at.path, p.command, f.Features)
		if !f.Optional {
			notes = append([]string{mandatory}, notes...)
		}
		h.Cases = append(h.Cases, Item{Name: tag + "=" + strings.Join(some(f.cases, 4), ","), Type: x.inWords(at, x.Schema.Lookup(f.Type)), Note: strings.Join(notes, "; ")})
	}
	h.More = x.moreOf(p, o.Tag, found[0].cases[0], p.member(name))
	return h
}

// moreOf returns the topic that explains a place with a value of the discriminator. It returns "" for a result or an
// event, whose topics have no discriminators.
func (x *explainer) moreOf(p place, tag, value string, of place) string {
	if _, ok := x.Schema.Lookup(p.command).(*introspect.Command); !ok || strings.Contains(p.path, "/ret-type") {
		return ""
	}
	topic := p.command + " " + p.member(tag).key() + "=" + value
	if len(of.names) > 0 {
		topic += " " + of.key()
	}
	return topic
}
