package qapi_test

import (
	"flag"
	"os"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestErrors loads the wrong schema in each archive under testdata/errors, whose main file is
// schema.json, and compares the diagnostics with the archive's file "errors". The archive's
// comment says what is wrong.
func TestErrors(t *testing.T) {
	for path, archive := range archives(t, "testdata/errors/*.txtar") {
		t.Run(caseName(path), func(t *testing.T) {
			schema, err := qapi.LoadFS(archiveFS(archive), "schema.json", nil)
			require.Nil(t, schema)
			var diagnostics qapi.Diagnostics
			require.ErrorAs(t, err, &diagnostics)
			got := withErrors(archive, err.Error()+"\n")
			if *update {
				require.NoError(t, os.WriteFile(path, txtar.Format(got), 0o666))
				return
			}
			require.Equal(t, string(txtar.Format(archive)), string(txtar.Format(got)),
				"run go test -update if the change is meant")
		})
	}
}

func archiveFS(a *txtar.Archive) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, f := range a.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return fsys
}

// withErrors is the archive's schema with the diagnostics.
func withErrors(a *txtar.Archive, text string) *txtar.Archive {
	b := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		if f.Name != "errors" {
			b.Files = append(b.Files, f)
		}
	}
	b.Files = append(b.Files, txtar.File{Name: "errors", Data: []byte(text)})
	return b
}
