package unmask_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden unmasks the answer of a server built from "live.json", with the names of
// "names.json", in each archive under testdata. The files in want are the result.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			require.NoError(t, err)
			live := loadText(t, archive, "live.json").Introspect(qapi.IntrospectOptions{})
			got := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				if !strings.HasPrefix(f.Name, "want/") {
					got.Files = append(got.Files, f)
				}
			}
			snapshot := unmasked(t, live, loadText(t, archive, "names.json"))
			for _, name := range slices.Sorted(maps.Keys(snapshot.Files)) {
				got.Files = append(got.Files, txtar.File{Name: "want/" + name, Data: snapshot.Files[name]})
			}
			got.Files = append(got.Files, txtar.File{Name: "want/types", Data: []byte(typeLines(snapshot))})
			if *update {
				require.NoError(t, os.WriteFile(path, txtar.Format(got), 0o666))
				return
			}
			require.Equal(t, string(txtar.Format(archive)), string(txtar.Format(got)),
				"run go test -update if the change is meant")
		})
	}
}

func typeLines(s *unmask.Snapshot) string {
	text := fmt.Sprintf("%d recovered\n", s.Recovered())
	for _, t := range s.Types {
		text += strings.TrimSuffix(t.Name+" "+t.Use, " ") + "\n"
	}
	return text
}

func loadText(t testing.TB, archive *txtar.Archive, name string) *qapi.Schema {
	t.Helper()
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	s, err := qapi.LoadFS(files, name, nil)
	require.NoError(t, err)
	return s
}

// unmasked unmasks a server's schema, and makes sure that the outcome is the same schema.
func unmasked(t testing.TB, live *introspect.Schema, names *qapi.Schema) *unmask.Snapshot {
	t.Helper()
	s, err := unmask.Unmask(live, names)
	require.NoError(t, err)
	requireSame(t, live, s.Schema)
	return s
}

// requireSame compares what a server says with what one built from the schema would say.
func requireSame(t testing.TB, live *introspect.Schema, s *qapi.Schema) {
	t.Helper()
	changes, err := diff.Compare(live, s.Introspect(qapi.IntrospectOptions{}))
	require.NoError(t, err)
	require.Empty(t, changes)
}
