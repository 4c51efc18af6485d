package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

func TestDoc(t *testing.T) {
	s := load(t, `
##
# = Points
#
# How to plot them.
##

##
# @plot:
#
# Put a point where it belongs.
#
# It stays there.
#
# @x: across
#
# @y: up, or
#     down
#
#       further down
#
# Features:
#
# @unstable: @y may go away
#
# Note: points are small
#
# Returns: nothing much
#
# Since: 2.1
#     (on paper since 1.0)
##
# A comment.
{ 'command': 'plot',
  'data': { 'x': 'int', 'y': { 'type': 'int', 'features': [ 'unstable' ] } } }

{ 'command': 'stop' }
`)
	doc := s.Lookup("plot").Head().Doc
	require.Equal(t, "2.1 (on paper since 1.0)", doc.Since)
	require.Equal(t, "schema.json:8:1", doc.Pos.String())
	type section struct {
		kind qapi.DocKind
		name string
		line int
		text string
	}
	var got []section
	for _, s := range doc.Sections {
		got = append(got, section{s.Kind, s.Name, s.Pos.Line, s.Text()})
	}
	require.Equal(t, []section{
		{qapi.DocText, "", 11, "Put a point where it belongs."},
		{qapi.DocText, "", 13, "It stays there."},
		{qapi.DocMember, "x", 15, "across"},
		{qapi.DocMember, "y", 17, "up, or\n    down\n\n      further down"},
		{qapi.DocFeature, "unstable", 24, "@y may go away"},
		{qapi.DocTagged, "Note", 26, "points are small"},
		{qapi.DocTagged, "Returns", 28, "nothing much"},
		{qapi.DocTagged, "Since", 30, "2.1\n    (on paper since 1.0)"},
	}, got)
	require.Equal(t, "across", doc.Member("x").Text())
	require.Equal(t, "@y may go away", doc.Feature("unstable").Text())
	require.Equal(t, "nothing much", doc.Tagged("Returns").Text())
	require.Nil(t, doc.Member("z"))

	none := s.Lookup("stop").Head().Doc
	require.Nil(t, none)
	require.Nil(t, none.Member("x"))
}
