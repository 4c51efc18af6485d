package gogen

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestEverySecretIsInASchema finds each row of today's in one of the schemas.
func TestEverySecretIsInASchema(t *testing.T) {
	var schemas []*qapi.Schema
	for _, main := range []string{schema.NewestQEMU, schema.NewestStorage, schema.NewestGuest} {
		s, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		schemas = append(schemas, s)
	}
	for _, row := range secrets {
		require.NotEmpty(t, row.reason)
		found := false
		for _, s := range schemas {
			d := s.Lookup(row.owner)
			found = found || d != nil && hasMember(d, row.member)
		}
		if row.until == "" {
			require.True(t, found, "%s of %s", row.member, row.owner)
		}
	}
}
