package facts

import (
	"cmp"
	"iter"
	"strconv"
	"strings"
)

// Compare compares two versions of QEMU by their numbers. A missing third number is 0: 7.2 is 7.2.0. It
// returns a number less than, equal to or greater than 0. The empty version is older than all others.
func Compare(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		if c := cmp.Compare(m, n); c != 0 {
			return c
		}
	}
	return 0
}

// Release returns the release that a version belongs to: "10.2" of "10.2.2". A version between two releases belongs to
// the next one: "11.0" of "10.2.50", a snapshot of its development, and of "10.2.92", a candidate.
func Release(version string) string {
	numbers := strings.SplitN(version, ".", 3)
	name := strings.Join(numbers[:min(2, len(numbers))], ".")
	if len(numbers) > 2 && leadingNumber(numbers[2]) >= 50 {
		return next(name)
	}
	return name
}

// leadingNumber returns the number that a text begins with, 0 if there is none.
func leadingNumber(text string) int {
	n, _ := strconv.Atoi(text[:len(text)-len(strings.TrimLeft(text, "0123456789"))])
	return n
}

// isRelease reports whether QEMU can have a release of this name. Since 4.0, each major number has three releases.
func isRelease(name string) bool {
	major, minor, _ := strings.Cut(name, ".")
	return release.MatchString(name) && (leadingNumber(major) < 4 || leadingNumber(minor) <= 2)
}

// short returns a version without a third number of zero: "1.3" for "1.3.0".
func short(version string) string {
	if strings.Count(version, ".") == 2 {
		return strings.TrimSuffix(version, ".0")
	}
	return version
}

// next returns the release after a release. It must be 4.0 or newer: each major number has three releases.
func next(release string) string {
	major, minor, _ := strings.Cut(release, ".")
	m, _ := strconv.Atoi(major)
	n, _ := strconv.Atoi(minor)
	if n >= 2 {
		return strconv.Itoa(m+1) + ".0"
	}
	return major + "." + strconv.Itoa(n+1)
}

// Releases yields the releases from first to last, including both. first is 4.0 or newer.
func Releases(first, last string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for v := first; Compare(v, last) <= 0 && yield(v); {
			v = next(v)
		}
	}
}
