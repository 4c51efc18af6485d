package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/qapi"
)

// TestSeen reads marks of parts that were first seen in a server. They are not prose, and
// printing keeps them, but no text that only looks like them.
func TestSeen(t *testing.T) {
	const text = `##
# @Base:
#
# (seen first in 11.1)
#
# @old: it was (seen first in 9.0)
#
# @new: (seen first in 12.0)
##
{ 'struct': 'Base', 'data': { 'old': 'str', 'new': 'str' } }

{ 'struct': 'Derived', 'base': 'Base', 'data': { 'own': 'str' } }

{ 'command': 'use', 'data': 'Derived' }
`
	const marked = `##
# @Base:
#
# (seen first in 11.1)
#
# @new: (seen first in 12.0)
##
{ 'struct': 'Base',
  'data': { 'old': 'str', 'new': 'str' } }
`
	printed := string(syntax.Print(syntax.Parse([]byte(text))))
	require.Contains(t, printed, marked)
	require.True(t, load(t, text).HasProse())
	s := load(t, printed)
	require.False(t, s.HasProse())
	base := s.Lookup("Base")
	require.Equal(t, "11.1", base.Head().Doc.Seen(""))
	require.Equal(t, "12.0", base.Head().Doc.Seen("new"))
	require.Empty(t, base.Head().Doc.Seen("old"))
	require.Empty(t, s.Lookup("Derived").Head().Doc.Seen(""), "it has no documentation")
	for _, name := range []string{"Base", "Derived", "use"} {
		require.Equal(t, "12.0", qapi.SeenIn(s.Lookup(name), "new"), name)
		require.Empty(t, qapi.SeenIn(s.Lookup(name), "old"), name)
	}
	require.Empty(t, qapi.SeenIn(s.Lookup("Derived"), "own"))

	for text, want := range map[string]string{
		"(seen first in 11.1)": "11.1", "(seen first in )": "", "seen first in 11.1": "", "(seen first in 11.1) or so": "",
		"(seen first in 1) (in 2)": "",
	} {
		require.Equal(t, want, syntax.Seen([]string{text}), text)
	}
	require.Empty(t, syntax.Seen([]string{"(seen first in 11.1)", "more"}))
}
