package facts

import (
	"strings"
)

// An evidence is everything that decides when a thing existed.
type evidence struct {
	seen    set // the sources that have the thing
	asked   set // the answers that would have it if it had existed
	remarks []remark
	removed string // the release that removed it, if known.txt names one
	owner   *node  // the node that has it; its date counts if nothing else is known
	holder  []span // for a feature of a member or a value, the times of that
	// successors are the times of the things that replaced it: of the thing with its name without "x-", or of the next
	// type.
	successors []span
	floor      string  // the release in which the language got such things
	targets    []*node // the types that it leads to
	// lenient means that it is as old as the schemas allow. sudden means that it came later than its owner if nothing else
	// is known, as deprecation does.
	lenient, sudden bool
	// mandatory means that it is a mandatory member without a version: it is as old as the things that use its type.
	mandatory bool
	// least returns the earliest date that it can have.
	least func(gap) Date
}

// spans concludes the times in which a thing existed.
func (t *Table) spans(e *evidence) (spans []span) {
	last, lacking := -1, -1 // the last source that has it, and the last one that shows that it did not exist
	for i, s := range t.sources {
		switch {
		case e.seen.has(i):
			if last < 0 {
				spans = append(spans, span{since: t.began(e, lacking, i)})
			}
			last = i
		case s.answer && !e.asked.has(i), Compare(s.version, e.floor) < 0:
			// the build may lack it, or the language may have had no such things yet
		default:
			if last >= 0 {
				spans[len(spans)-1].removed = t.ended(e, gap{t.sources[last].version, s.version, -1})
			}
			last, lacking = -1, i
		}
	}
	return spans
}

// A gap is the time between a schema that lacks a thing and the next schema, which has it.
type gap struct {
	low, high string // low is "" if no schema lacks it
	lacking   int    // the index of the source low, -1 for none
}

func (g gap) has(version string) bool {
	return Compare(version, g.low) > 0 && Compare(version, g.high) <= 0
}

// cameWith reports whether a node may have come in this gap too.
func (g gap) cameWith(n *node) bool { return n != nil && (g.lacking < 0 || !n.seen.has(g.lacking)) }

// last returns the beginning of the last span that began by the end of the gap. If none did, it returns that of the first
// span.
func (g gap) last(spans []span) (d Date) {
	for i, s := range spans {
		if i == 0 || Compare(s.since.Release, g.high) <= 0 {
			d = s.since
		}
	}
	return d
}

// began concludes when a thing came that one source has and an older one lacks. The index of the older one is -1 if no
// source lacks the thing.
func (t *Table) began(e *evidence, lacking, has int) Date {
	g := gap{"", t.sources[has].version, lacking}
	if lacking >= 0 {
		g.low = t.sources[lacking].version
	}
	// 1. The version in its documentation.
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
	if d.Release == "" && d.Instead != nil && !e.lenient { // its documentation only names younger releases
		d.Release, d.Source = g.high, "schema of "+g.high
	}
	return t.notBefore(e, g, d)
}

// inferred concludes when a thing came if its documentation names no version or a wrong one.
func (t *Table) inferred(e *evidence, g gap) Date {
	// 2. A feature came with its holder, a branch when its struct became a union.
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
	// 3. If the owner or the type came in the same gap, the later of these dates.
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
	// 4. The release in which the language got such things.
	if g.has(e.floor) && !e.sudden {
		return e.language()
	}
	// 5. The end of the gap, or its beginning if something shows that the thing is older: things are often merged a
	// release later than planned, or moved from one type to another.
	release := g.high
	if e.lenient || d.Release != "" || len(e.remarks) > 0 && Compare(e.remarks[0].version, g.low) <= 0 {
		release = next(g.low)
	}
	return between(g.low, g.high, release)
}

// ended concludes when a thing went that one schema has and the next one lacks: it went when its successor came.
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

// between returns the date of a change that the schema by shows and the older schema after does not.
func between(after, by, release string) Date {
	d := Date{Release: release, Source: "schema of " + by}
	if next(after) != by {
		d.After, d.By = after, by
	}
	return d
}

func (e *evidence) language() Date { return Date{Release: e.floor, Source: "language"} }

// notBefore returns the date, or the least one if that is later.
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

// others returns sentences about the remarks with another version than the i-th.
func others(remarks []remark, i int) (instead []string) {
	for _, r := range remarks {
		if i < 0 || Compare(r.version, remarks[i].version) != 0 {
			instead = append(instead, strings.Replace("the "+documentation(r), "the "+history, history, 1)+" says "+r.version)
		}
	}
	return instead
}

// floor returns the release in which the language got such parts. Older schemas cannot show them.
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
