package facts

import (
	"slices"
	"strings"
)

// A span is a time in which a thing exists: from since on, up to removed, which no longer has it.
type span struct {
	since   Date
	removed Date // its Release is "" if the thing still exists
}

// intersect returns the time that two spans have in common, if there is any.
func intersect(a, b span) (span, bool) {
	s := span{later(a.since, b.since), a.removed}
	if r := b.removed; r.Release != "" && (a.removed.Release == "" || Compare(r.Release, a.removed.Release) < 0) {
		s.removed = r
	}
	return s, s.removed.Release == "" || Compare(s.since.Release, s.removed.Release) < 0
}

// intersections returns the times that a span of a and a span of b have in common.
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

// A period is the time from one release up to another one, which no longer belongs to it.
type period struct{ from, to string }

// periodOf reads FIRST..GONE.
func periodOf(text string) (p period) {
	p.from, p.to, _ = strings.Cut(text, "..")
	return p
}

func (p period) String() string { return p.from + ".." + p.to }

func (p period) spans() []span {
	return []span{{Date{Release: p.from, Source: history}, Date{Release: p.to, Source: history}}}
}
