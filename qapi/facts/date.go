package facts

import (
	"slices"
	"strings"
)

// A Date says in which release something came or went.
type Date struct {
	// Release is the release, "" if nothing says when it was: before all schemas that are known.
	Release string
	// After is set if the release is not known exactly: it is the newest one that is known to be too early.
	After string
	// Source says who says so: "documentation of 10.2", "schema of 7.2", …
	Source string
	// Instead are versions that documentation gives and that were not taken, since a schema or older
	// documentation contradicts them: "3.1 (documentation of 10.2)".
	Instead []string
}

// A span is a time in which something is there: from since on, and no more in removed.
type span struct {
	since   Date
	removed Date // Release is "" if it is there still
}

// An evidence is what decides when something was there.
type evidence struct {
	seen    set // the sources that have it
	asked   set // the answers that would have it, if they were built with it and it was there
	remarks []remark
	owner   *node // whose date is its own if nothing else is said
	floor   string
	target  *node // what it leads to
	lenient bool  // it is as old as can be
}

// spans concludes the times in which something was there.
func (t *Table) spans(e evidence) (spans []span) {
	last, lacking := -1, -1 // sources that have it, and that show that it is not there
	for i, s := range t.sources {
		switch {
		case e.seen.has(i):
			if last < 0 {
				spans = append(spans, span{since: t.began(e, lacking, i)})
			}
			last = i
		case s.answer && !e.asked.has(i):
			// it may not have been built
		default:
			if last >= 0 {
				spans[len(spans)-1].removed = between(t.sources[last].version, s.version, s.version)
			}
			last, lacking = -1, i
		}
	}
	return spans
}

// between is the date of something that a schema shows, and the one of another version before does not.
func between(after, by, release string) Date {
	if next(after) == by {
		after = ""
	}
	return Date{Release: release, After: after, Source: "schema of " + by}
}

// began concludes when something came that a source has and another one, before it, lacks; there may
// be no such other one, which is -1.
func (t *Table) began(e evidence, lacking, has int) Date {
	low, high := "", t.sources[has].version
	if lacking >= 0 {
		low = t.sources[lacking].version
	}
	fits := func(version string) bool { return Compare(version, low) > 0 && Compare(version, high) <= 0 }
	// 1. What its documentation says.
	for i, r := range e.remarks {
		if fits(r.version) {
			return Date{Release: r.version, Source: documentation(r), Instead: others(e.remarks, i)}
		}
	}
	d := Date{Instead: others(e.remarks, -1)}
	// 2. What the owner's documentation says, if it came with its owner.
	if e.owner != nil && (lacking < 0 || !e.owner.seen.has(lacking)) {
		if d.from(t.nodeDate(e.owner), e.floor); lacking < 0 || fits(d.Release) {
			return d
		}
	}
	// 3. What the documentation of its type says, if it came with its type.
	if e.target != nil && lacking >= 0 && !e.target.seen.has(lacking) && !e.lenient {
		if d.from(t.nodeDate(e.target), e.floor); d.After == "" && fits(d.Release) {
			return d
		}
	}
	// 4. What the language says.
	if fits(e.floor) {
		d.Release, d.After, d.Source = e.floor, "", "language"
		return d
	}
	// 5. A range.
	if lacking < 0 {
		return Date{Instead: d.Instead}
	}
	release := high
	if e.lenient || len(e.remarks) > 0 && Compare(e.remarks[0].version, low) <= 0 {
		release = next(low)
	}
	instead := d.Instead
	d = between(low, high, release)
	d.Instead = instead
	return d
}

// from takes a date over, or that of the language's feature if this is later.
func (d *Date) from(other Date, floor string) {
	d.Release, d.After, d.Source = other.Release, other.After, other.Source
	if Compare(floor, other.Release) > 0 {
		d.Release, d.After, d.Source = floor, "", "language"
	}
}

func documentation(r remark) string { return "documentation of " + r.source }

// others tells the remarks that give another version than the i-th.
func others(remarks []remark, taken int) (instead []string) {
	for i, r := range remarks {
		if i != taken && (taken < 0 || Compare(r.version, remarks[taken].version) != 0) {
			instead = append(instead, r.version+" ("+documentation(r)+")")
		}
	}
	return instead
}

// nodeDate returns when a node came.
func (t *Table) nodeDate(n *node) Date {
	spans := t.nodeSpans(n)
	return spans[len(spans)-1].since
}

func (t *Table) nodeSpans(n *node) []span {
	e := evidence{seen: n.seen, remarks: n.remarks}
	if n.isEntry() {
		if n.cond == "" {
			e.asked = ^set(0)
		}
	} else {
		e.lenient = true // a type that was renamed is not new
	}
	return t.spans(e)
}

func (n *node) isEntry() bool { return n.kind == "command" || n.kind == "event" }

// An arrow is a part with the times in which it was there.
type arrow struct {
	target   string
	spans    []span
	optional []span
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

func (t *Table) conclude(n *node) map[string][]arrow {
	byLabel := map[string][]*part{}
	for _, p := range n.parts {
		byLabel[p.label] = append(byLabel[p.label], p)
	}
	arrows := map[string][]arrow{}
	for label, parts := range byLabel {
		e := evidence{asked: n.seen, owner: n, floor: floor(n, label)}
		e.lenient = label == "<" || label == "arg-type" || label == "ret-type"
		for _, p := range parts {
			e.seen |= p.seen
			e.remarks = append(e.remarks, p.remarks...)
			if p.cond != "" {
				e.asked = 0
			}
		}
		slices.SortStableFunc(e.remarks, func(a, b remark) int { return Compare(a.source, b.source) })
		if len(parts) == 1 {
			e.target = t.nodes[parts[0].target]
		}
		whole := t.spans(e)
		for _, p := range parts {
			a := arrow{target: p.target, part: p, spans: whole}
			if len(parts) > 1 {
				a.spans = t.within(whole, e, p.seen)
			}
			a.optional = t.within(whole, e, p.optional)
			arrows[label] = append(arrows[label], a)
		}
	}
	return arrows
}

// within returns the times in which something was there in one of several forms. Between a schema
// that has the one form and one that has the other, either may have been there.
func (t *Table) within(whole []span, e evidence, seen set) (spans []span) {
	if seen == e.seen {
		return whole
	}
	form := evidence{seen: seen, lenient: true}
	for i := range t.sources { // one that lacks the whole says nothing of the form
		if e.seen.has(i) {
			form.asked |= 1 << i
		}
	}
	for _, s := range t.spans(form) {
		for _, w := range whole {
			if both, ok := intersect(s, w); ok {
				spans = append(spans, both)
			}
		}
	}
	return spans
}

// floor returns the release since which the language has such a part: older schemas could not tell.
func floor(n *node, label string) string {
	i := strings.LastIndexByte(label, '$')
	switch {
	case i < 0:
		return ""
	case strings.HasPrefix(label, "^"), label[i+1:] == "unstable":
		return "6.2"
	case label[i+1:] == "deprecated", strings.Contains(label, "$$"):
		return "5.0"
	case n.kind == "command":
		return "4.2"
	case n.kind == "struct":
		return "4.1"
	}
	return "5.0"
}

// intersect returns the time that is in two spans.
func intersect(a, b span) (span, bool) {
	s := a
	if Compare(b.since.Release, a.since.Release) > 0 {
		s.since = b.since
	}
	if r := b.removed; r.Release != "" && (a.removed.Release == "" || Compare(r.Release, a.removed.Release) < 0) {
		s.removed = r
	}
	return s, s.removed.Release == "" || Compare(s.since.Release, s.removed.Release) < 0
}

// union joins spans that overlap or touch.
func union(spans []span) []span {
	slices.SortStableFunc(spans, func(a, b span) int { return Compare(a.since.Release, b.since.Release) })
	var out []span
	for _, s := range spans {
		if len(out) == 0 {
			out = append(out, s)
			continue
		}
		last := &out[len(out)-1]
		switch {
		case last.removed.Release == "":
		case Compare(s.since.Release, last.removed.Release) > 0:
			out = append(out, s)
		case s.removed.Release == "" || Compare(s.removed.Release, last.removed.Release) > 0:
			last.removed = s.removed
		}
	}
	return out
}
