package qemutest

import (
	"fmt"
	"testing"
)

// SourceVersions are the versions that Source has.
var SourceVersions = []string{"5.2", "7.2", "10.0"}

// Source returns a folder with QEMU's own schemas of a version, in the layout of QEMU's tree, with QEMU's
// schema parser and its tests. scripts/get-source.sh unpacks it from Debian's source package.
func Source(t testing.TB, version string) string {
	t.Helper()
	dir, err := fetch("get-source.sh", version)
	if err != nil {
		err = fmt.Errorf("the source of QEMU %s is %w: set DEBIAN_MIRROR to a mirror that has it (%w)", version, ErrMissing, err)
	}
	must(t, err)
	return dir
}
