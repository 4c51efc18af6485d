package facts

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// An arrow is a part with the times in which it was there.
type arrow struct {
	target   string
	spans    []span
	optional []span
	lists    []span // in which it was a list
	part     *part
}

// arrowsOf returns the parts of a node by their labels.
func (t *Table) arrowsOf(n *node) map[string][]arrow {
	if arrows, ok := t.arrows.Load(n); ok {
		return arrows.(map[string][]arrow)
	}
	arrows, _ := t.arrows.LoadOrStore(n, t.conclude(n))
	return arrows.(map[string][]arrow)
}

// conclude concludes when the parts of a node were there. Those of the same label are forms of one thing.
func (t *Table) conclude(n *node) map[string][]arrow {
	forms := map[string][]*part{}
	for _, p := range n.parts {
		forms[p.label] = append(forms[p.label], p)
	}
	arrows := map[string][]arrow{}
	whole := map[string][]span{}                            // by label, whatever the form
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

// evidence collects what decides when the parts of a label were there.
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
	for _, user := range n.users { // an answer has no bases: a member that moved to what has the base may not be gone
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

// holder returns what a node's parts belong to: the command or event, if the node is what its arguments
// are made of.
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

// unionDate returns when a struct became a union: with the first type of a branch.
func (t *Table) unionDate(n *node, g gap) (d Date) {
	if g.lacking < 0 || !n.seen.has(g.lacking) {
		return d
	}
	var types []*node
	for _, p := range n.parts {
		switch {
		case p.label[0] != '+':
		case p.seen.has(g.lacking):
			return d // it was one already
		case g.cameWith(t.nodes[p.target]):
			types = append(types, t.nodes[p.target])
		}
	}
	return t.earliest(types, g)
}

// earliest returns when the first of some types came, if none is older than a gap.
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

// optional returns the times in which a member was optional. Between a schema in which it is so and one in which it is
// not, it may have been either.
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

// form is the evidence for one of several forms of something.
func (t *Table) form(whole *evidence, seen set) *evidence {
	form := &evidence{seen: seen, lenient: true}
	for i := range t.sources { // one that lacks the whole says nothing of the form
		if whole.seen.has(i) {
			form.asked |= 1 << i
		}
	}
	return form
}

// forms returns the times of the types that something had, one after the other. One type went when the next one came,
// and this one came not before its own date.
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
