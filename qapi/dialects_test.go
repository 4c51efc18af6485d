package qapi_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/qapi"
)

// TestDialects judges the schema in each archive under testdata/dialects, schema.json, in all
// dialects, and compares what is reported with the archive's file of the dialect's name, which
// is empty where the schema is accepted.
func TestDialects(t *testing.T) {
	golden.Compare(t, "testdata/dialects/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		got := &txtar.Archive{Comment: archive.Comment, Files: archive.Files[:1:1]}
		for _, d := range qapi.Dialects() {
			got.Files = append(got.Files, txtar.File{Name: d.String(), Data: judge(t, archive, d)})
		}
		return got
	})
}

// judge returns what a dialect has to say about an archive's schema.
func judge(t *testing.T, a *txtar.Archive, d qapi.Dialect) []byte {
	t.Helper()
	_, err := qapi.LoadFS(golden.FS(a), a.Files[0].Name, &qapi.Options{Dialect: d})
	if err == nil {
		return nil
	}
	var diagnostics qapi.Diagnostics
	require.ErrorAs(t, err, &diagnostics)
	return []byte(err.Error() + "\n")
}

func TestDialectNames(t *testing.T) {
	for _, d := range qapi.Dialects() {
		parsed, ok := qapi.ParseDialect(d.String())
		require.True(t, ok)
		require.Equal(t, d, parsed)
	}
	_, ok := qapi.ParseDialect("1.0")
	require.False(t, ok)
	for _, d := range []qapi.Dialect{-1, qapi.QEMU10_2 + 1} {
		require.Equal(t, "unknown", d.String())
		_, err := qapi.LoadFS(nil, "schema.json", &qapi.Options{Dialect: d})
		require.EqualError(t, err, "qapi: unknown dialect; Dialects returns the dialects")
	}
}
