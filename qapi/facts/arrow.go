package facts

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// An arrow is a part with the times in which it existed.
type arrow struct {
	target   string
	spans    []span
	optional []span
	lists    []span // the times in which it was a list
	part     *part
}

// arrowsOf returns the arrows of a node by label.
func (t *Table) arrowsOf(n *node) map[string][]arrow {
	if arrows, ok := t.arrows.Load(n); ok {
		return arrows.(map[string][]arrow)
	}
	arrows, _ := t.arrows.LoadOrStore(n, t.conclude(n))
	return arrows.(map[string][]arrow)
}

// conclude concludes when the parts of a node existed. Parts with the same label are forms of one thing.
func (t *Table) conclude(n *node) map[string][]arrow {
	forms := map[string][]*part{}
	for _, p := range n.parts {
		forms[p.label] = append(forms[p.label], p)
	}
	arrows := map[string][]arrow{}
	whole := map[string][]span{}                            // by label, for all forms together
	for _, label := range slices.Sorted(maps.Keys(forms)) { // "a" before "a/$$b"
		var parts []*part
		removed := ""
		for _, p := range forms[label] {
			if p.seen != 0 {
				parts = append(parts, p)
			} else {
				removed = cmp.Or(removed, p.had.to)
				a := arrow{target: p.target, part: p, spans: p.had.spans()}
				if p.mayLack.to != "" {
					a.optional = a.spans
				}
				if p.list != 0 {
					a.lists = a.spans
				}
				arrows[label] = append(arrows[label], a)
			}
		}
		if parts == nil {
			continue
		}
		e := t.evidence(n, label, parts)
		e.removed = cmp.Or(e.removed, removed)
		if owner, _, ok := strings.Cut(label, "/"); ok {
			e.holder = whole[owner]
		}
		whole[label] = t.spans(e)
		forms := t.forms(parts, e)
		for i, p := range parts {
			a := arrow{target: p.target, part: p}
			a.spans = intersections(forms[i], whole[label])
			a.optional = t.optional(whole[label], e, p)
			a.lists = a.spans
			if p.list != p.seen {
				a.lists = intersections(t.spans(t.form(e, p.list)), a.spans)
			}
			arrows[label] = append(arrows[label], a)
		}
	}
	return arrows
}

// evidence collects the evidence for the parts with a label.
func (t *Table) evidence(n *node, label string, parts []*part) *evidence {
	e := &evidence{asked: n.holder().seen, owner: n.holder(), floor: floor(n, label)}
	optional := set(0)
	for _, p := range parts {
		e.seen |= p.seen
		optional |= p.optional
		e.remarks = append(e.remarks, p.remarks...)
		e.removed = cmp.Or(e.removed, p.removed)
		if p.cond != "" {
			e.asked = 0
		}
	}
	for _, user := range n.users { // an answer has no bases: a member may have moved to a type with this base
		for _, p := range user.parts {
			if p.label == label {
				e.asked &^= p.seen
			}
		}
	}
	slices.SortStableFunc(e.remarks, func(a, b remark) int { return Compare(a.source, b.source) })
	if len(parts) == 1 {
		for _, name := range append([]string{parts[0].target}, parts[0].with...) {
			e.targets = append(e.targets, t.nodes[name])
		}
	}
	silent := len(e.remarks) == 0
	tag, enum, _ := strings.Cut(n.tag, ":")
	switch {
	case n.isSure(parts[0]):
		e.lenient = true
	case label[0] == '+':
		e.least = func(g gap) Date { return t.unionDate(n, g) }
		e.holder = t.valueSpans(enum, label[1:])
	case label == tag:
		e.least = func(g gap) Date { return t.unionDate(n, g) }
		e.mandatory = silent
	case strings.HasSuffix(label, "$"+qapi.Deprecated):
		e.sudden = true
	case n.kind == "struct" || n.kind == "union":
		e.mandatory = silent && optional == 0 && !strings.Contains(label, "$")
	}
	return e
}

// holder returns the node that the parts of a node belong to: for the type of arguments, the command or the event.
func (n *node) holder() *node {
	if strings.HasPrefix(n.name, "q_obj_") && len(n.users) == 1 {
		return n.users[0]
	}
	return n
}

// valueSpans returns the times in which an enum has a value.
func (t *Table) valueSpans(enum, value string) []span {
	if n := t.nodes[enum]; n != nil {
		for _, a := range t.arrowsOf(n)["^"+value] {
			return a.spans
		}
	}
	return nil
}

// unionDate returns the date at which a struct became a union: that of the first type of a branch.
func (t *Table) unionDate(n *node, g gap) (d Date) {
	if g.lacking < 0 || !n.seen.has(g.lacking) {
		return d
	}
	var types []*node
	for _, p := range n.parts {
		switch {
		case p.label[0] != '+':
		case p.seen.has(g.lacking):
			return d // it was a union already
		case g.cameWith(t.nodes[p.target]):
			types = append(types, t.nodes[p.target])
		}
	}
	return t.earliest(types, g)
}

// earliest returns the date of the earliest type, or no date if a type is older than the gap.
func (t *Table) earliest(types []*node, g gap) (first Date) {
	for _, n := range types {
		if !g.cameWith(n) {
			if n != nil {
				return Date{}
			}
			continue
		}
		if d := t.nodeDate(n, g); d.After == "" && g.has(d.Release) && (first.Release == "" || Compare(d.Release, first.Release) < 0) {
			first = d
		}
	}
	return first
}

// optional returns the times in which a member was optional. Between a schema in which it is optional and one in which it
// is mandatory, it may have been either.
func (t *Table) optional(whole []span, e *evidence, p *part) []span {
	if p.optional == e.seen {
		return whole
	}
	form := t.form(e, p.optional)
	form.removed = p.mayLack.to
	if p.mayLack.from != "" {
		form.remarks = []remark{{p.mayLack.from, history}}
	}
	return intersections(t.spans(form), whole)
}

// form returns the evidence for one of several forms of a thing.
func (t *Table) form(whole *evidence, seen set) *evidence {
	form := &evidence{seen: seen, lenient: true}
	for i := range t.sources { // a source without the thing shows nothing about its form
		if whole.seen.has(i) {
			form.asked |= 1 << i
		}
	}
	return form
}

// forms returns the times of each type that a thing had. A type went when the next one came, and came not before its own
// date.
func (t *Table) forms(parts []*part, whole *evidence) [][]span {
	if len(parts) == 1 && parts[0].from == "" {
		return [][]span{t.spans(whole)}
	}
	var forms []*evidence
	var times [][]span
	for _, p := range parts {
		e := t.form(whole, p.seen)
		if p.from != "" {
			e.remarks = []remark{{p.from, history}}
		}
		e.least = func(g gap) Date {
			if n := t.nodes[p.target]; n != nil && g.lacking >= 0 && g.cameWith(n) {
				if d := g.last(t.nodeSpans(n)); d.After == "" && g.has(d.Release) {
					return d
				}
			}
			return Date{}
		}
		forms, times = append(forms, e), append(times, t.spans(e))
	}
	for i, e := range forms {
		for j, others := range times {
			if i != j {
				e.successors = append(e.successors, others...)
			}
		}
		times[i] = t.spans(e)
	}
	return times
}
