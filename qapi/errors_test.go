package qapi_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/qapi"
)

// TestErrors loads the wrong schema in each archive under testdata/errors, whose main file is
// schema.json, and compares the diagnostics with the archive's file "errors". The archive's
// comment says what is wrong.
func TestErrors(t *testing.T) {
	golden.Compare(t, "testdata/errors/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		schema, err := qapi.LoadFS(golden.FS(archive), "schema.json", nil)
		require.Nil(t, schema)
		var diagnostics qapi.Diagnostics
		require.ErrorAs(t, err, &diagnostics)
		return withErrors(archive, err.Error()+"\n")
	})
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
