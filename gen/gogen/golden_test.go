package gogen_test

import (
	"flag"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/gen/gogen"
	"github.com/qmpkit/qmpkit/qapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// schemaName is the main schema in every archive.
const schemaName = "schema.json"

// TestGolden generates from the schema in each archive under testdata/golden and compares the
// files with those in the archive. The archive's comment says what it shows; a line of
// "codec: both" or "show: package" in it asks for both codecs, or for the package's own file
// besides those of modules.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			require.NoError(t, err)
			files, err := generateArchive(archive)
			require.NoError(t, err)
			if !strings.Contains(string(archive.Comment), "show: package") {
				delete(files, "package_gen.go")
			}
			for name, data := range files {
				_, err := parser.ParseFile(token.NewFileSet(), name, data, parser.AllErrors)
				require.NoError(t, err)
			}
			if *update {
				require.NoError(t, os.WriteFile(path, txtar.Format(withFiles(archive, files)), 0o666))
				return
			}
			require.Equal(t, string(txtar.Format(archive)), string(txtar.Format(withFiles(archive, files))),
				"run go test -update if the change is meant")
		})
	}
}

// TestErrors generates from schemas that have no place in a Go package; the archive's file
// "error" is the message.
func TestErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			require.NoError(t, err)
			_, err = generateArchive(archive)
			require.Error(t, err)
			got := map[string][]byte{"error": []byte(err.Error() + "\n")}
			if *update {
				require.NoError(t, os.WriteFile(path, txtar.Format(withFiles(archive, got)), 0o666))
				return
			}
			require.Equal(t, string(txtar.Format(archive)), string(txtar.Format(withFiles(archive, got))))
		})
	}
}

func generateArchive(a *txtar.Archive) (map[string][]byte, error) {
	fsys := fstest.MapFS{}
	for _, f := range a.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	schema, err := qapi.LoadFS(fsys, schemaName, nil)
	if err != nil {
		return nil, err
	}
	opts := gogen.Options{Package: "sample", Version: "1.2.3"}
	if strings.Contains(string(a.Comment), "codec: both") {
		opts.Codec = gogen.CodecBoth
	}
	return gogen.Generate(schema, opts)
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
