package unmask

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestSameVersion gives a QEMU the names of its own schema: each definition that commands and
// events lead to comes out as it is there, but for the conditions, in the same module.
func TestSameVersion(t *testing.T) {
	for _, main := range schema.Mains {
		source, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		snapshot, err := Unmask(source.Introspect(qapi.IntrospectOptions{}), source)
		require.NoError(t, err)
		want := map[string]*definition{}
		for _, d := range described(source) {
			want[d.name] = d
		}
		got := described(snapshot.Schema)
		require.Greater(t, len(got), len(source.Commands()))
		for _, d := range got {
			require.Equal(t, printed(want[d.name]), printed(d))
			require.Equal(t, want[d.name].module, d.module)
			delete(want, d.name)
		}
		view := source.Introspect(qapi.IntrospectOptions{Unmask: true})
		for name := range want {
			require.Nil(t, view.Lookup(name), "what is left out is reached by nothing")
		}
		t.Logf("%s: %d definitions, %d of them unreached", main, len(source.Definitions), len(want))
	}
}

// printed is the text of a definition without conditions.
func printed(d *definition) string {
	plain := *d
	plain.cond, plain.features = nil, newFeatures(names(d.features))
	plain.values, plain.members, plain.branches = nil, slices.Clone(d.members), slices.Clone(d.branches)
	for _, v := range d.values {
		plain.values = append(plain.values, &qapi.EnumValue{Name: v.Name, Features: newFeatures(names(v.Features))})
	}
	for i := range plain.members {
		m := &plain.members[i]
		m.cond, m.features = nil, newFeatures(names(m.features))
	}
	for i := range plain.branches {
		plain.branches[i].cond = nil
	}
	items := []syntax.Item{}
	if doc := plain.doc(); doc != nil {
		items = append(items, doc)
	}
	return string(syntax.Print(&syntax.File{Items: append(items, plain.object())}))
}

func names(features []*qapi.Feature) (names []string) {
	for _, f := range features {
		names = append(names, f.Name)
	}
	return names
}

// TestHiddenRows compares the table with the schemas of today that have the command.
func TestHiddenRows(t *testing.T) {
	for _, main := range schema.Mains {
		source, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		for _, c := range source.Commands() {
			_, union := c.Arg.(*qapi.Union)
			row := hidden[c.Name]
			require.Equal(t, c.NoGen, row.noGen && !union, c.Name)
			require.Equal(t, c.NoReply, row.noReply, c.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hidden)) {
		require.NotEmpty(t, hidden[name].reason, name)
	}
}
