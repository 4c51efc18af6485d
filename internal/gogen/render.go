package gogen

import (
	"regexp"
	"strings"

	"github.com/qmpkit/qmpkit/internal/rst"
)

// render makes a comment of blocks.
func render(blocks []rst.Block) comment {
	blocks = apart(blocks)
	var c comment
	for i, b := range blocks {
		switch b := b.(type) {
		case rst.Paragraph:
			last := i+1 == len(blocks)
			c = append(c, sentence(string(b), !last && !is[rst.Paragraph](blocks[i+1])))
		case rst.List:
			c = append(c, renderList(b))
		case rst.Code:
			c = append(c, renderCode(b))
		}
	}
	return c
}

// apart puts paragraphs between lists and code. Both are indented in a comment, so the second would look
// like a part of the first. A list of one item beside code is a title of the code, and becomes a paragraph.
func apart(blocks []rst.Block) (out []rst.Block) {
	for i, b := range blocks {
		list, ok := b.(rst.List)
		if ok && len(list) == 1 && (i > 0 && is[rst.Code](blocks[i-1]) || i+1 < len(blocks) && is[rst.Code](blocks[i+1])) {
			out = append(out, titles(list[0])...)
			continue
		}
		if i > 0 && !is[rst.Paragraph](b) && !is[rst.Paragraph](out[len(out)-1]) {
			between := rst.Paragraph("Also:")
			if is[rst.Code](b) {
				between = "Like this:"
			}
			out = append(out, between)
		}
		out = append(out, b)
	}
	return out
}

// titles returns the paragraphs of an item, with its number.
func titles(item rst.Item) (out []rst.Block) {
	for i, text := range item.Text {
		if i == 0 && item.Number != "" {
			text = rst.Paragraph(item.Number+". ") + text
		}
		out = append(out, text)
	}
	return out
}

func is[B rst.Block](b rst.Block) bool { _, ok := b.(B); return ok }

func renderList(list rst.List) string {
	between := "\n"
	for _, item := range list {
		if len(item.Text) > 1 {
			between = "\n\n" // as gofmt has it
		}
	}
	var rows []string
	for _, item := range list {
		mark := "  - "
		if item.Number != "" {
			mark = " " + item.Number + ". "
		}
		var parts []string
		for _, text := range item.Text {
			parts = append(parts, bullet(mark, string(text)))
			mark = "    "
		}
		rows = append(rows, strings.Join(parts, "\n\n"))
	}
	return strings.Join(rows, between)
}

// bullet returns an item of a list: wrapped text after a mark.
func bullet(mark, text string) string {
	const indent = "    "
	lines := wrapAt(text, commentWidth-len(indent))
	return mark + strings.Join(lines, "\n"+indent)
}

func renderCode(code rst.Code) string {
	var lines []string
	indent := "\t"
	if markerPattern.MatchString(code[0]) {
		indent += "| " // else it would be a list
	}
	for _, line := range code {
		if line != "" {
			line = indent + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// What Go takes for something else: the begin of a list, and where a link leads.
var (
	markerPattern = regexp.MustCompile(`^\s*([-+*•]|[0-9]+[.)])(\s|$)`)
	targetPattern = regexp.MustCompile(`(\[[^\]]*\]): ([a-z]+://)`)
)

// sentence returns a paragraph that begins and ends like a sentence. Without a dot, it could look like a
// heading.
func sentence(text string, announces bool) string {
	text = targetPattern.ReplaceAllString(text, "$1 $2")
	if text = strings.TrimLeft(text, "# "); text == "" {
		return "."
	}
	first, _, _ := strings.Cut(text, " ")
	if first = strings.TrimRight(first, ",;:"); first != "" && strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") == "" {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	switch last := text[len(text)-1]; {
	case announces && strings.IndexByte(":.", last) < 0:
		return strings.TrimRight(text, ",;") + ":"
	case announces:
		return text
	case strings.IndexByte(".:!?", last) >= 0:
		return text
	case last == ')':
		if i := strings.LastIndexByte(text, '('); i > 1 && strings.HasSuffix(strings.TrimSpace(text[:i]), ".") {
			return text // a remark after the sentence
		}
	}
	return strings.TrimRight(text, ",;") + "."
}
