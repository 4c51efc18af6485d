package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/diff"
	"github.com/qmpkit/qmpkit/qapi/unmask"
)

const capturedDir = "../../testdata/schema/captured/"

// TestMergeServers merges what real servers say and real source trees, in several mixes. A client of the
// merged schema is one of each source: nothing that this one takes is refused, and nothing is expected
// that it does not send.
func TestMergeServers(t *testing.T) {
	tree := func(version, main string) string { return filepath.Join(qemutest.Source(t, version), main) }
	newest := "../../testdata/schema/11.1/"
	for _, c := range []struct {
		name    string
		sources []string
	}{
		{"answers", []string{capturedDir + "5.2/qemu.json", capturedDir + "11.1/qemu.json", capturedDir + "7.2/qemu.json", capturedDir + "10.0/qemu.json"}},
		{"trees", []string{tree("5.2", "qapi/qapi-schema.json"), tree("7.2", "qapi/qapi-schema.json"), tree("10.0", "qapi/qapi-schema.json")}},
		{"mixed", []string{capturedDir + "7.2/qemu.json", newest + "qapi/qapi-schema.json", tree("5.2", "qapi/qapi-schema.json")}},
		{"storage", []string{newest + "storage-daemon/qapi/qapi-schema.json", capturedDir + "5.2/storage.json"}},
		{"guest", []string{tree("5.2", "qga/qapi-schema.json"), tree("10.0", "qga/qapi-schema.json")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			merged, parts, err := mergeSchemas(t.Context(), c.sources, "", func(*unmask.Snapshot, string) {}, &bytes.Buffer{})
			require.NoError(t, err)
			require.Len(t, parts, len(c.sources))
			view := merged.Introspect(qapi.IntrospectOptions{Unmask: true})
			for _, p := range parts {
				changes, err := diff.Compare(p.inspect(), view)
				require.NoError(t, err)
				for _, change := range changes {
					if change.Breaking && !isLooser(change) {
						t.Errorf("the package lacks something of %s: %+v", p.name, change)
					}
				}
				changes, err = diff.Compare(view, p.inspect())
				require.NoError(t, err)
				for _, change := range changes {
					isMember := change.What == diff.Member && change.Direction != diff.Sent
					if isMember && change.Path != "query-sev/ret-type/sev-type" && (change.Kind == diff.Optional || change.Kind == diff.Removed && !strings.HasPrefix(change.Old, "optional ")) {
						t.Errorf("%s may leave out what the package needs: %+v", p.name, change)
					}
				}
			}
		})
	}
}

// isLooser reports whether a change is one to a looser form: something became optional, a string an enum, which
// Go has as a string, or one of the alternatives; a struct got branches, to which some of its members went
// (in a reply without a discriminator a RawBranch has them).
func isLooser(c diff.Change) bool {
	switch c.Kind {
	case diff.Optional, diff.Added:
		return true
	case diff.Retyped:
		return strings.HasPrefix(c.New, c.Old) || c.Old == "string" && c.New == "enum"
	}
	return strings.HasPrefix(c.New, "only in +")
}
