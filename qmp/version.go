package qmp

import (
	"cmp"
	"strconv"
)

// Version is the version of a server, from its greeting. Compare two with ==, or order them with
// [Version.Compare].
//
// Query the schema instead of comparing versions: distributions backport features.
type Version struct {
	Major, Minor, Micro int
	Package             string // text of the distribution; often empty
}

// Compare returns -1 if v is older than w, +1 if v is newer, and 0 otherwise. It ignores Package.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, w.Major),
		cmp.Compare(v.Minor, w.Minor),
		cmp.Compare(v.Micro, w.Micro),
	)
}

// String returns the version as "10.2.0" or "7.2.22 (Debian 1:7.2+dfsg-7)".
func (v Version) String() string {
	s := strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) + "." + strconv.Itoa(v.Micro)
	if v.Package != "" {
		s += " (" + v.Package + ")"
	}
	return s
}
