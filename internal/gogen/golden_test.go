package gogen_test

import (
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/qapi"
)

// schemaName is the main schema in every archive.
const schemaName = "schema.json"

// TestGolden generates from the schema in each archive under testdata/golden and compares the
// files with those in the archive. The archive's comment says what it shows; a line of
// "codec: both" or "show: package" in it asks for both codecs, or for the package's own file
// besides those of modules, and one of "docs: yes" for documentation. Lines such as
// "only: stop, cont" and "modules: block" are a selection.
func TestGolden(t *testing.T) {
	compareArchives(t, "testdata/golden/*.txtar", func(t *testing.T, archive *txtar.Archive) map[string][]byte {
		files, err := generateArchive(archive)
		require.NoError(t, err)
		if !strings.Contains(string(archive.Comment), "show: package") {
			delete(files, "package_gen.go")
		}
		for name, data := range files {
			_, err := parser.ParseFile(token.NewFileSet(), name, data, parser.AllErrors)
			require.NoError(t, err)
		}
		return files
	})
}

// TestErrors generates from schemas that have no place in a Go package; the archive's file
// "error" is the message.
func TestErrors(t *testing.T) {
	compareArchives(t, "testdata/errors/*.txtar", func(t *testing.T, archive *txtar.Archive) map[string][]byte {
		_, err := generateArchive(archive)
		require.Error(t, err)
		return map[string][]byte{"error": []byte(err.Error() + "\n")}
	})
}

// compareArchives compares the files in each archive, but for its schemas, with those that make
// makes of it.
func compareArchives(t *testing.T, pattern string, make func(*testing.T, *txtar.Archive) map[string][]byte) {
	golden.Compare(t, pattern, func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		return withFiles(archive, make(t, archive))
	})
}

func generateArchive(a *txtar.Archive) (map[string][]byte, error) {
	schema, err := qapi.LoadFS(golden.FS(a), schemaName, nil)
	if err != nil {
		return nil, err
	}
	opts := gogen.Options{Package: "sample", Version: "1.2.3"}
	opts.Docs = strings.Contains(string(a.Comment), "docs: yes")
	opts.Selection = gogen.Selection{
		Only: setting(a, "only"), Modules: setting(a, "modules"),
		Define: setting(a, "define"), Undefine: setting(a, "undefine"),
	}
	return gogen.Generate(schema, opts)
}

// setting returns the list in the line of an archive's comment that begins with a key, nil if there
// is none.
func setting(a *txtar.Archive, key string) []string {
	for line := range strings.Lines(string(a.Comment)) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), key+":"); ok {
			return append([]string{}, strings.Fields(strings.ReplaceAll(list, ",", " "))...)
		}
	}
	return nil
}

// withFiles is the archive with its schemas and the given files.
func withFiles(a *txtar.Archive, files map[string][]byte) *txtar.Archive {
	b := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		if strings.HasSuffix(f.Name, ".json") {
			b.Files = append(b.Files, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b.Files = append(b.Files, txtar.File{Name: name, Data: files[name]})
	}
	return b
}
