package main

import (
	"bytes"
	"encoding/json"
	"os"
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

// versioned writes a schema and the version of its server beside it.
func versioned(t *testing.T, version, text string) string {
	t.Helper()
	main := writeSchema(t, text)
	folder := filepath.Join(filepath.Dir(main), "qapi")
	require.NoError(t, os.Mkdir(folder, 0o777))
	moved := filepath.Join(folder, "qapi-schema.json")
	require.NoError(t, os.Rename(main, moved))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(main), versionFile), []byte(version+"\n"), 0o666))
	return moved
}

// TestGenerateSeveral merges three builds of a fork, which no facts know.
func TestGenerateSeveral(t *testing.T) {
	old := versioned(t, "5.2.0", `
{ 'command': 'old', 'data': { 'how': 'str' }, 'returns': [ 'Old' ] }
{ 'struct': 'Old', 'data': { 'age': 'int' } }
{ 'command': 'set', 'data': { 'a': 'int', 'b': 'str', 'gone': 'str' } }
{ 'command': 'get', 'returns': 'Info' }
{ 'struct': 'Info', 'data': { 'x': 'int', 'mode': 'Mode' } }
{ 'enum': 'Mode', 'data': [ 'slow', 'fast' ] }`)
	mid := versioned(t, "7.2.0", `
{ 'command': 'set', 'data': { 'a': 'int', 'b': 'str' } }
{ 'command': 'get', 'returns': 'Info' }
{ 'struct': 'Info', 'data': { 'x': 'int', 'y': 'int', 'mode': 'Mode' } }
{ 'enum': 'Mode', 'data': [ 'fast', 'turbo' ] }`)
	now := versioned(t, "10.0.0", `
{ 'alternate': 'StrOrNull', 'data': { 's': 'str', 'n': 'null' } }
{ 'command': 'set', 'data': { 'a': 'int', 'b': 'StrOrNull', 'c': 'int' } }
{ 'command': 'get', 'returns': 'Info' }
{ 'event': 'DONE', 'data': { 'x': 'int' } }
{ 'struct': 'Info', 'data': { 'x': 'int', 'y': 'int', 'mode': 'Mode' } }
{ 'enum': 'Mode', 'data': [ 'fast' ] }`)
	out := filepath.Join(t.TempDir(), "p")
	var stdout, stderr bytes.Buffer
	status := run([]string{"generate", "-json", "-schema", mid, "-schema", old, "-schema", now, "-package", "p", "-out", out}, &stdout, &stderr)
	require.Zero(t, status, stderr.String())
	var done outcome
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &done))
	require.Equal(t, []sourceRow{{now, "10.0.0"}, {mid, "7.2.0"}, {old, "5.2.0"}}, done.Sources)
	require.Equal(t, "10.0.0", done.Version)

	var all string
	for _, text := range generatedFiles(t, out) {
		all += text
	}
	all = strings.Join(strings.Fields(strings.ReplaceAll(all, "//", "")), " ")
	for _, want := range []string{
		"from the schemas of QEMU 10.0.0, 7.2.0 and 5.2.0. DO NOT EDIT.",
		"A member is mandatory if QEMU 10.0.0, 7.2.0 and 5.2.0 all send it.",
		"Only in QEMU 5.2. type Old struct",
		"Only in QEMU 5.2. qapi:type Old type OldResult struct { Age int64 `json:\"age\"` }", // Old is the command
		"type Set struct { A int64 `json:\"a\"` B StrOrNull `json:\"b\"` Only in QEMU 10.0. C *int64 `json:\"c,omitzero\"` Only in QEMU 5.2. Gone *string",
		"X int64 `json:\"x\"` Only in QEMU 7.2 and 10.0. Y *int64 `json:\"y,omitzero\"`",
		"Only in QEMU 7.2. ModeTurbo Mode = \"turbo\" Only in QEMU 5.2. ModeSlow",
		"Only in QEMU 10.0. type DoneEvent struct",
	} {
		require.Contains(t, all, want)
	}

	// Types that nothing in Go takes both of: the error names the place, and nothing is written.
	other := versioned(t, "9.0.0", "{ 'command': 'get', 'returns': 'Info' }\n{ 'struct': 'Info', 'data': { 'x': 'str' } }")
	none := filepath.Join(t.TempDir(), "none")
	status, text := runQapigen(t, "generate", "-schema", now, "-schema", other, "-package", "p", "-out", none)
	require.Equal(t, exitFailure, status)
	require.Contains(t, text, other+": Info.x is str, and int in "+now+": no type takes both")
	require.Contains(t, text, "leave one of the two out")
	require.NoDirExists(t, none)
}
