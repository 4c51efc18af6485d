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

// A Date is the release that added or removed a thing, with the source of this date.
type Date struct {
	// Release is the release. It is "" if the date is not known and lies before all known schemas.
	Release string
	// After and By are set if the release is not known exactly: it is newer than After, and not newer than By.
	After, By string
	// Source is the source of the date: "documentation of 10.2", "schema of 7.2", …
	Source string
	// Instead holds the versions that were rejected, because a schema or older documentation contradicts
	// them: "the documentation of 10.2 says 3.1".
	Instead []string
}

// String returns the release and, in parentheses, its source: "5.0 (documentation of 5.2)", "7.2 (between
// the schemas of 5.2 and 7.2; the documentation of 7.2 says 5.1)".
func (d Date) String() string {
	if d.Release == "" {
		return "before all that is known"
	}
	source := d.Source
	if d.After != "" {
		source = "between the schemas of " + d.After + " and " + d.By
	}
	return d.Release + " (" + strings.Join(append([]string{source}, d.Instead...), "; ") + ")"
}

// Words returns the date for a sentence. The text begins with exact if the release is exact, and otherwise
// with bounded: d.Words("since", "new") is "since QEMU 9.1" or "new between QEMU 10.2 and 11.1".
func (d Date) Words(exact, bounded string) string {
	if d.After == "" {
		return exact + " QEMU " + d.Release
	}
	return bounded + " between QEMU " + d.After + " and " + d.By
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

// others says of the remarks that give another version than the i-th what they say.
func others(remarks []remark, i int) (instead []string) {
	for _, r := range remarks {
		if i < 0 || Compare(r.version, remarks[i].version) != 0 {
			instead = append(instead, strings.Replace("the "+documentation(r), "the "+history, history, 1)+" says "+r.version)
		}
	}
	return instead
}

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

// later returns the later one of two dates; of the same date the exact one, or b, that of the later part.
func later(a, b Date) Date {
	if c := Compare(b.Release, a.Release); c > 0 || c == 0 && (b.After == "" || a.After != "") {
		return b
	}
	return a
}

// intersect returns the time that is in two spans.
func intersect(a, b span) (span, bool) {
	s := span{later(a.since, b.since), a.removed}
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
