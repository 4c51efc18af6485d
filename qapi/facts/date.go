package facts

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// history is the source of what known.txt says.
const history = "history"

// A Date says in which release something came or went.
type Date struct {
	// Release is the release, "" if nothing says when it was: before all schemas that are known.
	Release string
	// After is set if the release is not known exactly. It is the newest release that is known to be too early.
	After string
	// Source says who says so: "documentation of 10.2", "schema of 7.2", …
	Source string
	// Instead are versions that documentation gives and that were not taken, since a schema or older
	// documentation contradicts them: "3.1 (documentation of 10.2)".
	Instead []string
}

// String says it in words: "7.2 (schema of 7.2, after 5.2)".
func (d Date) String() string {
	if d.Release == "" {
		return "before all that is known"
	}
	s := d.Release + " (" + d.Source
	if d.After != "" {
		s += ", after " + d.After
	}
	if d.Instead != nil {
		s += ", not " + strings.Join(d.Instead, ", not ")
	}
	return s + ")"
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
	removed string  // a release in which it went
	owner   *node   // whose date is its own if nothing else is said
	holder  []span  // when that came which has it, if it is a feature of a member or a value
	stable  *node   // what has its name without "x-"
	floor   string  // the release since which the language has such a thing
	targets []*node // what it leads to
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
		case s.answer && !e.asked.has(i):
			// it may not have been built
		default:
			if last >= 0 {
				spans[len(spans)-1].removed = t.ended(e, gap{t.sources[last].version, s.version, -1})
			}
			last, lacking = -1, i
		}
	}
	return spans
}

// ended is the date of something that a schema has and the next one lacks. What was experimental went when
// it came under a name without "x-".
func (t *Table) ended(e *evidence, g gap) Date {
	if g.has(e.removed) {
		return Date{Release: e.removed, Source: history}
	}
	if e.stable != nil {
		for _, s := range t.nodeSpans(e.stable) {
			if s.since.After == "" && g.has(s.since.Release) {
				return s.since
			}
		}
	}
	return between(g.low, g.high, g.high)
}

// between is the date of something that a schema shows, and the one of another version before does not.
func between(after, by, release string) Date {
	if next(after) == by {
		after = ""
	}
	return Date{Release: release, After: after, Source: "schema of " + by}
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
			return t.notBefore(e, g, Date{Release: r.version, Source: documentation(r), Instead: others(e.remarks, i)})
		}
	}
	d := t.inferred(e, g)
	d.Instead = others(e.remarks, -1)
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
		d = latest(t.nodeDate(e.owner), e.language())
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

func (e *evidence) language() Date { return Date{Release: e.floor, Source: "language"} }

// notBefore returns a date that is not before the least one.
func (t *Table) notBefore(e *evidence, g gap, d Date) Date {
	if e.least == nil {
		return d
	}
	return latest(d, e.least(g))
}

// latest returns the latest of some dates. Of equal dates it returns the first.
func latest(dates ...Date) Date {
	return slices.MaxFunc(dates, func(a, b Date) int { return Compare(a.Release, b.Release) })
}

func documentation(r remark) string {
	if r.source == history {
		return history
	}
	return "documentation of " + r.source
}

// others tells the remarks that give another version than the i-th.
func others(remarks []remark, i int) (instead []string) {
	for _, r := range remarks {
		if i < 0 || Compare(r.version, remarks[i].version) != 0 {
			instead = append(instead, r.version+" ("+documentation(r)+")")
		}
	}
	return instead
}

// nodeDate returns when a node came. The base of a type, or the type of a command's arguments, came
// with these at the latest: it may have been made of members that they had before.
func (t *Table) nodeDate(n *node) Date {
	spans := t.nodeSpans(n)
	d := spans[len(spans)-1].since
	for _, user := range n.users {
		if of := t.nodeDate(user); n.name != empty && Compare(of.Release, d.Release) < 0 {
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
		e.stable = stable
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
		for _, p := range forms[label] {
			if p.seen != 0 {
				parts = append(parts, p)
			} else {
				arrows[label] = append(arrows[label], arrow{target: p.target, part: p, spans: p.had.spans()})
			}
		}
		if parts == nil {
			continue
		}
		e := t.evidence(n, label, parts)
		if owner, _, ok := strings.Cut(label, "/"); ok {
			e.holder = whole[owner]
		}
		whole[label] = t.spans(e)
		for _, p := range parts {
			a := arrow{target: p.target, part: p}
			a.spans = t.within(whole[label], e, p.seen)
			a.optional = t.within(whole[label], e, p.optional)
			if p.from != "" {
				a.spans = intersections(a.spans, []span{{since: Date{Release: p.from, Source: history}}})
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
	slices.SortStableFunc(e.remarks, func(a, b remark) int { return Compare(a.source, b.source) })
	if len(parts) == 1 {
		for _, name := range append([]string{parts[0].target}, parts[0].with...) {
			e.targets = append(e.targets, t.nodes[name])
		}
	}
	silent := len(e.remarks) == 0
	tag, enum, _ := strings.Cut(n.tag, ":")
	switch {
	case parts[0].isSure():
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
		if d := t.nodeDate(n); d.After == "" && g.has(d.Release) && (first.Release == "" || Compare(d.Release, first.Release) < 0) {
			first = d
		}
	}
	return first
}

// within returns the times in which something was there in one of several forms. Between a schema
// that has the one form and one that has the other, either may have been there.
func (t *Table) within(whole []span, e *evidence, seen set) []span {
	if seen == e.seen {
		return whole
	}
	form := &evidence{seen: seen, lenient: true}
	for i := range t.sources { // one that lacks the whole says nothing of the form
		if e.seen.has(i) {
			form.asked |= 1 << i
		}
	}
	return intersections(t.spans(form), whole)
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
	if c := Compare(b.since.Release, a.since.Release); c > 0 || c == 0 && (b.since.After == "" || a.since.After != "") {
		s.since = b.since // of the same date the exact one, or that of the later part
	}
	if r := b.removed; r.Release != "" && (a.removed.Release == "" || Compare(r.Release, a.removed.Release) < 0) {
		s.removed = r
	}
	return s, s.removed.Release == "" || Compare(s.since.Release, s.removed.Release) < 0
}

// intersections returns the times that are in one of a and in one of b.
func intersections(a, b []span) (spans []span) {
	for _, s := range a {
		for _, w := range b {
			if both, ok := intersect(s, w); ok {
				spans = append(spans, both)
			}
		}
	}
	return spans
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
