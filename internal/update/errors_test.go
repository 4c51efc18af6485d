package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrors updates to what is none, and in what is no module of ours. Nothing is written, and
// nothing is left elsewhere.
func TestErrors(t *testing.T) {
	source := filepath.Join(root, schemas, "10.2")
	unnamed, broken := t.TempDir(), t.TempDir()
	for _, dir := range []string{unnamed, broken} {
		require.NoError(t, os.CopyFS(dir, os.DirFS(source)))
	}
	require.NoError(t, os.Remove(filepath.Join(unnamed, "VERSION")))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "qapi/char.json"), []byte("{ 'struct': 'A',"), 0o666))
	newer := options{source: source, version: "99.1"}
	answer := filepath.Join(root, schemas, "captured/7.2/qemu.json")
	empty, other := filepath.Join(t.TempDir(), "empty.json"), filepath.Join(t.TempDir(), "other.json")
	require.NoError(t, os.WriteFile(empty, []byte("[]"), 0o666))
	require.NoError(t, os.WriteFile(other, []byte("{"), 0o666))
	for _, c := range []struct {
		name, want string
		opts       options
		file, text string // what is else in the module
	}{
		{"no tree", "is not a source tree of QEMU: it has no qapi/qapi-schema.json", options{source: t.TempDir()}, "", ""},
		{"no version", "has no file VERSION: give its version with -qemu-version", options{source: unnamed}, "", ""},
		{"version", "-qemu-version ten: want a version", options{source: source, version: "ten"}, "", ""},
		{"broken schema", "qapi/char.json:1", options{source: broken}, "", ""},
		{"empty answer", "empty.json: this is an answer of neither QEMU nor qemu-storage-daemon", options{captured: empty, version: "8.2.0"}, "", ""},
		{"no answer", "other.json: introspect: ", options{captured: other, version: "8.2.0"}, "", ""},
		{"no version of an answer", "empty.json", options{captured: empty}, "", ""},
		{"an answer's version", `7.2/qemu.json is an answer of QEMU "../../x": want a version`, options{captured: answer, version: "../../x"}, "", ""},
		{"an answer's release", "QEMU has no release 8.3", options{captured: answer, version: "8.3.0"}, "", ""},
		{"no server", "qapigen capture: ", options{server: "unix:/nowhere"}, "", ""},
		{"no place in the changelog", `CHANGELOG.md has no line "## Unreleased"`, newer, "CHANGELOG.md", "# Changelog\n"},
		{"other lines in a package", "qmp/generated/guest/generate.go has no go:generate line with -schema", newer,
			"qmp/generated/guest/generate.go", "package guest\n"},
		{"another package in a folder", "mine.go", newer, "qmp/generated/guest/mine.go", "package mine\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := newCopy(t)
			if c.file != "" {
				require.NoError(t, writeFile(filepath.Join(dir, c.file), []byte(c.text)))
			}
			before := files(t, dir)
			elsewhere := t.TempDir()
			_, err := qapigen()
			require.NoError(t, err)
			t.Setenv("TMPDIR", elsewhere)
			_, err = runUpdate(t, dir, c.opts)
			require.ErrorContains(t, err, c.want)
			requireSame(t, before, files(t, dir))
			left, err := os.ReadDir(elsewhere)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
	_, err := runUpdate(t, t.TempDir(), newer)
	require.ErrorContains(t, err, "run this in the root of the module")
}

// TestQapigenThatFails updates where qapigen does not compile.
func TestQapigenThatFails(t *testing.T) {
	dir := newCopy(t)
	require.NoError(t, writeFile(filepath.Join(dir, "go.mod"), []byte("module example.com/m\n\ngo 1.26\n")))
	require.NoError(t, writeFile(filepath.Join(dir, "gen/qapigen/main.go"), []byte("package main\n\nfunc main() { none() }\n")))
	err := run(t.Context(), dir, options{source: dir}, t.Output())
	require.ErrorContains(t, err, "qapigen cannot be built: ")
	require.ErrorContains(t, err, "undefined: none")
}

// TestCommitFails updates what cannot be written: what was there stays.
func TestCommitFails(t *testing.T) {
	dir := newCopy(t)
	u := &update{root: dir, stage: newCopy(t)}
	require.NoError(t, writeFile(u.path(schemas, "a"), []byte("a")))
	require.NoError(t, writeFile(u.path(schemas, "b"), []byte("b")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, schemas, "b.update"), 0o777)) // where b is to be written first
	before := files(t, dir)
	_, err := u.commit()
	require.Error(t, err)
	requireSame(t, before, files(t, dir))
}

// TestHand lists what compiles no more, new names, and what may be a secret.
func TestHand(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeFile(filepath.Join(dir, "go.mod"), []byte("module example.com/m\n\ngo 1.26\n")))
	require.NoError(t, writeFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { none() }\n")))
	require.NoError(t, writeFile(filepath.Join(dir, "qmp/generated/qemu/a_gen.go"),
		[]byte("package qemu\n\ntype Old struct {\n\tName string\n\tPassword *string\n\tAPIKey string\n\tKeyCount int64\n}\n\ntype New struct {\n}\n")))
	var out writer
	u := &update{ctx: t.Context(), root: dir, out: &out}
	require.NoError(t, u.hand(map[string]bool{"qemu type Old": true, "qemu.Old Name": true, "qemu.Old Password": true}, true))
	require.Contains(t, string(out), "- a new name: qemu type New (")
	require.Contains(t, string(out), "- maybe a secret: qemu.Old APIKey (")
	require.NotContains(t, string(out), "Password")
	require.NotContains(t, string(out), "KeyCount")
	require.Contains(t, string(out), "- code that does not compile, or that go vet reports:\n")
	require.Contains(t, string(out), "undefined: none")
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) { *w = append(*w, p...); return len(p), nil }

// TestWithEntry puts entries where they belong.
func TestWithEntry(t *testing.T) {
	const head = "# Changelog\n\n## Unreleased\n\n- **added** a\n"
	const old = "- **schema** QEMU 2.1.0, after 2.0: old\n  - old\n"
	const tail = "\n## 1.0\n\n- **schema** QEMU 1.0\n"
	const entry = "- new\n  - more\n"
	for _, c := range []struct{ name, log, start, want string }{
		{"new", head + old + "- **fixed** b\n" + tail, "- **schema** QEMU 3.0", head + old + "- **fixed** b\n" + entry + tail},
		{"replaced", head + old + "- **fixed** b\n" + tail, "- **schema** QEMU 2.1", head + entry + "- **fixed** b\n" + tail},
		{"last", head + old, "- **schema** QEMU 2.1", head + entry},
		{"released stays", head + tail, "- **schema** QEMU 1.0", head + entry + tail},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := withEntry(c.log, entry, c.start)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestCompareVersions(t *testing.T) {
	for _, c := range [][2]string{{"9.2", "10.0"}, {"10.0", "10.2"}, {"10.2", "11.1"}, {"10", "10.0"}} {
		require.Negative(t, compareVersions(c[0], c[1]), c)
		require.Positive(t, compareVersions(c[1], c[0]), c)
	}
	require.Zero(t, compareVersions("11.1", "11.1"))
}
