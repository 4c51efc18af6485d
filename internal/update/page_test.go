package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestPage carries out the commands of docs/new-qemu.md, in a copy of what they need of this module:
// first those for servers of QEMU 11.1, of which the copy knows nothing yet, and then, as the source
// of a newer QEMU, that of QEMU 10.0.
func TestPage(t *testing.T) {
	q := newestServer(t)
	blocks := shellBlock.FindAllStringSubmatch(read(t, root, "docs/new-qemu.md"), -1)
	require.Len(t, blocks, 2)
	fromSource, fromServers := blocks[0][1], blocks[1][1]

	dir := copyOfModule(t)
	withoutAnswers(t, dir)
	tree := filepath.Join(t.TempDir(), "qemu")
	require.NoError(t, os.CopyFS(tree, os.DirFS(qemutest.Source(t, "10.0"))))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "VERSION"), []byte("99.1.0\n"), 0o666))
	objects := filepath.Join(tree, "qapi", "qom.json")
	require.NoError(t, os.WriteFile(objects, []byte(read(t, objects)+listGet), 0o666))
	shell := func(script string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "QEMU_SRC=", "VERSION=", "QMP=unix:"+q.Start(t, qemutest.Config{}).Socket(),
			"STORAGE=unix:"+q.StartStorage(t).Socket())
		if script == fromSource {
			cmd.Env = append(cmd.Env, "QEMU_SRC="+tree, "QMP=")
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}

	out := shell(fromServers)
	require.Contains(t, out, "is in testdata/schema/captured/11.1/qemu.json\n")
	require.Contains(t, out, "is in testdata/schema/captured/11.1/storage.json\n")
	require.NotContains(t, out, "does not compile")
	require.Equal(t, read(t, root, "qmp/generated/qemu/qom_gen.go"), read(t, dir, "qmp/generated/qemu/qom_gen.go"))
	require.Equal(t, read(t, root, "qmp/generated/storage/char_gen.go"), read(t, dir, "qmp/generated/storage/char_gen.go"))

	out = shell(fromSource)
	require.Contains(t, out, "the schemas of QEMU 99.1.0 are in testdata/schema/99.1\n")
	require.NotContains(t, out, "does not compile")
	require.Contains(t, read(t, dir, "CHANGELOG.md"), "\n- **schema** QEMU 99.1.0, after 11.1.")
}

// copyOfModule copies what is updated, what does that, and hotplug as a user of the bindings: the packages without their
// tests.
func copyOfModule(t *testing.T) string {
	t.Helper()
	dir := newCopy(t)
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		`{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`,
		"./gen/qapigen", "./hotplug", "./internal/update", "./qmp/generated/...")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	module, err := filepath.Abs(root)
	require.NoError(t, err)
	files := []string{"go.mod", "go.sum", "Makefile"}
	for path := range strings.Lines(string(out)) {
		if path = strings.TrimSpace(path); path != "" {
			file, err := filepath.Rel(module, path)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	for _, file := range files {
		require.NoError(t, writeFile(filepath.Join(dir, file), []byte(read(t, root, file))))
	}
	tests, err := filepath.Glob(filepath.Join(dir, "qmp/generated/*/*_test.go"))
	require.NoError(t, err)
	for _, path := range tests {
		require.NoError(t, os.Remove(path))
	}
	return dir
}

// listGet is a command that packages of this module use and that QEMU 10.0 lacks.
const listGet = `
##
# @ObjectPropertyValue:
#
# A property with its value.
#
# @name: its name
#
# @type: its type
#
# @value: its value
#
# Since: 99.1
##
{ 'struct': 'ObjectPropertyValue', 'data': { 'name': 'str', 'type': 'str', '*value': 'any' } }

##
# @ObjectPropertiesValues:
#
# The properties of an object.
#
# @properties: all of them
#
# Since: 99.1
##
{ 'struct': 'ObjectPropertiesValues', 'data': { 'properties': [ 'ObjectPropertyValue' ] } }

##
# @qom-list-get:
#
# Lists the properties of objects with their values.
#
# @paths: the paths of the objects
#
# Since: 99.1
##
{ 'command': 'qom-list-get', 'data': { 'paths': [ 'str' ] }, 'returns': [ 'ObjectPropertiesValues' ] }
`
