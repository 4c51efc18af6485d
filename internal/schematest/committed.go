package schematest

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// Committed returns the schema of a package in qmp/generated, by its name: the newest that is in the
// tree, in which all is optional that a server which was captured does not send.
func Committed(tb testing.TB, pkg string) *qapi.Schema {
	main := map[string]string{
		"qemu": schema.NewestQEMU, "storage": schema.NewestStorage, "guest": schema.NewestGuest,
	}[pkg]
	s, err := qapi.LoadFS(schema.FS, main, nil)
	require.NoError(tb, err)
	for _, version := range Captured(tb, pkg) {
		s.Loosen(Answer(tb, version, pkg))
	}
	return s
}

// Load loads the schema with a main file.
func Load(tb testing.TB, main string) *qapi.Schema {
	s, err := qapi.Load(main, nil)
	require.NoError(tb, err)
	return s
}

// Captured returns the versions of QEMU of which there is an answer to query-qmp-schema for a
// package.
func Captured(tb testing.TB, pkg string) (versions []string) {
	folders, err := schema.Captured.ReadDir("captured")
	require.NoError(tb, err)
	for _, f := range folders {
		if _, err := schema.Captured.Open(path.Join("captured", f.Name(), pkg+".json")); err == nil {
			versions = append(versions, f.Name())
		}
	}
	return versions
}

// Answer reads the answer of a server of that version.
func Answer(tb testing.TB, version, pkg string) *introspect.Schema {
	text, err := schema.Captured.ReadFile(path.Join("captured", version, pkg+".json"))
	require.NoError(tb, err)
	view, err := introspect.Read(text)
	require.NoError(tb, err)
	return view
}
