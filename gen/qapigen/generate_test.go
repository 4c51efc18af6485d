package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// generated is the folder of the committed packages.
const generated = "../../qmp/generated"

// TestCommittedIsCurrent carries out the go:generate lines of each committed package, with another
// folder to write to, and compares.
func TestCommittedIsCurrent(t *testing.T) {
	for _, name := range []string{"qemu", "storage", "guest"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Join(generated, name))
			for _, args := range generateLines(t, ".") {
				out := t.TempDir()
				i := slices.Index(args, "-out") + 1
				committed := args[i]
				args[i] = out
				status, stderr := runQapigen(t, args...)
				require.Zero(t, status, stderr)
				if args[0] == "generate" {
					require.Equal(t, generatedFiles(t, out), generatedFiles(t, committed), "run go generate ./...")
					continue
				}
				for file, text := range readTree(t, out) {
					now, err := os.ReadFile(filepath.Join(committed, file))
					require.NoError(t, err, "run go generate ./...")
					require.Equal(t, text, string(now), "%s: run go generate ./...", file)
				}
			}
		})
	}
}

// generateLines returns qapigen's arguments in the go:generate lines of a package.
func generateLines(t *testing.T, dir string) (lines [][]string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(dir, "generate.go"))
	require.NoError(t, err)
	const prefix = "//go:generate go tool qapigen "
	for line := range strings.Lines(string(source)) {
		if args, ok := strings.CutPrefix(line, prefix); ok {
			lines = append(lines, strings.Fields(args))
		}
	}
	require.NotEmpty(t, lines, "%s/generate.go has no line that begins with %q", dir, prefix)
	return lines
}

// generatedFiles returns the text of the generated files in a folder.
func generatedFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*_gen.go"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	files := map[string]string{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		files[filepath.Base(path)] = string(b)
	}
	return files
}

// runQapigen runs the command and returns its exit status and what it wrote to standard error.
func runQapigen(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(args, &stdout, &stderr)
	require.Empty(t, stdout.String())
	return status, stderr.String()
}

func writeSchema(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "schema.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

// TestGenerateBadSchema generates from schemas that are wrong in every way: the error names the
// place, and nothing is written.
func TestGenerateBadSchema(t *testing.T) {
	deep := strings.Repeat("{ 'a': ", 10000)
	for _, c := range []struct{ name, text, want string }{
		{"wrong", "\n{ 'struct': 'Foo', 'data': { 'a': 'Bar' } }\n", ":2"},
		{"truncated", "{ 'struct': 'Foo',", ":1"},
		{"not a schema", "\x00\xff", ":1"},
		{"cyclic", "{ 'include': 'schema.json' }", ":1"},
		{"contains itself", "{ 'struct': 'Foo', 'base': 'Foo', 'data': {} }", ":1"},
		{"10,000 levels deep", deep, ":1"},
		{"no Go name", "{ 'struct': 'ModeOn', 'data': {} }\n{ 'enum': 'Mode', 'data': [ 'on' ] }", ":2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeSchema(t, c.text)
			out := filepath.Join(t.TempDir(), "out")
			status, stderr := runQapigen(t, "generate", "-schema", path, "-package", "p", "-out", out)
			require.Equal(t, exitFailure, status)
			require.Contains(t, stderr, path+c.want)
			require.NoDirExists(t, out)
		})
	}
}

// TestGenerateAlso generates for the servers of several schemas: what one of them does not send is
// optional, and the package's comment names them.
func TestGenerateAlso(t *testing.T) {
	main := writeSchema(t, "{ 'command': 'q', 'returns': 'Info' }\n{ 'struct': 'Info', 'data': { 'a': 'int', 'b': 'int', 'c': 'int' } }")
	older := writeAnswer(t, writeSchema(t, "{ 'command': 'q', 'returns': 'Info' }\n{ 'struct': 'Info', 'data': { 'a': 'int', '*b': 'int', 'c': 'int' } }"))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(older), versionFile), []byte("7.2.1\n"), 0o666))
	oldest := writeSchema(t, "{ 'command': 'q', 'returns': 'Info' }\n{ 'struct': 'Info', 'data': { 'a': 'int', 'd': 'int' } }")
	generate := func(args ...string) string {
		out := t.TempDir()
		status, stderr := runQapigen(t, append([]string{"generate", "-schema", main, "-package", "p", "-out", out}, args...)...)
		require.Zero(t, status, stderr)
		var all string
		for _, text := range generatedFiles(t, out) {
			all += text
		}
		return all
	}
	fields := func(a, b, c string) string {
		return "type Info struct {\n\tA " + a + " `json:\"a\"`\n\tB " + b + "\n\tC " + c + "\n}\n"
	}

	alone := generate("-qemu-version", "10.0.0")
	require.Contains(t, alone, fields("int64", "int64 `json:\"b\"`", "int64 `json:\"c\"`"))
	require.Contains(t, alone, "// A member is mandatory if it is so in QEMU 10.0.0. If a server of another version")

	both := generate("-qemu-version", "10.0.0", "-also", older)
	require.Contains(t, both, fields("int64 ", "*int64 `json:\"b,omitzero\"`", "int64  `json:\"c\"`"))
	require.Contains(t, both, "// A member is mandatory if QEMU 10.0.0 and 7.2.1 always send it.")

	three := generate("-also", older, "-also", oldest)
	require.Contains(t, three, fields("int64 ", "*int64 `json:\"b,omitzero\"`", "*int64 `json:\"c,omitzero\"`"))
	require.Contains(t, three, "// A member is mandatory if the schema, 7.2.1 and "+filepath.Base(oldest)+" always send it.")

	for _, bad := range []string{"nowhere", "", t.TempDir()} {
		status, stderr := runQapigen(t, "generate", "-schema", main, "-package", "p", "-out", t.TempDir(), "-also", older, "-also", bad)
		require.Equal(t, exitFailure, status)
		require.Contains(t, stderr, "-also "+bad+": ")
	}
}

// TestGenerateUsage calls generate in ways that it cannot understand.
func TestGenerateUsage(t *testing.T) {
	schema := writeSchema(t, "{ 'command': 'stop' }")
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"no flags", `"out", "package", "schema" not set`, nil},
		{"version", "-qemu-version ten", []string{"-schema", schema, "-package", "p", "-out", "o", "-qemu-version", "ten"}},
		{"argument", `generate takes only flags, not the argument "more"`, []string{"-schema", schema, "-package", "p", "-out", "o", "more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			status, stderr := runQapigen(t, append([]string{"generate"}, c.args...)...)
			require.Equal(t, exitUsage, status)
			require.Contains(t, stderr, c.want)
			require.NoDirExists(t, "o")
		})
	}
	status, stderr := runQapigen(t, "generate", "-schema", schema, "-package", "not a name", "-out", t.TempDir())
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, `"not a name" cannot be the name of a Go package`)
}

// TestGenerateFolder generates twice into one folder: what is no longer made goes, what is not
// qapigen's stays, and is never overwritten.
func TestGenerateFolder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "folder")
	generate := func(schema string) (int, string) {
		return runQapigen(t, "generate", "-schema", schema, "-package", "p", "-out", out, "-qemu-version", "10.2.2")
	}
	dir := t.TempDir()
	main, sub := filepath.Join(dir, "main.json"), filepath.Join(dir, "misc-arm.json")
	require.NoError(t, os.WriteFile(main, []byte("{ 'include': 'misc-arm.json' }\n{ 'command': 'stop' }\n"), 0o666))
	require.NoError(t, os.WriteFile(sub, []byte("{ 'command': 'cont' }\n"), 0o666))
	status, stderr := generate(main)
	require.Zero(t, status, stderr)
	require.FileExists(t, filepath.Join(out, "misc_arm_gen.go"))
	own := filepath.Join(out, "own.go")
	require.NoError(t, os.WriteFile(own, []byte("package p\n"), 0o666))

	require.NoError(t, os.WriteFile(main, []byte("{ 'command': 'stop' }\n"), 0o666))
	status, stderr = generate(main)
	require.Zero(t, status, stderr)
	require.NoFileExists(t, filepath.Join(out, "misc_arm_gen.go"))
	require.FileExists(t, own)

	foreign := filepath.Join(out, "main_gen.go")
	require.NoError(t, os.WriteFile(foreign, []byte("package p // mine\n"), 0o666))
	before, err := os.ReadFile(filepath.Join(out, "package_gen.go"))
	require.NoError(t, err)
	status, stderr = generate(main)
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, foreign+" was not generated by qapigen")
	after, err := os.ReadFile(filepath.Join(out, "package_gen.go"))
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}
