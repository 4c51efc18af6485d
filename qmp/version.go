package qmp

import (
	"cmp"
	"strconv"
)

// Version is the version of a server, as its greeting says. Two are compared with == or, by
// age, with [Version.Compare].
//
// What a server can do is better asked for with a query of its schema than concluded from its
// version, since distributions take features to older versions.
type Version struct {
	Major, Minor, Micro int
	Package             string // what the packager adds; often empty
}

// Compare returns -1, 0 or +1 for v older than, as old as, or newer than w. Package does not
// count.
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
