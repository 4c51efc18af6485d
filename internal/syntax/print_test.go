package syntax_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestPrint prints the file "in" of each archive under testdata/print and compares the result
// with the file "out".
func TestPrint(t *testing.T) {
	golden.Compare(t, "testdata/print/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		in := archive.Files[0]
		checkRoundTrip(t, t.Name(), in.Data)
		out := txtar.File{Name: "out", Data: syntax.Print(syntax.Parse(in.Data))}
		return &txtar.Archive{Comment: archive.Comment, Files: []txtar.File{in, out}}
	})
}

// TestPrintSnapshot prints this module's own copy of QEMU's schema, which changes nothing but
// the line that says where it is from.
func TestPrintSnapshot(t *testing.T) {
	forEachSchema(t, schema.FS, func(path string, text []byte) {
		checkRoundTrip(t, path, text)
		_, body, ok := strings.Cut(string(text), "\n\n")
		require.True(t, ok, path)
		require.Equal(t, body, string(syntax.Print(syntax.Parse(text))), path)
	})
}

// TestPrintRealSchemas prints every file of QEMU's own schemas.
func TestPrintRealSchemas(t *testing.T) {
	for _, version := range qemutest.SourceVersions {
		t.Run(version, func(t *testing.T) {
			source := qemutest.Source(t, version)
			for _, folder := range []string{"qapi", "qga", "storage-daemon"} {
				forEachSchema(t, os.DirFS(filepath.Join(source, folder)), func(path string, text []byte) {
					checkRoundTrip(t, path, text)
				})
			}
		})
	}
}

func forEachSchema(t *testing.T, fsys fs.FS, check func(path string, text []byte)) {
	files := 0
	err := fs.WalkDir(fsys, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		files++
		text, err := fs.ReadFile(fsys, path)
		require.NoError(t, err)
		check(path, text)
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, files)
}

// checkRoundTrip checks that printing a file keeps what it says, and that printing it again
// changes nothing.
func checkRoundTrip(t testing.TB, path string, text []byte) {
	t.Helper()
	read := syntax.Parse(text)
	require.Empty(t, read.Errors(), path)
	printed := syntax.Print(read)
	again := syntax.Parse(printed)
	require.Empty(t, again.Errors(), path)
	require.True(t, syntax.Equal(read, again), "%s changes when it is printed", path)
	require.Equal(t, string(printed), string(syntax.Print(again)), path)
}

func TestEqual(t *testing.T) {
	const text = "##\n# @a:\n#\n# Features:\n# @f: x\n#\n# Since: 1.0\n##\n{ 'a': [ 'b', true, {} ] }"
	for _, same := range []string{
		text,
		"# comment\n" + text,
		"##\n# free\n##\n" + text,
		strings.Replace(text, "@f: x", "@f:", 1),
		strings.Replace(text, "1.0", "1.0, more or less", 1),
		strings.Replace(text, "@a:\n#\n", "@a:\n#\n# Text.\n#\n", 1),
	} {
		require.True(t, syntax.Equal(syntax.Parse([]byte(text)), syntax.Parse([]byte(same))), same)
	}
	for _, change := range [][2]string{
		{"@a", "@b"}, {"@f", "@g"}, {"1.0", "1.1"}, {"'a':", "'b':"}, {"'b'", "'c'"}, {"true", "false"},
		{"true, ", ""}, {"{}", "[]"}, {"{}", "{ 'x': true }"}, {"'b'", "true"}, {"true", "'true'"},
		{"##\n{", "##\n##\n# @a:\n##\n{"}, {"{ 'a'", "{} { 'a'"}, {"{ 'a'", "{ 'x' } { 'a'"}, {"# @a:", "# @a"},
	} {
		other := strings.Replace(text, change[0], change[1], 1)
		require.NotEqual(t, text, other)
		require.False(t, syntax.Equal(syntax.Parse([]byte(text)), syntax.Parse([]byte(other))), other)
		require.False(t, syntax.Equal(syntax.Parse([]byte(other)), syntax.Parse([]byte(text))), other)
	}
	wrong := syntax.Parse([]byte("{ 'a' }"))
	require.True(t, syntax.Equal(wrong, syntax.Parse([]byte(" { 'b' }"))))
	require.Empty(t, syntax.Print(wrong))
}
