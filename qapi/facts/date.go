package facts

import (
	"slices"
	"strings"
)

// history is the source of facts from known.txt.
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

// later returns the later of two dates. If the releases are equal it returns the exact date, or b if both are.
func later(a, b Date) Date {
	if c := Compare(b.Release, a.Release); c > 0 || c == 0 && (b.After == "" || a.After != "") {
		return b
	}
	return a
}

// latest returns the latest of some dates. Of equal dates it returns the first.
func latest(dates ...Date) Date {
	return slices.MaxFunc(dates, func(a, b Date) int { return Compare(a.Release, b.Release) })
}
