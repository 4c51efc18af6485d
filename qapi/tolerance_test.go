package qapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

// Some versions of QEMU accept these schemas, and others refuse them.
func TestTolerance(t *testing.T) {
	for name, text := range map[string]string{
		"pragmas of 5.2": `
			{ 'pragma': { 'returns-whitelist': [ 'count' ], 'name-case-whitelist': [ 'Color' ] } }
			{ 'command': 'count', 'returns': 'int' }
			{ 'enum': 'Color', 'data': [ 'Red' ] }`,
		"command names of 5.2": `{ 'command': 'Stop_now' }`,
		"underscores": `
			{ 'struct': 'Point', 'data': { 'x_1': 'int' } }
			{ 'command': 'stop', 'features': [ 'very_small' ] }
			{ 'alternate': 'Any', 'data': { 'some_text': 'str' } }`,
		"conditional arguments":    `{ 'command': 'plot', 'data': { 'x': { 'type': 'int', 'if': 'X' } } }`,
		"a list as an alternative": `{ 'alternate': 'Any', 'data': { 'one': 'int', 'many': [ 'int' ] } }`,
		"a union as a branch": `
			{ 'enum': 'Kind', 'data': [ 'a' ] }
			{ 'union': 'In', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': {} }
			{ 'union': 'Out', 'base': { 'type': 'Kind' }, 'discriminator': 'type', 'data': { 'a': 'In' } }`,
		"features of values": `{ 'enum': 'Color', 'data': [ { 'name': 'red', 'features': [ 'unstable' ] } ] }`,
		"a heading": `
##
# = Commands
##
##
# @stop:
#
# = Stop
##
{ 'command': 'stop' }`,
		"old tags": `
##
# @stop:
# It stops.
# Notes: several
#
#        more
# of them
#
# and more
# Example:
#
# -> { "execute": "stop" }
#
# <- { "return": {} }
# Examples: none
# Note: ends here
# Returns: nothing
# Since: 0.14
##
{ 'command': 'stop' }`,
		"a tag without text beside it": `
##
# @stop:
#
# Returns:
#
# Nothing.
#
# Since: 0.14
##
{ 'command': 'stop' }`,
		"members without documentation": `
##
# @Point:
##
{ 'struct': 'Point', 'data': { 'x': 'int' } }`,
		"a blank before the colon": `
##
# @Point:
#
# @x : a number
##
{ 'struct': 'Point', 'data': { 'x': 'int' } }`,
		"text that is not indented": `
##
# @Point:
#
# @x:
# * across
# * along
# @y:
# * up
#
# Since: 1.0
##
{ 'struct': 'Point', 'data': { 'x': 'int', 'y': 'int' } }`,
		"text that is indented less": `
##
# @Point:
#
# @x: - across
#     - along
#   or up
#
# Since: 1.0
##
{ 'struct': 'Point', 'data': { 'x': 'int' } }`,
		"features without descriptions": `
##
# @stop:
#
# Features:
##
{ 'command': 'stop' }`,
		"features right below text": `
##
# @stop:
# Stops.
# Features:
# @small: less is more
##
{ 'command': 'stop', 'features': [ 'small' ] }`,
	} {
		t.Run(name, func(t *testing.T) { load(t, text) })
	}
}

// Where sections end in documentation of old versions.
func TestOldSections(t *testing.T) {
	s := load(t, `
##
# @Point:
#
# @x:
# * across
#
# @y: - up
#     - down
#   and up
#
# Notes: one
#
# two
# Example::
#
#   three
# Since: 1.0
##
{ 'struct': 'Point', 'data': { 'x': 'int', 'y': 'int' } }`)
	doc := s.Lookup("Point").Head().Doc
	require.Equal(t, "* across", doc.Member("x").Text())
	require.Equal(t, "- up\n    - down\n  and up", doc.Member("y").Text())
	require.Equal(t, "one\n\ntwo\nExample::\n\n  three", doc.Tagged("Notes").Text())
	require.Equal(t, "1.0", doc.Since)
}

func TestNames(t *testing.T) {
	load(t, `
		{ 'pragma': { 'member-name-exceptions': [ 'Point', 'Color' ], 'command-name-exceptions': [ 'none' ],
		              'documentation-exceptions': [] } }
		{ 'struct': 'Point', 'data': { 'X': 'int', '__org.example-corp_x': 'int', 'x-y': 'int', 'x-': 'int' } }
		{ 'enum': 'Color', 'data': [ 'Red', '2_5', 'x-3' ] }
		{ 'struct': '__org.example_Point', 'data': {} }
		{ 'event': '__ORG.EXAMPLE_MOVED' }
		{ 'command': '__org.example_x-stop' }
		{ 'struct': 'Stop', 'data': {} } { 'command': 'stop' } { 'event': 'STOP' }
	`)
}

// Clashes are found among many names too.
func TestManyNames(t *testing.T) {
	values := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("'a-%d'", i)
		}
		return strings.Join(names, ", ")
	}
	enum := load(t, "{ 'enum': 'Many', 'data': [ "+values(1000)+" ] }").Enums()[0]
	require.Len(t, enum.Values, 1000)
	require.Equal(t, "schema.json:1: enum 'Many': value 'a_500' collides with value 'a-500'",
		loadError(t, "{ 'enum': 'Many', 'data': [ "+values(1000)+", 'a_500' ] }"))

	members := strings.ReplaceAll(values(100), "',", "': 'int',") + ": 'int'"
	require.Equal(t, "schema.json:1:1528: duplicate key 'a-7'",
		loadError(t, "{ 'struct': 'Many', 'data': { "+members+", 'a-7': 'int' } }"))
}

// TestServerNames has names that only a server may give.
func TestServerNames(t *testing.T) {
	const text = `
{ 'enum': 'Event', 'data': [ 'l1_grow.alloc_table', 'l1_grow_alloc_table', '', '2.5', 'q_x', 'UP' ] }
{ 'struct': 'Odd', 'data': { '9lives': 'int', 'a.b': 'int', '*a-b': 'int', '': 'str', 'u': 'str', 'has_u': 'Event', '*UP': 'str' } }
{ 'union': 'Any', 'base': { 'e': 'Event' }, 'discriminator': 'e', 'data': { '2.5': 'Odd' } }
{ 'command': '3com.reset', 'data': { 'UP': 'Any' }, 'features': [ 'Fast.1', 'fast-1', 'fast_1' ] }
{ 'event': 'gone.now' }
`
	const pragma = "{ 'pragma': { 'server-names': true } }\n"
	s := load(t, pragma+text)
	require.True(t, s.ServerNames)
	require.True(t, s.Under(func(string) bool { return true }).ServerNames)
	require.True(t, s.Only(func(qapi.Definition) bool { return true }).ServerNames)
	require.NotNil(t, s.Lookup("3com.reset"))

	require.Contains(t, loadError(t, text), "'data' member 'l1_grow.alloc_table' has an invalid name")
	require.Contains(t, loadError(t, "{ 'pragma': { 'server-names': 'yes' } }"), "pragma 'server-names' must be boolean")
	for _, same := range []string{
		"{ 'enum': 'Ee', 'data': [ 'a.b', 'a.b' ] }", "{ 'command': 'c', 'features': [ '.', '.' ] }",
		"{ 'struct': 'Bb', 'data': { '.': 'int' } } { 'struct': 'Ss', 'base': 'Bb', 'data': { '.': 'int' } }",
	} {
		require.Contains(t, loadError(t, pragma+same), "collides with", same)
	}
}
