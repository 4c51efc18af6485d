package facts

import (
	"maps"
	"slices"
	"strings"
)

// nodeDate returns when a node came, for the last time by the end of a gap. The base of a type, or the type of a
// command's arguments, came with these at the latest: it may have been made of members that they had before.
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
		e.lenient = true // a type that was renamed is not new
	case n.cond == "":
		e.asked = ^set(0)
	}
	if stable := t.nodes[strings.TrimPrefix(n.name, "x-")]; stable != nil && stable != n {
		e.successors = t.nodeSpans(stable)
	}
	return t.spans(e)
}

// entrySpans are the times of a node as a path's begin. A type did not come before the first thing that uses it: its
// documentation may be that of a type which had its members before, or of the release that was planned.
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

// A use is what uses a type.
type use struct {
	since    Date // when the first thing came: of each way from a command or an event, the latest date on the way
	replaces bool // something had another type before, or is part of a type that replaces another one
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
	for len(queue) > 0 { // until no date is older than the one that is known, and nothing more replaces a type
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

// hadOther reports whether something of several forms had another type than the one of a form before.
func (t *Table) hadOther(forms []arrow, form arrow) bool {
	return slices.ContainsFunc(forms, func(a arrow) bool {
		return a.target != form.target && t.nodes[a.target] != nil && len(a.spans) > 0 &&
			Compare(a.spans[0].since.Release, form.spans[0].since.Release) < 0
	})
}

func (n *node) isEntry() bool { return n.kind == "command" || n.kind == "event" }
