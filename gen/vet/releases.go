package vet

import (
	"fmt"
	"math/bits"
	"regexp"
	"strings"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// state is a set of releases of the range: bit i is release i. A release reaches a place in a program if the program
// can be connected to such a server there.
type state uint64

// releases is the range.
type releases struct {
	names []string
	all   state
	known map[string]*known // by server and path
}

// known is what package facts knows of a path, for the releases of the range.
type known struct {
	fact       *facts.Fact
	has        state
	deprecated state
}

var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+(\.[0-9]+)?$`)

// parseRange reads FIRST..LAST. Empty text means all releases from the oldest known schema to the newest one.
func parseRange(text string) (*releases, error) {
	versions := facts.QEMU().Versions()
	newest := versions[len(versions)-1]
	if text == "" {
		text = versions[0] + ".." + newest
	}
	first, last, ok := strings.Cut(text, "..")
	switch {
	case !ok || !versionPattern.MatchString(first) || !versionPattern.MatchString(last):
		return nil, fmt.Errorf("-qemu %s: want a range such as 7.2..11.1", text)
	case facts.Compare(first, last) > 0:
		return nil, fmt.Errorf("-qemu %s: want a range from an older version to a newer one", text)
	case facts.Compare(facts.Release(last), newest) > 0:
		return nil, fmt.Errorf("-qemu %s: the newest QEMU that is known is %s", text, newest)
	case facts.Compare(first, "4.0") < 0:
		return nil, fmt.Errorf("-qemu %s: the oldest QEMU that is known is 4.0", text)
	}
	r := &releases{known: map[string]*known{}}
	for release := range facts.Releases(facts.Release(first), facts.Release(last)) {
		r.all |= 1 << len(r.names)
		r.names = append(r.names, release)
	}
	return r, nil
}

// CheckRange returns an error if the text is not a range of versions such as 7.2..11.1.
func CheckRange(text string) error {
	_, err := parseRange(text)
	return err
}

// where returns the releases for which a condition holds.
func (r *releases) where(holds func(release string) bool) (s state) {
	for i, name := range r.names {
		if holds(name) {
			s |= 1 << i
		}
	}
	return s
}

var tables = map[string]func() *facts.Table{"qemu": facts.QEMU, "storage": facts.Storage, "guest": facts.Guest}

// of returns what is known of a path, nil for an unknown path.
func (r *releases) of(server, path string) *known {
	if path == "" {
		return nil
	}
	key := server + " " + path
	k, ok := r.known[key]
	if ok {
		return k
	}
	if f, err := tables[server]().Fact(path); err == nil && f != nil {
		k = &known{fact: f, has: r.where(f.In)}
		if d := f.Deprecated; d != nil {
			k.deprecated = k.has & r.where(func(release string) bool { return facts.Compare(release, d.Release) >= 0 })
		}
	}
	r.known[key] = k
	return k
}

// find returns the first server that knows a path, and what is known of it there.
func (c *checker) find(path string) (server string, k *known) {
	for _, server := range c.servers {
		if k := c.r.of(server, path); k != nil {
			return server, k
		}
	}
	return "", nil
}

// having returns the releases that have a path: all for an unknown path.
func (r *releases) having(server, path string) state {
	if k := r.of(server, path); k != nil {
		return k.has
	}
	return r.all
}

// newest returns the set of the last release.
func (r *releases) newest() state { return 1 << (len(r.names) - 1) }

// The kinds of reports.
const (
	Lacks      = "lacks"      // a release does not have the thing yet
	Removed    = "removed"    // a release no longer has the thing
	Deprecated = "deprecated" // the newest release deprecates the thing
	Allow      = "allow"      // a comment //qmp:allow is wrong, or silences nothing
)

// judge returns the report on a use that the releases of s reach. The kind is "" if there is nothing to report.
func (r *releases) judge(k *known, s state) (kind, message string) {
	lacking := s &^ k.has
	use := ""
	if k.fact.Use != "" {
		use = "; use " + k.fact.Use
	}
	removed := k.fact.Removed
	switch {
	case lacking == 0:
		if s&k.deprecated&r.newest() == 0 {
			return "", ""
		}
		if k.fact.Deprecated.Release == "" {
			return Deprecated, "deprecated" + use
		}
		return Deprecated, "deprecated since QEMU " + k.fact.Deprecated.Release + use
	case removed.Release != "" && facts.Compare(r.names[bits.TrailingZeros64(uint64(lacking))], removed.Release) >= 0:
		return Removed, removal(removed) + use
	}
	message = k.fact.Since.Words("since", "new") + "; " + r.lack(lacking)
	if removed.Release != "" && lacking&r.newest() != 0 {
		message += "; " + removal(removed)
	}
	return Lacks, message + use
}

func removal(d facts.Date) string { return d.Words("removed in", "removed") }

// lack returns the sentence about the releases that lack something: "5.2 to 6.1 lack it".
func (r *releases) lack(s state) string {
	var runs []string
	many := false
	for i := 0; i < len(r.names); i++ {
		if s>>i&1 == 0 {
			continue
		}
		first := i
		for s>>(i+1)&1 != 0 {
			i++
		}
		switch {
		case i == first:
			runs = append(runs, r.names[i])
		default:
			runs, many = append(runs, r.names[first]+" to "+r.names[i]), true
		}
	}
	if many || len(runs) > 1 {
		return strings.Join(runs, " and ") + " lack it"
	}
	return runs[0] + " lacks it"
}
