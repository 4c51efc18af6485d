package rst_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/rst"
)

// TestRead reads the texts in the archives under testdata. Each is a file NAME and what becomes of
// it NAME.blocks; "hanging" or "examples" in the name says that it is such a text.
func TestRead(t *testing.T) {
	golden.Compare(t, "testdata/*.txtar", func(_ *testing.T, archive *txtar.Archive) *txtar.Archive {
		got := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".blocks") {
				continue
			}
			blocks := read(f.Name, strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n"))
			got.Files = append(got.Files, f, txtar.File{Name: f.Name + ".blocks", Data: []byte(show(blocks))})
		}
		return got
	})
}

var reader = &rst.Reader{
	Ref: func(name string) string { return "<" + name + ">" },
	Word: func(word string) string {
		if word == "disk-add" {
			return "DiskAdd"
		}
		return word
	},
}

func read(name string, lines []string) []rst.Block {
	switch {
	case strings.Contains(name, "hanging"):
		return reader.ReadHanging(lines)
	case strings.Contains(name, "examples"):
		return reader.ReadExamples(lines)
	}
	return reader.Read(lines)
}

// show writes blocks for people: P a paragraph, C a line of code, and items with their marks.
func show(blocks []rst.Block) string {
	var b strings.Builder
	for _, block := range blocks {
		switch block := block.(type) {
		case rst.Paragraph:
			fmt.Fprintf(&b, "P %s\n", block)
		case rst.Code:
			for _, line := range block {
				fmt.Fprintf(&b, "C %s\n", line)
			}
		case rst.List:
			for _, item := range block {
				mark := "-"
				if item.Number != "" {
					mark = item.Number + "."
				}
				for _, text := range item.Text {
					fmt.Fprintf(&b, "%s %s\n", mark, text)
					mark = " "
				}
			}
		}
	}
	return b.String()
}

// TestReadPlain reads names without functions for them.
func TestReadPlain(t *testing.T) {
	require.Equal(t, []rst.Block{rst.Paragraph("See disk and disk-add.")}, new(rst.Reader).Read([]string{"See @disk and `disk-add`."}))
	require.Nil(t, new(rst.Reader).Read(nil))
	require.Nil(t, new(rst.Reader).ReadHanging([]string{"", " "}))
}

func TestLabelled(t *testing.T) {
	list := rst.List{{Text: []rst.Paragraph{"a"}}}
	require.Equal(t, []rst.Block{rst.Paragraph("Note: a"), list}, rst.Labelled("Note", []rst.Block{rst.Paragraph("a"), list}))
	require.Equal(t, []rst.Block{rst.Paragraph("Note:"), list}, rst.Labelled("Note", []rst.Block{list}))
	require.Nil(t, rst.Labelled("Note", nil))
}

// FuzzRead reads anything: it ends, and what it finds is of the shapes that are promised.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"a\n\n  b::\n\n   c", "- a\n\n  - b\n\n    1. c\n\n       ::\n\n        d", ".. note:: a\n   b\n\n   - c",
		".. qmp-example::\n   :annotated:\n\n   a::\n\n     -> b", "=== ===\na   b\n=== ===", "`a <b>`_ :c:`d` ``e`` *f* **g** @h #i \\*",
		"-> { 'a':\n  1\n\n}\n\nb\n<- c", "| a\n| b", "a\n---\n:b: c", "(1) a\n#. b", "\t- a\n\tb",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		for _, name := range []string{"", "hanging", "examples"} {
			for _, block := range read(name, lines) {
				switch block := block.(type) {
				case rst.Paragraph:
					checkText(t, block)
				case rst.List:
					require.NotEmpty(t, block)
					for _, item := range block {
						require.NotEmpty(t, item.Text)
						for _, text := range item.Text {
							checkText(t, text)
						}
					}
				case rst.Code:
					require.NotEmpty(t, block)
					require.NotEmpty(t, block[0])
					require.NotEmpty(t, block[len(block)-1])
					for _, line := range block {
						require.NotContains(t, line, "\n")
						require.False(t, strings.HasSuffix(line, " "))
					}
				}
			}
		}
	})
}

func checkText(t *testing.T, p rst.Paragraph) {
	require.NotEmpty(t, p)
	require.Equal(t, string(p), strings.Join(strings.Fields(string(p)), " "))
}

// TestReadLong reads texts that are made to take long: it is linear in their size.
func TestReadLong(t *testing.T) {
	for _, unit := range []string{"- ", "  ", ":", "`", "*", "**a ", "@", "{\n", "a::\n\n ", "| ", "1. ", ".. note:: ", "\\"} {
		text := strings.Repeat(unit, 1<<16)
		for _, name := range []string{"", "hanging", "examples"} {
			read(name, strings.Split(text, "\n"))
		}
	}
}
