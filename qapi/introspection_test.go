package qapi_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

// viewed has a bit of everything, with conditions in all the places where they can be.
const viewed = `
{ 'event': 'LATE', 'data': { 'w': ['uint8'] } }
{ 'enum': 'Kind', 'data': ['a', { 'name': 'b', 'if': 'B', 'features': ['deprecated'] }, 'c'] }
{ 'struct': 'Base', 'data': { 'kind': 'Kind', '*size': 'size' } }
{ 'struct': 'Aa', 'data': { 'list': ['Base'], 'n': { 'type': 'int8', 'if': 'N' } }, 'features': [{ 'name': 'f', 'if': 'F' }, 'g'] }
{ 'union': 'Uu', 'base': 'Base', 'discriminator': 'kind', 'data': { 'a': 'Aa', 'b': { 'type': 'Aa', 'if': 'B' } } }
{ 'alternate': 'Alt', 'data': { 's': 'str', 'u': { 'type': 'Uu', 'if': 'B' } } }
{ 'struct': 'Unused', 'data': { 'x': 'number' } }
{ 'command': 'act', 'data': { '*alt': { 'type': 'Alt', 'features': ['unstable'] } }, 'returns': ['Uu'], 'allow-oob': true, 'if': 'ACT' }
{ 'command': 'quiet' }
`

func view(t *testing.T, opts qapi.IntrospectOptions) string {
	t.Helper()
	s, err := qapi.LoadFS(fstest.MapFS{"s.json": {Data: []byte(viewed)}}, "s.json", nil)
	require.NoError(t, err)
	var out strings.Builder
	for line, err := range s.Introspect(opts).Lines() {
		require.NoError(t, err)
		out.WriteString(line + "\n")
	}
	return out.String()
}

func TestIntrospect(t *testing.T) {
	require.Equal(t, `{"arg-type":"0","meta-type":"event","name":"LATE"}
{"allow-oob":true,"arg-type":"1","meta-type":"command","name":"act","ret-type":"[2]"}
{"arg-type":"3","meta-type":"command","name":"quiet","ret-type":"3"}
{"members":[{"name":"w","type":"[int]"}],"meta-type":"object","name":"0"}
{"members":[{"default":null,"features":["unstable"],"name":"alt","type":"4"}],"meta-type":"object","name":"1"}
{"element-type":"2","meta-type":"array","name":"[2]"}
{"members":[{"name":"kind","type":"5"},{"default":null,"name":"size","type":"int"}],"meta-type":"object","name":"2","tag":"kind","variants":[{"case":"a","type":"6"},{"case":"b","type":"6"},{"case":"c","type":"3"}]}
{"members":[],"meta-type":"object","name":"3"}
{"element-type":"int","meta-type":"array","name":"[int]"}
{"json-type":"int","meta-type":"builtin","name":"int"}
{"members":[{"type":"str"},{"type":"2"}],"meta-type":"alternate","name":"4"}
{"members":[{"name":"a"},{"features":["deprecated"],"name":"b"},{"name":"c"}],"meta-type":"enum","name":"5","values":["a","b","c"]}
{"features":["f","g"],"members":[{"name":"list","type":"[7]"},{"name":"n","type":"int"}],"meta-type":"object","name":"6"}
{"json-type":"string","meta-type":"builtin","name":"str"}
{"element-type":"7","meta-type":"array","name":"[7]"}
{"members":[{"name":"kind","type":"5"},{"default":null,"name":"size","type":"int"}],"meta-type":"object","name":"7"}
`, view(t, qapi.IntrospectOptions{}))
}

// TestIntrospectUnder leaves out what the conditions say, and keeps the numbers.
func TestIntrospectUnder(t *testing.T) {
	none := view(t, qapi.IntrospectOptions{Config: func(string) bool { return false }})
	require.NotContains(t, none, `"act"`)
	require.NotContains(t, none, `"deprecated"`)
	require.Contains(t, none, `{"features":["g"],"members":[{"name":"list","type":"[7]"}],"meta-type":"object","name":"6"}`)
	require.Contains(t, none, `"variants":[{"case":"a","type":"6"},{"case":"c","type":"3"}]`)
	require.Contains(t, none, `{"members":[{"type":"str"}],"meta-type":"alternate","name":"4"}`)
	require.Contains(t, none, `{"members":[{"name":"a"},{"name":"c"}],"meta-type":"enum","name":"5","values":["a","c"]}`)
	all := view(t, qapi.IntrospectOptions{Config: func(string) bool { return true }})
	require.Equal(t, view(t, qapi.IntrospectOptions{}), all)
}

func TestIntrospectOptions(t *testing.T) {
	unmasked := view(t, qapi.IntrospectOptions{Unmask: true, ValuesOnly: true})
	for _, line := range []string{
		`{"allow-oob":true,"arg-type":"q_obj_act-arg","meta-type":"command","name":"act","ret-type":"[Uu]"}`,
		`{"arg-type":"q_empty","meta-type":"command","name":"quiet","ret-type":"q_empty"}`,
		`{"meta-type":"enum","name":"Kind","values":["a","b","c"]}`,
		`{"element-type":"Base","meta-type":"array","name":"[Base]"}`,
	} {
		require.Contains(t, unmasked, line+"\n")
	}
	require.NotContains(t, unmasked, "Unused")
}
