package facts

import (
	"maps"
	"slices"
	"strings"
)

// nodeDate returns the last date, by the end of the gap, at which a node came. The base of a type and the type of a
// command's arguments are at least as old as their user: their members may have been the user's before.
func (t *Table) nodeDate(n *node, g gap) Date {
	d := g.last(t.nodeSpans(n))
	for _, user := range n.users {
		if of := t.nodeDate(user, g); n.name != empty && Compare(of.Release, d.Release) < 0 {
			d = of
		}
	}
	return d
}

func (t *Table) nodeSpans(n *node) []span {
	if n.seen == 0 {
		return n.had.spans()
	}
	e := &evidence{seen: n.seen, remarks: n.remarks, removed: n.removed}
	switch {
	case !n.isEntry():
		e.lenient = true // a type with a new name is not a new type
	case n.cond == "":
		e.asked = ^set(0)
	}
	if stable := t.nodes[strings.TrimPrefix(n.name, "x-")]; stable != nil && stable != n {
		e.successors = t.nodeSpans(stable)
	}
	return t.spans(e)
}

// entrySpans returns the times of a node at the beginning of a path. A type is not older than the first thing that uses
// it: its documentation can be that of a type that had its members before, or name the release that was planned.
func (t *Table) entrySpans(n *node) []span {
	spans := slices.Clone(t.nodeSpans(n))
	if n.isEntry() || len(spans) == 0 {
		return spans
	}
	first, since := t.usesOf(n).since, spans[0].since
	removed := spans[0].removed.Release
	switch c := Compare(first.Release, since.Release); {
	case first.Release == "" || removed != "" && Compare(first.Release, removed) >= 0:
	case since.Release == "", c == 0 && since.After != "",
		c > 0 && since.Source != history && Compare(since.Release, t.sources[0].version) > 0:
		first.Instead = since.Instead
		spans[0].since = first
	}
	return spans
}

// A use says how commands and events use a type.
type use struct {
	since    Date // the earliest of the paths to it; a path has the latest date of its parts
	replaces bool // it took the place of another type, or belongs to a type that did
}

func (t *Table) usesOf(n *node) use {
	uses := t.uses.Load()
	if uses == nil {
		uses = new(t.findUses())
		t.uses.Store(uses)
	}
	return (*uses)[n]
}

func (t *Table) findUses() map[*node]use {
	uses := map[*node]use{}
	var queue []*node
	for _, n := range t.sorted() {
		if spans := t.nodeSpans(n); n.isEntry() && len(spans) > 0 {
			uses[n] = use{since: spans[0].since}
			queue = append(queue, n)
		}
	}
	for len(queue) > 0 { // until no path gives an older date, and no further type replaces another one
		n := queue[0]
		queue = queue[1:]
		arrows := t.arrowsOf(n)
		for _, label := range slices.Sorted(maps.Keys(arrows)) {
			for _, a := range arrows[label] {
				to := t.nodes[a.target]
				if to == nil || to.isEntry() || len(a.spans) == 0 {
					continue
				}
				u, known := uses[to]
				was := u
				u.replaces = u.replaces || t.hadOther(arrows[label], a) ||
					uses[n].replaces && Compare(a.spans[0].since.Release, uses[n].since.Release) <= 0
				d := later(a.spans[0].since, uses[n].since)
				c := Compare(d.Release, u.since.Release)
				if !known || c < 0 || c == 0 && d.After == "" && u.since.After != "" {
					u.since = d
				}
				uses[to] = u
				if !known || u.replaces != was.replaces || u.since.Release != was.since.Release || u.since.After != was.since.After {
					queue = append(queue, to)
				}
			}
		}
	}
	return uses
}

// hadOther reports whether a thing had another type before the one of this form.
func (t *Table) hadOther(forms []arrow, form arrow) bool {
	return slices.ContainsFunc(forms, func(a arrow) bool {
		return a.target != form.target && t.nodes[a.target] != nil && len(a.spans) > 0 &&
			Compare(a.spans[0].since.Release, form.spans[0].since.Release) < 0
	})
}

func (n *node) isEntry() bool { return n.kind == "command" || n.kind == "event" }
