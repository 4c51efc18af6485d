package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const selectable = `
{ 'command': 'stop' }
{ 'command': 'cont', 'if': 'CONFIG_LINUX' }
{ 'command': 'spin', 'if': 'CONFIG_WIN32' }
{ 'event': 'STOPPED' }
`

// TestGenerateSelection gives the flags of a selection in all their ways; what is generated is
// told by the requests and events in it.
func TestGenerateSelection(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(list, []byte("# what we use\nstop # it\n\nSTOPPED, cont\n"), 0o666))
	all := []string{"Stop", "Cont", "Spin", "StoppedEvent"}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"all", nil, all},
		{"list", []string{"-only", "stop,STOPPED"}, []string{"Stop", "StoppedEvent"}},
		{"repeated", []string{"-only", "stop", "-only=spin, stop"}, []string{"Stop", "Spin"}},
		{"file", []string{"-only", "@" + list}, []string{"Stop", "Cont", "StoppedEvent"}},
		{"file and list", []string{"-only", "@" + list, "-only", "spin"}, all},
		{"module", []string{"-modules", "schema"}, all},
		{"module's file", []string{"-modules", "schema.json"}, all},
		{"union", []string{"-modules", "schema", "-only", "stop"}, all},
		{"define", []string{"-define", "CONFIG_LINUX"}, []string{"Stop", "Cont", "StoppedEvent"}},
		{"define two", []string{"-define", "CONFIG_LINUX,CONFIG_WIN32"}, all},
		{"define twice", []string{"-define", "CONFIG_LINUX", "-define", "CONFIG_WIN32"}, all},
		{"define nothing", []string{"-define", ""}, []string{"Stop", "StoppedEvent"}},
		{"undefine", []string{"-undefine", "CONFIG_WIN32"}, []string{"Stop", "Cont", "StoppedEvent"}},
		{"undefine nothing", []string{"-undefine="}, all},
		{"define and only", []string{"-define", "CONFIG_LINUX", "-only", "cont"}, []string{"Cont"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, out := writeSchema(t, selectable), t.TempDir()
			args := append([]string{"generate", "-schema", path, "-package", "p", "-out", out}, c.args...)
			status, stderr := runQapigen(t, args...)
			require.Zero(t, status, stderr)
			text := ""
			for _, file := range generatedFiles(t, out) {
				text += file
			}
			for _, name := range all {
				if decl := "\ntype " + name + " struct"; slices.Contains(c.want, name) {
					require.Contains(t, text, decl)
				} else {
					require.NotContains(t, text, decl)
				}
			}
		})
	}
}

// TestGenerateBadSelection gives them wrongly: nothing is written.
func TestGenerateBadSelection(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		want   string
		args   []string
	}{
		{"unknown", exitFailure, "there is no command or event stopp: did you mean stop or STOPPED?", []string{"-only", "stopp"}},
		{"two unknown", exitFailure, "xyzzy\nqapigen: there is no command or event plugh\n", []string{"-only", "xyzzy,plugh"}},
		{"other build", exitFailure, "only builds with CONFIG_WIN32 have it", []string{"-only", "spin", "-define", "CONFIG_LINUX"}},
		{"module", exitFailure, "the schema has no module schem: did you mean schema?", []string{"-modules", "schem"}},
		{"symbol", exitFailure, "no condition in the schema has the symbol CONFIG_LINX: did you mean CONFIG_LINUX?", []string{"-define", "CONFIG_LINX"}},
		{"undefined symbol", exitFailure, "did you mean CONFIG_WIN32?", []string{"-undefine", "CONFIG_WIN23"}},
		{"no file", exitFailure, "-only: open absent: no such file or directory", []string{"-only", "@absent"}},
		{"nothing", exitUsage, "-only names nothing", []string{"-only", ", "}},
		{"no module", exitUsage, "-modules names nothing", []string{"-modules="}},
		{"both", exitUsage, "-define and -undefine exclude each other", []string{"-define", "A", "-undefine", "B"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeSchema(t, selectable)
			t.Chdir(t.TempDir())
			args := append([]string{"generate", "-schema", path, "-package", "p", "-out", "o"}, c.args...)
			status, stderr := runQapigen(t, args...)
			require.Equal(t, c.status, status)
			require.Contains(t, stderr, c.want)
			require.NoDirExists(t, "o")
		})
	}
}
