package gogen

import (
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/qmpkit/qmpkit/qapi"
)

// commentWidth is the column that the text of a comment is wrapped at.
const commentWidth = 92

// comment is a doc comment: paragraphs, each of which may be a list.
type comment []string

// lines wraps the paragraphs. One that begins with a blank is preformatted.
func (c comment) lines() []string {
	var lines []string
	for i, paragraph := range c {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, wrap(paragraph)...)
	}
	return lines
}

func wrap(text string) []string {
	if strings.HasPrefix(text, " ") {
		return strings.Split(text, "\n")
	}
	var lines []string
	var line string
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > commentWidth {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// emit writes the comment into a group, a line comment each.
func (c comment) emit(g *jen.Group) {
	for _, line := range c.lines() {
		g.Comment(strings.TrimSuffix("// "+line, " "))
	}
}

// definitionComment is the comment of what a definition becomes. The first sentence is the
// caller's; what is the word for the definition.
func definitionComment(first, what string, h *qapi.Header) comment {
	c := comment{first}
	var where []string
	if h.Doc != nil && h.Doc.Since != "" {
		where = append(where, "Since QEMU "+strings.TrimSuffix(oneLine(h.Doc.Since), ".")+".")
	}
	if h.Module != nil {
		where = append(where, "See "+baseName(h.Module)+".")
	}
	if len(where) > 0 {
		c = append(c, strings.Join(where, " "))
	}
	return append(c, remarks("the "+what, h.If, h.Features)...)
}

// remarks are the paragraphs on when a thing is there and whether it will stay.
func remarks(what string, cond qapi.Cond, features []*qapi.Feature) comment {
	var c comment
	if cond != nil {
		c = append(c, "Only in a QEMU built with "+cond.String()+".")
	}
	var others []string
	for _, f := range features {
		if f.Name != qapi.Deprecated && f.Name != qapi.Unstable {
			others = append(others, f.Name+onlyWith(f.If))
		}
	}
	if len(others) > 0 {
		c = append(c, "Features: "+strings.Join(others, ", ")+".")
	}
	if qapi.HasFeature(features, qapi.Unstable) {
		c = append(c, "Unstable: any release of QEMU may change or remove "+what+".")
	}
	if qapi.HasFeature(features, qapi.Deprecated) {
		c = append(c, "Deprecated: QEMU will remove "+what+".")
	}
	return c
}

// onlyWith is the remark on a condition in a list: " (CONFIG_LINUX)".
func onlyWith(cond qapi.Cond) string {
	if cond == nil {
		return ""
	}
	return " (" + cond.String() + ")"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
