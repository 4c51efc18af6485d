package syntax_test

import (
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// FuzzParse checks that any text at all gives items and errors with places in it, and that text
// without errors can be printed.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"",
		"{ 'a': [ 'b', true, {} ], 'c': false }",
		"##\n# @a:\n#\n# @b: c\n##\n{ 'a': 'b\\\\' }",
		"# x\r\n\t{ 'include': \"y\" }",
		"{ 'a': ",
		"{{ 'a'\n{ 'b': truefalse }",
		"\xff\uFEFF\x00",
	} {
		f.Add([]byte(seed))
	}
	modules, err := fs.Glob(schema.FS, "10.2/qapi/*.json")
	require.NoError(f, err)
	for _, name := range modules {
		text, err := schema.FS.ReadFile(name)
		require.NoError(f, err)
		f.Add(text[:min(len(text), 2048)])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkParse(t, text)
	})
}

// FuzzDoc is like FuzzParse, for the text of a documentation comment.
func FuzzDoc(f *testing.F) {
	for _, seed := range []string{
		"@a:\n\nText.\n\n@b: c\n    d\n\nFeatures:\n\n@e: f\n\nSince: 1.0",
		"@a:\n@b:\n* c\n@d : e\nNotes: f\n\ng\nExample::\n\n  h",
		"= Title\n\ntext",
		"@a:\nReturns:\n\nfoo\n  bar\nErrors:\n - baz\nTODO: 1",
		"@@::\n@:\n:",
		"@a:\nIt is. Not.  e.g. This\n\n.. qmp-example::\n\n  A. B\n\n= T\n# x",
		"@a:\n@b:\tc\n\nd\n  e\nSince: 1\n 2\nNote:\n@f: g",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		checkParse(t, []byte("##\n# "+strings.Join(lines, "\n# ")+"\n##\n{ 'a': true }\n"))
	})
}

// checkParse checks what holds of the result of any text.
func checkParse(t *testing.T, text []byte) {
	for _, d := range syntax.Dialects() {
		checkFile(t, d.Parse(text), text)
	}
	if len(syntax.Parse(text).Errors()) == 0 {
		checkRoundTrip(t, "input", text)
	}
}

func checkFile(t *testing.T, file *syntax.File, text []byte) {
	lines := 1 + strings.Count(string(text), "\n") + strings.Count(string(text), "\r")
	last := syntax.Pos{Line: 1}
	for _, item := range file.Items {
		pos := item.Position()
		require.True(t, 1 <= pos.Line && pos.Line <= lines, "line %d of %d", pos.Line, lines)
		if _, ok := item.(*syntax.Object); ok {
			require.GreaterOrEqual(t, pos.Line, last.Line)
			last = pos
		}
	}
	for _, err := range file.Errors() {
		require.NotEmpty(t, err.Message)
		require.True(t, utf8.ValidString(err.Message))
		require.NotContains(t, err.Message, "\n")
	}
}
