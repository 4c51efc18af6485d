package syntax_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/syntax"
)

func TestParse(t *testing.T) {
	f := syntax.Parse([]byte("# A comment.\n{ 'a': [ true, 'b\\\\c', {} ],\n\t'd': false } {'e':[]}"))
	pos := func(line, column int) syntax.Pos { return syntax.Pos{Line: line, Column: column} }
	require.Equal(t, []syntax.Item{
		&syntax.Object{
			Pos: pos(2, 1),
			Members: []syntax.Member{
				{Key: "a", Pos: pos(2, 3), Value: &syntax.Array{Pos: pos(2, 8), Elements: []syntax.Value{
					&syntax.Bool{Pos: pos(2, 10), Value: true},
					&syntax.String{Pos: pos(2, 16), Text: `b\c`},
					&syntax.Object{Pos: pos(2, 24)},
				}}},
				{Key: "d", Pos: pos(3, 1), Value: &syntax.Bool{Pos: pos(3, 6)}},
			},
		},
		&syntax.Object{Pos: pos(3, 14), Members: []syntax.Member{
			{Key: "e", Pos: pos(3, 15), Value: &syntax.Array{Pos: pos(3, 19)}},
		}},
	}, f.Items)
	require.Empty(t, f.Errors())

	o := f.Items[0].(*syntax.Object)
	require.IsType(t, &syntax.Bool{}, o.Get("d"))
	require.Nil(t, o.Get("e"))
	for _, m := range o.Members {
		require.Equal(t, 2, strings.Count("a d", m.Key)+m.Pos.Line-m.Value.Position().Line+1)
	}
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# comment", " \t\r\n\n"} {
		require.Empty(t, syntax.Parse([]byte(text)).Items, "%q", text)
	}
}

func TestParseDoc(t *testing.T) {
	f := syntax.Parse([]byte(`
##
# About this file.
#   Indented.
##
##
##

  ##
  # @a:
  #

  # Text.
  #
  # @b:  more
  #
  #      text
  ##
`))
	require.Equal(t, []syntax.Item{
		&syntax.Doc{Pos: syntax.Pos{Line: 2, Column: 1}, Sections: []syntax.Section{
			{Pos: syntax.Pos{Line: 3}, Lines: []string{"About this file.", "  Indented."}},
		}},
		&syntax.Doc{Pos: syntax.Pos{Line: 6, Column: 1}},
		&syntax.Doc{Pos: syntax.Pos{Line: 9, Column: 3}, Symbol: "a", Sections: []syntax.Section{
			{Pos: syntax.Pos{Line: 13}, Lines: []string{"Text."}},
			{Kind: syntax.MemberText, Name: "b", Pos: syntax.Pos{Line: 15}, Lines: []string{"more", "", "     text"}},
		}},
	}, f.Items)
	require.Equal(t, "more\n\n     text", f.Items[2].(*syntax.Doc).Sections[1].Text())
}

// After an error the parser goes on with the next line that begins with a brace.
func TestParseErrors(t *testing.T) {
	f := syntax.Parse([]byte("{ 'a' }\n\n##\n# @b:\n##\n{ 'b': true }\n##\n# @c\n##\n{ 'c': true }\n{ 'd': ["))
	errs := f.Errors()
	require.Len(t, errs, 3)
	require.EqualError(t, errs[0], "1:7: expected ':'")
	require.EqualError(t, errs[1], "8:1: line should end with ':'")
	require.EqualError(t, errs[2], "11:9: expected '{', '[', ']', string, or boolean")
	var lines []int
	for _, item := range f.Items {
		lines = append(lines, item.Position().Line)
	}
	require.Equal(t, []int{1, 6, 7, 8, 10, 11}, lines)
}

func TestPos(t *testing.T) {
	require.Equal(t, "3", syntax.Pos{Line: 3}.String())
	require.Equal(t, "3:4", syntax.Pos{Line: 3, Column: 4}.String())
}

// A long line costs no more than several short ones.
func TestLongLine(t *testing.T) {
	text := strings.Repeat("{ 'a': 'b' } ", 100_000)
	require.Len(t, syntax.Parse([]byte(text)).Items, 100_000)
}
