package gogen_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// userModule is a module of a user's, in a folder of its own, with packages that were generated.
type userModule struct{ dir string }

func newUserModule(t *testing.T) *userModule {
	root := moduleRoot(t)
	m := &userModule{t.TempDir()}
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	_, version, ok := strings.Cut(string(own), "\ngo ")
	require.True(t, ok)
	version, _, _ = strings.Cut(version, "\n")
	m.add(t, "go.mod", fmt.Appendf(nil, "module user\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %[2]s => %s\n", version, module, root))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	m.add(t, "go.sum", sums)
	return m
}

func (m *userModule) add(t *testing.T, name string, data []byte) {
	path := filepath.Join(m.dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, data, 0o666))
}

// run carries out a command of go's, such as vet, for all packages.
func (m *userModule) run(t *testing.T, command string) {
	cmd := exec.CommandContext(t.Context(), "go", command, "./...")
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s: %s", command, out)
}

// TestSelectionsAlone builds and vets selections in a module of a user's.
func TestSelectionsAlone(t *testing.T) {
	s, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil)
	require.NoError(t, err)
	m := newUserModule(t)
	for name, sel := range map[string]gogen.Selection{
		"some":     {Only: []string{"device_add", "query-block", "DEVICE_DELETED"}},
		"event":    {Only: []string{"STOP"}},
		"command":  {Only: []string{"stop"}},
		"module":   {Modules: []string{"qdev"}},
		"both":     {Modules: []string{"qdev", "block-core"}, Only: []string{"quit", "MIGRATION"}},
		"nothing":  {Define: []string{}, Only: []string{"blockdev-add"}},
		"undefine": {Undefine: []string{"CONFIG_LINUX"}, Modules: []string{"qom"}},
	} {
		files, err := gogen.Generate(s, gogen.Options{Package: name, Selection: sel})
		require.NoError(t, err)
		for file, data := range files {
			m.add(t, name+"/"+file, data)
		}
	}
	m.run(t, "build")
	m.run(t, "vet")
}

// TestMembersWithNamesOfMethods builds and vets types whose members have the names of methods that types of
// all kinds have.
func TestMembersWithNamesOfMethods(t *testing.T) {
	const members = `'marshal-json': 'int', 'unmarshal-json': 'int', 'string': 'int', 'do': 'int', 'event-name': 'int',
		'encode-members': 'int', 'encode-value': 'int', 'decode-member': 'int', 'decode-value': 'int', 'decode-branch': 'int',
		'discriminator': 'int', 'marshal-members': 'int', 'unmarshal-member': 'int', 'unmarshal-branch': 'int'`
	text := `
{ 'enum': 'Kind', 'data': [ 'a' ] }
{ 'struct': 'Empty', 'data': {} }
{ 'command': 'send', 'data': 'Sent', 'boxed': true }
{ 'command': 'receive', 'returns': 'Received' }
{ 'command': 'send-numbers', 'data': { 'l': ['int'], ` + members + ` } }
{ 'command': 'receive-numbers', 'returns': 'Numbers' }
{ 'struct': 'Numbers', 'data': { 'l': ['int'], ` + members + ` } }
{ 'event': 'HAPPENED', 'data': { 'l': ['int'], ` + members + ` } }
`
	for _, name := range []string{"Sent", "Received", "Unused"} {
		text += "{ 'union': '" + name + "', 'base': { 'kind': 'Kind', " + members + " }, 'discriminator': 'kind', 'data': { 'a': 'Empty' } }\n"
	}
	s, err := qapi.LoadFS(fstest.MapFS{"s.json": {Data: []byte(text)}}, "s.json", nil)
	require.NoError(t, err)
	files, err := gogen.Generate(s, gogen.Options{Package: "methods"})
	require.NoError(t, err)
	m := newUserModule(t)
	for file, data := range files {
		m.add(t, "methods/"+file, data)
	}
	m.run(t, "vet")
}
