package qemutest

import (
	"fmt"
	"testing"
)

// SourceVersions are those that [Source] has.
var SourceVersions = []string{"5.2", "7.2", "10.0"}

// Source returns a folder with QEMU's own schemas of a version, in the layout of QEMU's tree, with
// its front end for them and that one's tests: what scripts/get-source.sh takes out of Debian's
// source package.
func Source(t testing.TB, version string) string {
	t.Helper()
	dir, err := fetch("get-source.sh", version)
	if err != nil {
		err = fmt.Errorf("the source of QEMU %s is %w: set DEBIAN_MIRROR to a mirror that has it (%w)", version, ErrMissing, err)
	}
	must(t, err)
	return dir
}
