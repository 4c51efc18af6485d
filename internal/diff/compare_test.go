package diff_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// read makes a schema of a server's answer.
func read(t testing.TB, answer string) *introspect.Schema {
	t.Helper()
	s, err := introspect.Read([]byte(answer))
	require.NoError(t, err)
	return s
}

// TestRecursion compares types that have members of themselves.
func TestRecursion(t *testing.T) {
	const commands = "{ 'command': 'list', 'returns': 'Node' } { 'command': 'add', 'data': 'Tree' }"
	old := view(t, "{ 'struct': 'Node', 'data': { '*next': 'Node', '*tree': 'Tree' } }"+
		"{ 'struct': 'Tree', 'data': { 'nodes': ['Node'], '*trees': ['Tree'] } }"+commands)
	new := view(t, "{ 'struct': 'Node', 'data': { '*next': 'Node', '*tree': 'Tree', 'id': 'str' } }"+
		"{ 'struct': 'Tree', 'data': { 'nodes': ['Node'], '*trees': ['Tree'] } }"+commands)
	require.Equal(t, []diff.Change{{
		Breaking: true, Kind: diff.Added, What: diff.Member, Path: "list/ret-type/id", Direction: diff.Both,
		New: "mandatory string", Users: []string{"add", "list"},
	}}, compare(t, old, new))
}

// TestLongerCycle compares a type that leads to itself with two that lead to each other.
func TestLongerCycle(t *testing.T) {
	old := view(t, "{ 'struct': 'Node', 'data': { '*next': 'Node' } } { 'command': 'list', 'returns': 'Node' }")
	new := view(t, "{ 'struct': 'Node', 'data': { '*next': 'Other' } } { 'struct': 'Other', 'data': { '*next': 'Node', 'x': 'int' } }"+
		"{ 'command': 'list', 'returns': 'Node' }")
	require.Equal(t, []string{"added member list/ret-type/next/x"}, lines(compare(t, old, new)))
}

// TestOneTypeSeveralUses has a change once, by the shortest path, and a member's own type in each
// member.
func TestOneTypeSeveralUses(t *testing.T) {
	const uses = "{ 'struct': 'Box', 'data': { 's': 'Ss', 'e': 'Ee' } }" +
		"{ 'command': 'a', 'data': { 'deep': 'Box' } } { 'command': 'b', 'data': 'Ss' } { 'event': 'C', 'data': 'Box' }"
	changes := compare(t,
		view(t, "{ 'enum': 'Ee', 'data': ['x'] } { 'struct': 'Ss', 'data': { 'm': 'str', 'n': 'str' } }"+uses),
		view(t, "{ 'enum': 'Ee', 'data': ['x', 'y'] } { 'struct': 'Ss', 'data': { 'm': 'int', 'n': 'int' } }"+uses))
	require.Equal(t, []diff.Change{
		{Kind: diff.Added, What: diff.Value, Path: "C/arg-type/e/^y", Direction: diff.Both, Users: []string{"C", "a"}},
		{Breaking: true, Kind: diff.Retyped, What: diff.Member, Path: "b/arg-type/m", Direction: diff.Both, Old: "string", New: "int", Users: []string{"C", "a", "b"}},
		{Breaking: true, Kind: diff.Retyped, What: diff.Member, Path: "b/arg-type/n", Direction: diff.Both, Old: "string", New: "int", Users: []string{"C", "a", "b"}},
	}, changes)
}

func TestDescriptions(t *testing.T) {
	changes := compare(t,
		view(t, "{ 'enum': 'Ee', 'data': ['x'] } { 'command': 'c', 'data': { 'a': ['any'], 'b': 'number', '*c': 'bool' } }"),
		view(t, "{ 'alternate': 'Aa', 'data': { 's': 'str', 'l': ['int'], 'n': 'null' } }"+
			"{ 'enum': 'Ee', 'data': ['x'] } { 'command': 'c', 'data': { 'a': 'Aa', 'b': ['Ee'] } }"))
	require.Len(t, changes, 3)
	require.Equal(t, "array of any -> string or array of int or null", changes[0].Old+" -> "+changes[0].New)
	require.Equal(t, "number -> array of enum", changes[1].Old+" -> "+changes[1].New)
	require.Equal(t, "optional boolean -> ", changes[2].Old+" -> "+changes[2].New)
}

// TestNamesOfMembers has names whose components need a blank.
func TestNamesOfMembers(t *testing.T) {
	answer := func(members string) *introspect.Schema {
		return read(t, `[{"name":"c","meta-type":"command","arg-type":"0","ret-type":"0"},{"name":"int","meta-type":"builtin","json-type":"int"},
			{"name":"0","meta-type":"object","members":[`+members+`]}]`)
	}
	require.Equal(t, []string{"! removed member c/arg-type/ 9lives", "! optional member c/arg-type/*_x"}, lines(compare(t,
		answer(`{"name":"9lives","type":"int"},{"name":"_x","type":"int"}`),
		answer(`{"name":"_x","type":"int","default":null}`))))
}

// newest loads the newest schema that the project holds.
func newest(t testing.TB) *qapi.Schema {
	t.Helper()
	s, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil)
	require.NoError(t, err)
	return s
}

// TestMasks compares schemas with and without the names of types.
func TestMasks(t *testing.T) {
	const rest = "{ 'command': 'c', 'data': { 'x': 'Ee' } } { 'enum': 'Ee', 'data': ['a'] }"
	load := func(text string, unmask bool) *introspect.Schema {
		return loaded(t, text).Introspect(qapi.IntrospectOptions{Unmask: unmask})
	}
	const before = "{ 'command': 'd', 'returns': ['Gone'] } { 'struct': 'Gone', 'data': { } }" + rest
	const after = "{ 'command': 'd', 'returns': ['Come'] } { 'struct': 'Come', 'data': { '*y': 'str' } } { 'struct': 'Unused', 'data': { } }" + rest
	changes := lines(compare(t, load(before, true), load(after, true)))
	require.Equal(t, []string{"added member d/ret-type/y", "added type Come", "removed type Gone"}, changes)
	for _, unmask := range []bool{false, true} {
		require.Equal(t, changes[:1], lines(compare(t, load(before, false), load(after, unmask))))
		require.Equal(t, changes[:1], lines(compare(t, load(before, unmask), load(after, false))))
	}
	require.Empty(t, compare(t, newest(t).Introspect(qapi.IntrospectOptions{}), newest(t).Introspect(qapi.IntrospectOptions{Unmask: true})))
}

// TestValuesOnly compares with servers whose enums have no members.
func TestValuesOnly(t *testing.T) {
	const c = "{ 'command': 'c', 'data': { 'x': 'Ee' } } "
	old := loaded(t, c+"{ 'enum': 'Ee', 'data': ['a', 'b'] }").Introspect(qapi.IntrospectOptions{ValuesOnly: true})
	require.Empty(t, compare(t, old, view(t, c+"{ 'enum': 'Ee', 'data': ['a', 'b'] }")))
	require.Equal(t, []string{"deprecated value c/arg-type/x/^b"},
		lines(compare(t, old, view(t, c+"{ 'enum': 'Ee', 'data': ['a', { 'name': 'b', 'features': ['deprecated'] }] }"))))
}

// TestOrderOfEntries shuffles schemas.
func TestOrderOfEntries(t *testing.T) {
	new := newest(t).Introspect(qapi.IntrospectOptions{})
	old := newest(t).Introspect(qapi.IntrospectOptions{Config: func(string) bool { return false }})
	want := compare(t, old, new)
	require.NotEmpty(t, want)
	for range 5 {
		require.Equal(t, want, compare(t, shuffled(old), shuffled(new)))
	}
}

func shuffled(s *introspect.Schema) *introspect.Schema {
	infos := slices.Clone(s.Infos)
	rand.Shuffle(len(infos), func(i, j int) { infos[i], infos[j] = infos[j], infos[i] })
	return introspect.New(infos)
}

// TestMalformed compares with malformed schemas.
func TestMalformed(t *testing.T) {
	good := view(t, "{ 'command': 'c' }")
	for answer, want := range map[string]string{
		`[{"name":"c","meta-type":"command","arg-type":"0"}]`:                     "c: there is no type 0",
		`[{"name":"e","meta-type":"event","arg-type":"e"}]`:                       "e: e is not a type",
		`[{"name":"0","meta-type":"object","members":[{"name":"x","type":"1"}]}]`: "0: there is no type 1",
		`[{"name":"0","meta-type":"object","variants":[{"case":"x","type":"1"}]},
			{"name":"1","meta-type":"enum","values":[]}]`: "0: 1, of a branch, is not an object",
		`[{"name":"0","meta-type":"alternate","members":[{"type":"0"}]}]`: "0: 0 is an alternate too",
		`[{"name":"[0]","meta-type":"array","element-type":"[0]"}]`:       "[0]: more than 100 arrays in each other",
	} {
		bad := read(t, answer)
		_, err := diff.Compare(bad, good)
		require.ErrorIs(t, err, introspect.ErrSchema)
		require.EqualError(t, err, "diff: the old schema: introspect: malformed schema: "+want)
		_, err = diff.Compare(good, bad)
		require.EqualError(t, err, "diff: the new schema: introspect: malformed schema: "+want)
	}
}

// TestUnknownTypes compares entries that are newer than the package: they are kinds of their own.
func TestUnknownTypes(t *testing.T) {
	answer := func(meta, jsonType string) *introspect.Schema {
		return read(t, `[{"name":"c","meta-type":"command","arg-type":"0","ret-type":"1"},
			{"name":"0","meta-type":"`+meta+`"},{"name":"1","meta-type":"builtin","json-type":"`+jsonType+`"}]`)
	}
	changes, err := diff.Compare(answer("hologram", "time"), answer("hologram", "time"))
	require.NoError(t, err)
	require.Empty(t, changes)
	changes, err = diff.Compare(answer("hologram", "time"), answer("telegram", "space"))
	require.NoError(t, err)
	require.Equal(t, []string{"! retyped type c/arg-type", "! retyped result c/ret-type"}, lines(changes))
}

// TestTooMany compares cycles whose types all meet each other.
func TestTooMany(t *testing.T) {
	cycle := func(n int) *introspect.Schema {
		var b strings.Builder
		b.WriteString(`[{"name":"c","meta-type":"command","arg-type":"0","ret-type":"0"}`)
		for i := range n {
			fmt.Fprintf(&b, `,{"name":"%d","meta-type":"object","members":[{"name":"x","type":"%d"}]}`, i, (i+1)%n)
		}
		return read(t, b.String()+"]")
	}
	_, err := diff.Compare(cycle(100), cycle(99))
	require.EqualError(t, err, "diff: comparing the schemas takes too many steps")
	changes, err := diff.Compare(cycle(30), cycle(29))
	require.NoError(t, err)
	require.Empty(t, changes)
}
