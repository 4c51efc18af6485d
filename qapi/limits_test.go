package qapi_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

func TestNestedValues(t *testing.T) {
	const deep = 10_000
	for _, text := range []string{
		strings.Repeat("{ 'a': ", deep) + "true" + strings.Repeat("}", deep),
		strings.Repeat("{ 'a': ", deep),
		strings.Repeat("[", deep),
		strings.Repeat("{\n'if': [", deep),
	} {
		require.Regexp(t, `^schema.json:\d+:\d+: nested too deeply$`, loadError(t, text))
	}
	nested := strings.Repeat("{ 'not': ", 200) + "'X'" + strings.Repeat("}", 200)
	s := load(t, "{ 'command': 'stop', 'if': "+nested+" }")
	require.Equal(t, strings.Repeat("!", 200)+"X", s.Commands()[0].If.String())
}

func TestNestedBases(t *testing.T) {
	chain := func(n int, backwards bool) string {
		lines := []string{"{ 'struct': 'T0', 'data': {} }"}
		for i := range n {
			lines = append(lines, fmt.Sprintf("{ 'struct': 'T%da', 'base': 'T%da', 'data': {} }", i+1, i))
		}
		lines[0] = "{ 'struct': 'T0a', 'data': {} }"
		if backwards {
			for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
		return strings.Join(lines, "\n")
	}
	for _, backwards := range []bool{false, true} {
		load(t, chain(100, backwards))
		require.Regexp(t, `is nested too deeply$`, loadError(t, chain(101, backwards)))
		require.Regexp(t, `is nested too deeply$`, loadError(t, chain(10_000, backwards)))
	}
}

// Types may refer to one another in a long row.
func TestLongChain(t *testing.T) {
	var b strings.Builder
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&b, "{ 'struct': 'T%da', 'data': { 'next': [ 'T%da' ], '*other': 'T%da' } }\n", i, (i+1)%n, (i+2)%n)
	}
	s := load(t, b.String())
	require.Len(t, s.Under(func(string) bool { return true }).Definitions, n)
}

func TestManyBranches(t *testing.T) {
	var b strings.Builder
	b.WriteString("{ 'enum': 'Kind', 'data': [ 'v'")
	for i := range 2000 {
		fmt.Fprintf(&b, ", 'v%d'", i)
	}
	b.WriteString(" ] }\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "{ 'union': 'U%da', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': {} }\n", i)
	}
	require.Contains(t, loadError(t, b.String()), "too many branches")
}

func TestOptions(t *testing.T) {
	fsys := fstest.MapFS{
		"schema.json": {Data: []byte("{ 'include': 'a.json' }\n{ 'include': 'a.json' }\n{ 'include': 'b.json' }")},
		"a.json":      {Data: []byte("{ 'event': 'A' }")},
		"b.json":      {Data: []byte("{ 'event': 'B' }")},
	}
	load := func(opts qapi.Options) error {
		_, err := qapi.LoadFS(fsys, "schema.json", &opts)
		return err
	}
	require.NoError(t, load(qapi.Options{MaxFiles: 3, MaxFileSize: 71}))
	require.EqualError(t, load(qapi.Options{MaxFiles: 2}), "schema.json:3: can't include 'b.json': too many files")
	require.EqualError(t, load(qapi.Options{MaxFileSize: 70}),
		"can't read schema file 'schema.json': larger than 70 bytes")
	fsys["b.json"].Data = []byte(strings.Repeat(" ", 100))
	require.EqualError(t, load(qapi.Options{MaxFileSize: 99}),
		"schema.json:3: can't read include file 'b.json': larger than 99 bytes")

	fsys["schema.json"].Data = []byte(strings.Repeat("true\n", 1000))
	var diagnostics qapi.Diagnostics
	require.ErrorAs(t, load(qapi.Options{}), &diagnostics)
	require.Len(t, diagnostics, 100)
	require.ErrorAs(t, load(qapi.Options{MaxErrors: 7}), &diagnostics)
	require.Len(t, diagnostics, 7)
}

func TestInvalidUTF8(t *testing.T) {
	require.Equal(t, "schema.json:2:5: invalid UTF-8", loadError(t, "# \uFFFD\r\n\t# gr\xfcn\n# \xff"))
	require.Equal(t, "schema.json:1:1: stray '\uFEFF#'", loadError(t, "\uFEFF# no byte order mark"))
	require.Equal(t, "schema.json:1:2: stray '\x00x'", loadError(t, " \x00x"))
}

func TestNewlines(t *testing.T) {
	for _, newline := range []string{"\n", "\r\n", "\r"} {
		text := strings.ReplaceAll("##\n# @A:\n##\n{ 'event': 'A' }\n{ 'event': 'B' }", "\n", newline)
		s := load(t, text)
		require.Equal(t, 5, s.Lookup("B").Head().Pos.Line)
	}
	load(t, "\f\v\u00a0\u2003\x1c{ 'event': 'A' }\u0085# white space of all kinds")
}

// Each beginning of a schema is a schema or has an error with a place.
func TestTruncated(t *testing.T) {
	const text = `##
# @Kind:
#
# @a: one
#
# Features:
# @deprecated: two
##
{ 'enum': 'Kind', 'data': [ 'a', { 'name': 'b', 'if': { 'not': 'X' },
  'features': [ 'deprecated' ] } ] }
{ 'union': 'Any', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'a': 'One' } }
{ 'struct': 'One', 'data': { '*x': [ 'int' ] } }
{ 'command': 'stop', 'returns': 'Any', 'allow-oob': true }
`
	for i := range text {
		_, err := qapi.LoadFS(fstest.MapFS{"schema.json": {Data: []byte(text[:i])}}, "schema.json", nil)
		if err == nil {
			continue
		}
		var diagnostics qapi.Diagnostics
		require.ErrorAs(t, err, &diagnostics)
		for _, d := range diagnostics {
			require.Regexp(t, `^schema.json:\d+(:\d+)?: .`, d.Error())
		}
	}
}

func TestUnreadableMainFile(t *testing.T) {
	_, err := qapi.Load(filepath.Join(t.TempDir(), "none.json"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Regexp(t, `^can't read schema file '.*none.json': `, err.Error())
	_, err = qapi.Load(t.TempDir(), nil)
	require.ErrorContains(t, err, "can't read schema file")
	_, err = qapi.LoadFS(schema.FS, "../schema.json", nil)
	require.Error(t, err)
}

// A file is the same by whatever name it is included, and paths are shown as they are made.
func TestLoadPaths(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	write("sub/main.json", "{ 'include': '../a.json' }\n{ 'include': '"+dir+"/sub/../a.json' }\n{ 'event': 'MAIN' }")
	write("a.json", "{ 'include': 'sub/b.json' }\n{ 'event': 'A' }")
	write("sub/b.json", "{ 'event': 'B' }")
	t.Chdir(dir)

	s, err := qapi.Load("sub/main.json", nil)
	require.NoError(t, err)
	var names, files []string
	for _, d := range s.Definitions {
		names = append(names, d.Head().Name)
		files = append(files, d.Head().Pos.File)
	}
	require.Equal(t, []string{"B", "A", "MAIN"}, names)
	require.Equal(t, []string{"sub/../sub/b.json", "sub/../a.json", "sub/main.json"}, files)
	require.Equal(t, "../a.json", s.Modules[1].Name)
	require.Equal(t, "b.json", s.Modules[2].Name)

	write("sub/b.json", "{ 'include': '../sub/main.json' }")
	_, err = qapi.Load("sub/main.json", nil)
	require.EqualError(t, err, "sub/../sub/b.json:1: inclusion loop for ../sub/main.json")
}

func TestDiagnostics(t *testing.T) {
	_, err := qapi.LoadFS(fstest.MapFS{"s": {Data: []byte("{ 'event': 'a' }\n{ 'event': 'b' }")}}, "s", nil)
	var first *qapi.Diagnostic
	require.ErrorAs(t, err, &first)
	require.Equal(t, qapi.Pos{File: "s", Line: 1}, first.Pos)
	require.Equal(t, "event 'a': name of event must not use lowercase or '-'", first.Message)
	require.Len(t, strings.Split(err.Error(), "\n"), 2)
	require.False(t, errors.Is(err, fs.ErrNotExist))

	require.Equal(t, "s", qapi.Pos{File: "s"}.String())
	require.Equal(t, "s:1:2", qapi.Pos{File: "s", Line: 1, Column: 2}.String())
}
