package diff_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// loaded is a schema of one file.
func loaded(t testing.TB, text string) *qapi.Schema {
	t.Helper()
	s, err := qapi.LoadFS(fstest.MapFS{"schema.json": {Data: []byte(text)}}, "schema.json", nil)
	require.NoError(t, err)
	return s
}

// view is a server's view of a schema of one file.
func view(t testing.TB, text string) *introspect.Schema {
	t.Helper()
	return loaded(t, text).Introspect(qapi.IntrospectOptions{})
}

// compare compares two views, both ways, and checks what holds for all.
func compare(t testing.TB, old, new *introspect.Schema) []diff.Change {
	t.Helper()
	changes, err := diff.Compare(old, new)
	require.NoError(t, err)
	for _, s := range []*introspect.Schema{old, new} {
		same, err := diff.Compare(s, s)
		require.NoError(t, err)
		require.Empty(t, same)
	}
	back, err := diff.Compare(new, old)
	require.NoError(t, err)
	require.Equal(t, reversed(changes, false), reversed(back, true))
	checkPaths(t, old, new, changes)
	return changes
}

// reversed are the changes by what they are about; in the opposite direction if back is set.
func reversed(changes []diff.Change, back bool) map[string]bool {
	opposite := map[diff.Kind]diff.Kind{
		diff.Added: diff.Removed, diff.Removed: diff.Added,
		diff.Optional: diff.Mandatory, diff.Mandatory: diff.Optional,
		diff.Retyped: diff.Retyped,
	}
	all := map[string]bool{}
	for _, c := range changes {
		kind, old, new := c.Kind, c.Old, c.New
		if back {
			kind, old, new = opposite[c.Kind], c.New, c.Old
		}
		if kind == diff.Deprecated || kind == "" || c.What == diff.Feature {
			continue // these are two kinds of change
		}
		path := c.Path
		if kind == diff.Retyped {
			path = "" // which the member has in the new schema, and may be another in the old one
		}
		all[fmt.Sprintln(kind, c.What, path, c.Direction, old, new, c.Users)] = true
	}
	return all
}

// checkPaths checks that paths tell the old schema from the new one.
func checkPaths(t testing.TB, old, new *introspect.Schema, changes []diff.Change) {
	t.Helper()
	for _, c := range changes {
		if c.What == diff.OutOfBand || c.What == diff.Type && c.Users == nil {
			continue
		}
		before, err := old.Has(c.Path)
		require.NoError(t, err)
		after, err := new.Has(c.Path)
		require.NoError(t, err)
		switch c.Kind {
		case diff.Added, diff.Optional:
			require.True(t, !before && after, "%+v", c)
		case diff.Removed, diff.Mandatory:
			require.True(t, before && !after, "%+v", c)
		default:
			require.True(t, after, "%+v", c)
		}
	}
}

// lines are the changes in short: breaking ones with an exclamation mark.
func lines(changes []diff.Change) (all []string) {
	for _, c := range changes {
		line := fmt.Sprintf("%s %s %s", c.Kind, c.What, c.Path)
		if c.Breaking {
			line = "! " + line
		}
		all = append(all, line)
	}
	return all
}
