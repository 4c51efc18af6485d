package unmask_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestMalformed unmasks answers that no QEMU gives.
func TestMalformed(t *testing.T) {
	names := source(t, "10.2", schema.Guest)
	const empty = `{"name": "0", "meta-type": "object", "members": []},`
	for _, c := range []struct{ name, array, want string }{
		{"missing argument type", `[{"name": "x", "meta-type": "command", "arg-type": "7", "ret-type": "0"}]`,
			`x uses "7", which is not an object type`},
		{"missing result type", `[` + empty + `{"name": "x", "meta-type": "command", "arg-type": "0", "ret-type": "7"}]`,
			`x uses "7", which is not a type`},
		{"argument is no object", `[{"name": "str", "meta-type": "builtin", "json-type": "string"},
			{"name": "X", "meta-type": "event", "arg-type": "str"}]`, `X uses "str", which is not an object type`},
		{"a command for a type", `[` + empty + `{"name": "x", "meta-type": "command", "arg-type": "0", "ret-type": "x"}]`,
			`x uses "x", which is not a type`},
		{"twice", `[` + empty + `{"name": "0", "meta-type": "enum", "members": []}]`, "0 occurs twice"},
		{"array of arrays", `[{"name": "[a]", "meta-type": "array", "element-type": "[a]"}]`, "[a] is an array of arrays"},
		{"unknown kind", `[{"name": "1", "meta-type": "tuple"}]`, "1 has an unknown meta-type: tuple"},
		{"member's name", `[{"name": "1", "meta-type": "object", "members": [{"name": "a': 'b", "type": "1"}]}]`,
			`1 has the malformed name "a': 'b"`},
		{"built-in type's name", `[{"name": "x'", "meta-type": "builtin", "json-type": "string"}]`, `x' has the malformed name "x'"`},
		{"value's name", `[{"name": "1", "meta-type": "enum", "members": [{"name": "a b"}]}]`, `1 has the malformed name "a b"`},
		{"feature's name", `[{"name": "1", "meta-type": "enum", "features": ["\u00e9"], "members": []}]`, `1 has the malformed name "é"`},
		{"tag's name", `[{"name": "1", "meta-type": "object", "members": [], "tag": "/"}]`, `1 has the malformed name "/"`},
		{"branch", `[{"name": "1", "meta-type": "object", "members": [], "tag": "t", "variants": [{"case": "", "type": "1"}]}]`,
			`1 has the malformed name ""`},
		{"alternative", `[{"name": "1", "meta-type": "alternate", "members": [{"type": "2"}]}]`, `1 uses "2", which is not a type`},
	} {
		t.Run(c.name, func(t *testing.T) {
			live, err := introspect.Read([]byte(c.array))
			require.NoError(t, err)
			_, err = unmask.Unmask(live, names)
			require.ErrorIs(t, err, unmask.ErrSchema)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestRefused unmasks schemas that could be read, but that no QEMU could be built from.
func TestRefused(t *testing.T) {
	names := source(t, "10.2", schema.Guest)
	for _, c := range []struct{ name, array, want string }{
		{"nothing", `[]`, "no commands and no events"},
		{"nothing but types", `[{"name": "1", "meta-type": "enum", "members": []}]`, "no commands and no events"},
		{"tag is no member", `[{"name": "1", "meta-type": "object", "members": [], "tag": "t", "variants": []},
			{"name": "0", "meta-type": "object", "members": []},
			{"name": "x", "meta-type": "command", "arg-type": "1", "ret-type": "0"}]`,
			"new.json:1: union 'XOptions': "},
	} {
		t.Run(c.name, func(t *testing.T) {
			live, err := introspect.Read([]byte(c.array))
			require.NoError(t, err)
			_, err = unmask.Unmask(live, names)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// FuzzUnmask unmasks arrays that were changed somewhere: an error, or the same schema.
func FuzzUnmask(f *testing.F) {
	names := source(f, "10.2", schema.Guest)
	for _, main := range []string{schema.Guest} {
		seed, err := source(f, "10.2", main).Introspect(qapi.IntrospectOptions{}).MarshalJSON()
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Add([]byte(`[{"name": "X", "meta-type": "event", "arg-type": "0"}, {"name": "0", "meta-type": "object", "members": []}]`))
	f.Fuzz(func(t *testing.T, array []byte) {
		live, err := introspect.Read(array)
		if err != nil {
			return
		}
		s, err := unmask.Unmask(live, names)
		if err != nil {
			return
		}
		changes, err := diff.Compare(live, s.Schema.Introspect(qapi.IntrospectOptions{}))
		require.NoError(t, err)
		require.Empty(t, changes)
	})
}

// TestServerNames takes names that QAPI does not allow as they are: QEMU 2.5 had the values of
// BlkdebugEvent with dots.
func TestServerNames(t *testing.T) {
	answer, err := schema.Captured.ReadFile("captured/5.2/qemu.json")
	require.NoError(t, err)
	text := strings.ReplaceAll(string(answer), "l1_grow_", "l1_grow.")
	require.NotEqual(t, string(answer), text)
	live, err := introspect.Read([]byte(text))
	require.NoError(t, err)
	names := source(t, "10.2", schema.QEMU)
	s, err := unmask.Unmask(live, names)
	require.NoError(t, err)
	requireSame(t, live, s.Schema)
	require.True(t, s.Schema.ServerNames)
	event := s.Schema.Lookup("BlkdebugEvent").(*qapi.Enum)
	require.True(t, slices.ContainsFunc(event.Values, func(v *qapi.EnumValue) bool { return v.Name == "l1_grow.alloc_table" }))

	_, err = unmask.Join(names, live, unmask.JoinOptions{Version: "2.5"})
	var conflict *unmask.ConflictError // of other things
	require.ErrorAs(t, err, &conflict)
	overrides := map[string]unmask.Choice{}
	for _, c := range conflict.Conflicts {
		overrides[c.Place] = unmask.TakeSource
	}
	joined, err := unmask.Join(names, live, unmask.JoinOptions{Version: "2.5", Overrides: overrides})
	require.NoError(t, err)
	require.True(t, joined.Schema.ServerNames)
	require.Equal(t, "2.5", qapi.SeenIn(joined.Schema.Lookup("BlkdebugEvent"), "l1_grow.alloc_table"))
	require.Empty(t, qapi.SeenIn(joined.Schema.Lookup("BlkdebugEvent"), "l1_grow_alloc_table"))

	plain, err := introspect.Read(answer)
	require.NoError(t, err)
	s, err = unmask.Unmask(plain, names)
	require.NoError(t, err)
	require.False(t, s.Schema.ServerNames)
	require.NotContains(t, string(s.Files[s.Main]), "server-names")
}
