package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

func TestOnly(t *testing.T) {
	s := load(t, conditional)
	only := func(names ...string) []string {
		keep := map[string]bool{}
		for _, n := range names {
			keep[n] = true
		}
		part := s.Only(func(d qapi.Definition) bool { return keep[d.Head().Name] })
		var left []string
		for _, d := range part.Definitions {
			left = append(left, d.Head().Name)
			require.Same(t, s.Lookup(d.Head().Name), part.Lookup(d.Head().Name))
		}
		require.Equal(t, part.Definitions, part.Modules[0].Definitions)
		require.Equal(t, s.Modules[0].Name, part.Modules[0].Name)
		return left
	}
	require.Equal(t, []string{"Kind", "OPENED"}, only("OPENED"))
	require.Equal(t, []string{"Ring", "spin"}, only("spin"))
	// Through a member, an array, an alternate and a branch; the base Common is no value's type.
	require.Equal(t, []string{"Kind", "Backend", "File", "Ring", "Ref", "open"}, only("open"))
	require.Empty(t, only("Kind"), "a type alone is nothing to keep")
	require.Nil(t, s.Only(func(qapi.Definition) bool { return false }).Lookup("Kind"))
}

func TestSymbols(t *testing.T) {
	require.Equal(t, []string{"FAST", "NONE", "RING"}, load(t, conditional).Symbols())
	s := load(t, `
		{ 'command': 'a', 'data': { 'm': { 'type': 'int', 'if': { 'any': [ 'B', { 'not': 'A' } ] } } }, 'if': 'Z' }
		{ 'event': 'E', 'data': { 'm': { 'type': 'int', 'features': [ { 'name': 'f', 'if': { 'all': [ 'C', 'A' ] } } ] } } }
		{ 'enum': 'Ab', 'data': [ { 'name': 'x', 'if': 'D' } ] }
	`)
	require.Equal(t, []string{"A", "B", "C", "D", "Z"}, s.Symbols())
}

func TestDescriptionOf(t *testing.T) {
	s := load(t, `
##
# @Base:
#
# @a: of the base
##
{ 'struct': 'Base', 'data': { 'a': 'int' } }
##
# @Kind:
#
# @x: of the value
##
{ 'enum': 'Kind', 'data': [ 'x', 'y' ] }
##
# @More:
#
# @b: of its own
##
{ 'struct': 'More', 'base': 'Base', 'data': { 'b': 'int' } }
##
# @Either:
#
# @k: of the union
##
{ 'union': 'Either', 'base': { 'k': 'Kind' }, 'discriminator': 'k', 'data': { 'x': 'More' } }
##
# @inline:
#
# @c: of the command
##
{ 'command': 'inline', 'data': { 'c': 'int' } }
{ 'command': 'named', 'data': 'More' }
{ 'command': 'bare' }
{ 'event': 'DONE', 'data': 'More' }
{ 'event': 'BARE' }
`)
	for _, c := range []struct{ definition, member, want string }{
		{"More", "b", "of its own"}, {"More", "a", "of the base"}, {"More", "c", ""},
		{"Kind", "x", "of the value"}, {"Kind", "y", ""},
		{"Either", "k", "of the union"}, {"Either", "b", ""},
		{"inline", "c", "of the command"}, {"named", "a", "of the base"}, {"bare", "a", ""},
		{"DONE", "b", "of its own"}, {"BARE", "b", ""},
	} {
		got := ""
		if section := qapi.DescriptionOf(s.Lookup(c.definition), c.member); section != nil {
			got = section.Text()
		}
		require.Equal(t, c.want, got, "%s.%s", c.definition, c.member)
	}
}

func TestHasProse(t *testing.T) {
	for text, want := range map[string]bool{
		"{ 'command': 'stop' }": false,
		"##\n# @stop:\n#\n# Since: 1.0\n##\n{ 'command': 'stop' }":                               false,
		"##\n# @stop:\n#\n# Features:\n#\n# @f:\n##\n{ 'command': 'stop', 'features': [ 'f' ] }": false,
		"##\n# Of nothing.\n##\n":                                                      false,
		"##\n# @stop:\n#\n# Halts.\n##\n{ 'command': 'stop' }":                         true,
		"##\n# @stop:\n#\n# @a: it\n##\n{ 'command': 'stop', 'data': { 'a': 'int' } }": true,
	} {
		require.Equal(t, want, load(t, text).HasProse(), text)
	}
}
