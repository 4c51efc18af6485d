package unmask_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// TestGolden unmasks the answer of a server built from "live.json", with the names of
// "names.json", in each archive under testdata. The files in want are the result.
func TestGolden(t *testing.T) {
	golden.Compare(t, "testdata/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		live := loadText(t, archive, "live.json").Introspect(qapi.IntrospectOptions{})
		snapshot := unmasked(t, live, loadText(t, archive, "names.json"))
		got := withWant(archive, snapshot.Files)
		got.Files = append(got.Files, txtar.File{Name: "want/types", Data: []byte(typeLines(snapshot))})
		return got
	})
}

// withWant returns an archive with other files in the folder want.
func withWant(archive *txtar.Archive, files map[string][]byte) *txtar.Archive {
	got := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if !strings.HasPrefix(f.Name, "want/") {
			got.Files = append(got.Files, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		got.Files = append(got.Files, txtar.File{Name: "want/" + name, Data: files[name]})
	}
	return got
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
	s, err := qapi.LoadFS(golden.FS(archive), name, nil)
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
