package facts

import (
	"strings"
)

// An evidence is what decides when something was there.
type evidence struct {
	seen    set // the sources that have it
	asked   set // the answers that would have it, if they were built with it and it was there
	remarks []remark
	removed string // a release in which it went
	owner   *node  // whose date is its own if nothing else is said
	holder  []span // when that came which has it, if it is a feature of a member or a value
	// successors are the times of what comes in its place: what has its name without "x-", or a type after a type
	successors []span
	floor      string  // the release since which the language has such a thing
	targets    []*node // what it leads to
	// lenient says that it is as old as can be, sudden that it came later than its owner if nothing else is
	// said, as deprecation does.
	lenient, sudden bool
	// mandatory says that it is a mandatory member of which nothing is said: it is as old as what uses its type.
	mandatory bool
	// least returns a date that it cannot be older than.
	least func(gap) Date
}

// spans concludes the times in which something was there.
func (t *Table) spans(e *evidence) (spans []span) {
	last, lacking := -1, -1 // sources that have it, and that show that it is not there
	for i, s := range t.sources {
		switch {
		case e.seen.has(i):
			if last < 0 {
				spans = append(spans, span{since: t.began(e, lacking, i)})
			}
			last = i
		case s.answer && !e.asked.has(i), Compare(s.version, e.floor) < 0:
			// it may not have been built, or the language had no such thing yet
		default:
			if last >= 0 {
				spans[len(spans)-1].removed = t.ended(e, gap{t.sources[last].version, s.version, -1})
			}
			last, lacking = -1, i
		}
	}
	return spans
}

// A gap is the time between a schema that lacks something and the next one, which has it.
type gap struct {
	low, high string // low is "" if no schema lacks it
	lacking   int    // the source of low, -1 for none
}

func (g gap) has(version string) bool {
	return Compare(version, g.low) > 0 && Compare(version, g.high) <= 0
}

// cameWith reports whether the gap is one in which a node may have come too.
func (g gap) cameWith(n *node) bool { return n != nil && (g.lacking < 0 || !n.seen.has(g.lacking)) }

// last returns when the last of some spans began that did so by the end of the gap; the first one, if none did.
func (g gap) last(spans []span) (d Date) {
	for i, s := range spans {
		if i == 0 || Compare(s.since.Release, g.high) <= 0 {
			d = s.since
		}
	}
	return d
}

// began concludes when something came that a source has and an older one lacks; -1 means that
// there is no such older one.
func (t *Table) began(e *evidence, lacking, has int) Date {
	g := gap{"", t.sources[has].version, lacking}
	if lacking >= 0 {
		g.low = t.sources[lacking].version
	}
	// 1. What its documentation says.
	for i, r := range e.remarks {
		if g.has(r.version) {
			d := Date{Release: r.version, Source: documentation(r), Instead: others(e.remarks, i)}
			if r.source == history {
				return d
			}
			return t.notBefore(e, g, d)
		}
	}
	d := t.inferred(e, g)
	d.Instead = others(e.remarks, -1)
	if d.Release == "" && d.Instead != nil && !e.lenient { // the oldest schema has it, and its documentation names a younger release only
		d.Release, d.Source = g.high, "schema of "+g.high
	}
	return t.notBefore(e, g, d)
}

// inferred concludes when something came whose documentation does not say so, or cannot be right.
func (t *Table) inferred(e *evidence, g gap) Date {
	// 2. A feature came with what has it, a branch when its struct became a union.
	if e.least != nil {
		if d := e.least(g); d.Release != "" {
			return d
		}
	}
	for _, s := range e.holder {
		if g.has(s.since.Release) && !e.sudden {
			return latest(s.since, e.language())
		}
	}
	if e.mandatory && g.cameWith(e.owner) {
		if g.lacking < 0 {
			return Date{}
		}
		return between(g.low, g.high, next(g.low))
	}
	// 3. What came with its owner or its type has the later date of the two.
	var d Date
	if g.cameWith(e.owner) && !e.lenient && (!e.sudden || g.lacking < 0) {
		d = latest(t.nodeDate(e.owner, g), e.language())
	}
	if of := t.earliest(e.targets, g); of.Release != "" && !e.lenient {
		d = latest(d, of, e.language())
	}
	if g.lacking < 0 || g.has(d.Release) {
		return d
	}
	// 4. What the language says.
	if g.has(e.floor) && !e.sudden {
		return e.language()
	}
	// 5. The gap: its end; its begin if something says that it is older, since things are often merged a
	// release later than was planned, and moved from one type to another.
	release := g.high
	if e.lenient || d.Release != "" || len(e.remarks) > 0 && Compare(e.remarks[0].version, g.low) <= 0 {
		release = next(g.low)
	}
	return between(g.low, g.high, release)
}

// ended is the date of something that a schema has and the next one lacks: it went when its successor came.
func (t *Table) ended(e *evidence, g gap) Date {
	if g.has(e.removed) {
		return Date{Release: e.removed, Source: history}
	}
	for _, s := range e.successors {
		if s.since.After == "" && g.has(s.since.Release) {
			return s.since
		}
	}
	return between(g.low, g.high, g.high)
}

// between is the date of something that a schema shows, and the one of another version before does not.
func between(after, by, release string) Date {
	d := Date{Release: release, Source: "schema of " + by}
	if next(after) != by {
		d.After, d.By = after, by
	}
	return d
}

func (e *evidence) language() Date { return Date{Release: e.floor, Source: "language"} }

// notBefore returns a date that is not before the least one.
func (t *Table) notBefore(e *evidence, g gap, d Date) Date {
	if e.least == nil {
		return d
	}
	return latest(d, e.least(g))
}

func documentation(r remark) string {
	if r.source == history {
		return history
	}
	return "documentation of " + r.source
}

// others says of the remarks that give another version than the i-th what they say.
func others(remarks []remark, i int) (instead []string) {
	for _, r := range remarks {
		if i < 0 || Compare(r.version, remarks[i].version) != 0 {
			instead = append(instead, strings.Replace("the "+documentation(r), "the "+history, history, 1)+" says "+r.version)
		}
	}
	return instead
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
