package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/schematest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// captured is the folder of what servers answered.
const captured = snapshots + "/captured"

// capturedVersions are those that are there.
var capturedVersions = []string{"5.2", "7.2", "10.0", "11.1"}

// TestCapturedIsCurrent captures what each QEMU and each storage daemon says, and compares with
// what is in the tree. A QEMU of another version than the one that was captured has nothing to be
// compared with.
func TestCapturedIsCurrent(t *testing.T) {
	qemutest.Run(t, capturedVersions, func(t *testing.T, q *qemutest.QEMU) {
		folder := filepath.Join(captured, q.Release())
		if _, err := os.Stat(folder); err != nil {
			t.Skipf("this is QEMU %s, which was not captured", q.Release())
		}
		for file, socket := range map[string]string{
			"qemu.json":    q.Start(t, qemutest.Config{}).Socket(),
			"storage.json": q.StartStorage(t).Socket(),
		} {
			out := filepath.Join(t.TempDir(), file)
			status, stderr := runQapigen(t, "capture", "-out", out, "unix:"+socket)
			require.Zero(t, status, stderr)
			now, err := os.ReadFile(out)
			require.NoError(t, err)
			then, err := os.ReadFile(filepath.Join(folder, file))
			require.NoError(t, err)
			require.Equal(t, string(then), string(now), file)
			require.Contains(t, stderr, "QEMU "+versionIn(folder)+"\n")
		}
	})
}

// TestNewestHasAll compares the schemas of the committed packages with those that they were joined
// from: nothing of the source is lost, nor of what the server says.
func TestNewestHasAll(t *testing.T) {
	for _, c := range []struct{ source, live, newest string }{
		{"10.2/" + schema.QEMU, "captured/11.1/qemu.json", schema.NewestQEMU},
		{"10.2/" + schema.Storage, "captured/11.1/storage.json", schema.NewestStorage},
	} {
		t.Run(c.newest, func(t *testing.T) {
			source := loadEmbedded(t, c.source)
			newest := loadEmbedded(t, c.newest)
			for _, d := range source.Definitions {
				require.NotNil(t, newest.Lookup(d.Head().Name))
			}
			joined := newest.Introspect(qapi.IntrospectOptions{})
			text, err := schema.Captured.ReadFile(c.live)
			require.NoError(t, err)
			live, err := introspect.Read(text)
			require.NoError(t, err)
			require.Empty(t, lost(t, live, joined))
			require.Equal(t, looser[c.newest], lost(t, source.Introspect(qapi.IntrospectOptions{}), joined))
		})
	}
}

// looser is what has another type in the server than in the source, by the rows of the overrides.
var looser = map[string][]string{
	schema.NewestQEMU: {
		"retyped block-export-add/arg-type/iothread: string -> string or array of string",
		"retyped query-migrate-parameters/ret-type/tls-authz: string -> string or null",
		"retyped query-migrate-parameters/ret-type/tls-creds: string -> string or null",
		"retyped query-migrate-parameters/ret-type/tls-hostname: string -> string or null",
	},
	schema.NewestStorage: {
		"retyped block-export-add/arg-type/iothread: string -> string or array of string",
	},
}

// TestCommittedServesAll compares the schemas of the committed packages with what each server that
// was captured says: what the server does not send, or not always, is optional.
func TestCommittedServesAll(t *testing.T) {
	for _, pkg := range []string{"qemu", "storage"} {
		require.ElementsMatch(t, capturedVersions, schematest.Captured(t, pkg))
		ours := schematest.Committed(t, pkg).Introspect(qapi.IntrospectOptions{})
		for _, version := range capturedVersions {
			t.Run(pkg+"/"+version, func(t *testing.T) {
				require.Empty(t, unsent(t, ours, schematest.Answer(t, version, pkg)))
			})
		}
	}
	s := loadEmbedded(t, schema.NewestQEMU).Introspect(qapi.IntrospectOptions{})
	for version, n := range map[string]int{"5.2": 30, "7.2": 18, "10.0": 3, "11.1": 0} {
		lines := unsent(t, s, schematest.Answer(t, version, "qemu"))
		require.Len(t, lines, n, "members that QEMU %s does not send, and 11.1 does: %s", version, strings.Join(lines, "\n"))
	}
}

// unsent returns the members of results and events that are mandatory in one view, and that a server
// does not send, or not always. Discriminators are not among them: in Go they are empty then.
func unsent(t *testing.T, ours, server *introspect.Schema) (lines []string) {
	t.Helper()
	changes, err := diff.Compare(ours, server)
	require.NoError(t, err)
	for _, c := range changes {
		received := c.Direction == diff.Received || c.Direction == diff.Both
		mandatory := c.Kind == diff.Optional || c.Kind == diff.Removed && !strings.HasPrefix(c.Old, "optional ")
		if c.What == diff.Member && received && mandatory && !strings.HasSuffix(c.Path, "/sev-type") {
			lines = append(lines, c.Path+was(c))
		}
	}
	return lines
}

// lost returns what one view has and another one has not, or has in another way than with more.
func lost(t *testing.T, one, other *introspect.Schema) (lines []string) {
	t.Helper()
	changes, err := diff.Compare(one, other)
	require.NoError(t, err)
	for _, c := range changes {
		if c.Kind != diff.Added && c.Kind != diff.Optional && c.Kind != diff.Deprecated {
			lines = append(lines, string(c.Kind)+" "+c.Path+was(c))
		}
	}
	return lines
}

func loadEmbedded(t *testing.T, path string) *qapi.Schema {
	t.Helper()
	s, err := qapi.LoadFS(schema.FS, path, nil)
	require.NoError(t, err)
	return s
}

// TestJoin joins a schema with a server's that has more, and joins what comes out again: marks of
// the first join stay, and generated code has both.
func TestJoin(t *testing.T) {
	dir := t.TempDir()
	answer := func(version, text string) string {
		main := writeSchema(t, text)
		path := writeAnswer(t, main)
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), versionFile), []byte(version+"\n"), 0o666))
		return path
	}
	main := filepath.Join(dir, "tree", "qapi", "qapi-schema.json")
	write(t, dir, map[string]string{
		"tree/VERSION": "10.2.1\n",
		"tree/qapi/qapi-schema.json": `
{ 'enum': 'Kind', 'data': [ 'one' ] }
{ 'struct': 'One', 'data': { 'a': 'int' } }
{ 'union': 'Thing', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'one': 'One' } }
{ 'command': 'add', 'data': { 'thing': 'Thing', 'x': 'uint8' } }
`})
	first := answer("11.1.0", `
{ 'enum': 'Kind', 'data': [ 'one', 'two' ] }
{ 'struct': 'One', 'data': { 'a': 'int' } }
{ 'struct': 'Two', 'data': { 'n': 'int' } }
{ 'union': 'Thing', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'one': 'One', 'two': 'Two' } }
{ 'command': 'add', 'data': { 'thing': 'Thing', 'x': 'int', '*y': 'int' } }
`)
	second := answer("12.0.0", `
{ 'enum': 'Kind', 'data': [ 'one' ] }
{ 'struct': 'One', 'data': { 'a': 'int', '*more': 'str' } }
{ 'union': 'Thing', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'one': 'One' } }
{ 'command': 'add', 'data': { 'thing': 'Thing', 'x': 'int' } }
{ 'command': 'remove' }
`)
	once, twice := filepath.Join(dir, "once"), filepath.Join(dir, "twice")
	for range 2 { // into a new folder, and over what is there
		status, stderr := runQapigen(t, "join", "-schema", main, "-out", once, first)
		require.Zero(t, status, stderr)
		require.Equal(t, "joined "+main+" with QEMU 11.1.0: 4 parts added\n", stderr)
	}
	require.Equal(t, "11.1.0", versionIn(once))
	text := readTree(t, once)["qapi/qapi-schema.json"]
	require.Contains(t, text, "# Code generated by qapigen join from the schema of QEMU 10.2.1 and the additions of QEMU 11.1.0; DO NOT EDIT.\n")
	require.Contains(t, text, "\n# @two: (seen first in 11.1)\n")

	status, stderr := runQapigen(t, "join", "-schema", filepath.Join(once, "qapi/qapi-schema.json"), "-out", twice, second)
	require.Zero(t, status, stderr)
	printed := filepath.Join(dir, "printed") // which keeps the marks
	status, stderr = runQapigen(t, "print", "-out", printed, filepath.Join(twice, "qapi/qapi-schema.json"))
	require.Zero(t, status, stderr)
	out := filepath.Join(dir, "out")
	status, stderr = runQapigen(t, "generate", "-schema", filepath.Join(printed, "qapi/qapi-schema.json"), "-package", "p", "-out", out)
	require.Zero(t, status, stderr)
	files := generatedFiles(t, out)
	code := files["qapi_schema_gen.go"] + files["new_gen.go"]
	for _, want := range []string{
		"// Seen first in QEMU 11.1.\n\tKindTwo ",
		"//   - [*ThingTwo]: two (seen first in QEMU 11.1)\n",
		"// ThingTwo is a struct of qapi-schema.json. Seen first in QEMU 11.1.\n",
		"// Seen first in QEMU 11.1.\n\tY *int64 `json:\"y,omitzero\"`\n",
		"// Seen first in QEMU 12.0.\n\tMore *string `json:\"more,omitzero\"`\n",
		"// Remove executes remove. Seen first in QEMU 12.0.\n",
	} {
		require.Contains(t, code, want)
	}
	require.Regexp(t, regexp.MustCompile("(?m)^\tX +uint8 +`json:\"x\"`$"), code, "as wide as in the source")

	status, stderr = runQapigen(t, "generate", "-docs", "-schema", filepath.Join(twice, "qapi/qapi-schema.json"), "-package", "p", "-out", out)
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "there is no prose in the schema")
}

// TestJoinErrors joins what cannot be joined. Nothing is written then.
func TestJoinErrors(t *testing.T) {
	main := writeSchema(t, "{ 'command': 'add', 'data': { 'x': 'str' } }")
	answer := writeAnswer(t, writeSchema(t, "{ 'command': 'add', 'data': { 'x': [ 'str' ] } }"))
	rows := func(text string) string {
		path := filepath.Join(t.TempDir(), "rows")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		return path
	}
	alone := filepath.Join(t.TempDir(), "alone.json")
	text, err := os.ReadFile(answer)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(alone, text, 0o666))
	good := rows("# why\n\nadd.x server lists are taken too\n")
	for _, c := range []struct {
		name, want string
		status     int
		args       []string
	}{
		{"conflict", "add.x is str in the source and an array of str in the server", exitFailure, []string{"-schema", main, answer}},
		{"row to add", "rows to add to the file that -overrides names; server or source decides, and a reason follows:\n  add.x server str became an array of str\n",
			exitFailure, []string{"-schema", main, answer}},
		{"row that is not needed", "add.y is in the overrides, but the source and the server do not differ there: remove the row", exitFailure,
			[]string{"-schema", main, "-overrides", rows("add.x server more\nadd.y source none\n"), answer}},
		{"no reason", ":1: a row is PLACE source|server REASON", exitFailure,
			[]string{"-schema", main, "-overrides", rows("add.x server\n"), answer}},
		{"no choice", `:1: add.x: want source or server, not "both"`, exitFailure,
			[]string{"-schema", main, "-overrides", rows("add.x both more\n"), answer}},
		{"two rows", ":2: add.x: the file already has a row for this place", exitFailure,
			[]string{"-schema", main, "-overrides", rows("add.x server more\nadd.x source less\n"), answer}},
		{"no rows", "-overrides nowhere: ", exitFailure, []string{"-schema", main, "-overrides", "nowhere", answer}},
		{"no schema", "nowhere", exitFailure, []string{"-schema", "nowhere", answer}},
		{"answer as schema", "this is a server, or a server's answer: -schema is", exitFailure, []string{"-schema", answer, answer}},
		{"schema as answer", main + ": this is a schema: join takes a server, or its answer", exitFailure, []string{"-schema", main, main}},
		{"no version", alone + ": the version of QEMU is not known: give -qemu-version", exitFailure, []string{"-schema", main, "-overrides", good, alone}},
		{"version", "-qemu-version ten: want a version", exitUsage, []string{"-schema", main, "-qemu-version", "ten", answer}},
		{"no flags", `"schema" not set`, exitUsage, []string{answer}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			status, stderr := runQapigen(t, append([]string{"join", "-out", out}, c.args...)...)
			require.Equal(t, c.status, status, stderr)
			require.Contains(t, stderr, c.want)
			require.NoDirExists(t, out)
		})
	}
	out := t.TempDir()
	status, stderr := runQapigen(t, "join", "-schema", main, "-overrides", good, "-qemu-version", "11.0", "-out", out, alone)
	require.Zero(t, status, stderr)
	require.True(t, strings.HasPrefix(stderr, "joined "), stderr)
	foreign := filepath.Join(t.TempDir(), "out")
	write(t, foreign, map[string]string{filepath.Base(main): "mine"})
	status, stderr = runQapigen(t, "join", "-schema", main, "-overrides", good, "-out", foreign, answer)
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "was not written by qapigen")
}
