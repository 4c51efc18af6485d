// Package golden compares the results of tests with txtar archives in testdata:
//
//	golden.Compare(t, "testdata/print/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
//		…
//	})
//
// go test -update writes the archives anew.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Compare compares each archive that the pattern matches with the one that result makes of it, in a subtest with the
// name of the archive.
func Compare(t *testing.T, pattern string, result func(t *testing.T, archive *txtar.Archive) *txtar.Archive) {
	t.Helper()
	for path, archive := range Archives(t, pattern) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			want := string(txtar.Format(archive))
			got := string(txtar.Format(result(t, archive)))
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
				return
			}
			require.Equal(t, want, got, "run go test -update if the change is meant")
		})
	}
}

// Archives reads the archives that the pattern matches. The keys are their paths.
func Archives(t testing.TB, pattern string) map[string]*txtar.Archive {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	archives := map[string]*txtar.Archive{}
	for _, path := range paths {
		archives[path], err = txtar.ParseFile(path)
		require.NoError(t, err)
	}
	return archives
}

// FS returns the files of an archive.
func FS(archive *txtar.Archive) fstest.MapFS {
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return files
}
