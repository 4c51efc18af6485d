package rst

import "strings"

// admonitions are the directives that are a word and text, with the word.
var admonitions = map[string]string{
	"attention": "Attention", "caution": "Caution", "danger": "Danger", "error": "Error",
	"hint": "Hint", "important": "Important", "note": "Note", "seealso": "See also",
	"tip": "Tip", "warning": "Warning", "todo": "",
	"versionadded": "Added in", "versionchanged": "Changed in", "deprecated": "Deprecated since",
}

// readDirective reads what begins with two dots: a directive with its argument, its options and
// what is indented below it; a target of references, or a comment, which say nothing.
func (p *parser) readDirective() {
	first := strings.TrimSpace(strings.TrimPrefix(p.line(), ".."))
	p.next++
	body := p.indented()
	name, argument, ok := strings.Cut(first, "::")
	if !ok || strings.ContainsAny(name, " |`_:") && !strings.HasPrefix(name, "qapi:") {
		if footnote, ok := strings.CutPrefix(first, "["); ok {
			p.blocks = append(p.blocks, p.nested(append([]string{"[" + footnote}, dedented(body)...))...)
		}
		return
	}
	argument = strings.TrimSpace(argument)
	switch name {
	case "qmp-example":
		p.readExample(body)
	case "code-block", "code", "sourcecode", "highlight", "parsed-literal", "literalinclude":
		_, text := options(body)
		p.add(code(text))
	case "image", "figure", "include", "toctree", "contents", "index", "only", "raw":
	case "admonition":
		_, text := options(body)
		p.label(p.inline(argument), p.nested(text))
	case "versionadded", "versionchanged", "deprecated":
		p.readVersion(admonitions[name], argument, body)
	default:
		p.readAdmonition(admonitions[name], argument, body)
	}
}

// readAdmonition reads a directive whose argument is the begin of its text. Of one that is not
// known the text is kept.
func (p *parser) readAdmonition(label, argument string, body []string) {
	given, text := options(body)
	if len(given) > 0 || argument == "" {
		body = text
	}
	lines := body
	if argument != "" {
		lines = append([]string{argument}, dedented(body)...)
	}
	p.label(label, p.nested(lines))
}

// readVersion reads a directive about a version, which may have nothing to say besides.
func (p *parser) readVersion(word, argument string, body []string) {
	version, rest, _ := strings.Cut(argument, " ")
	word += " " + p.inline(version)
	text := p.nested(append([]string{rest}, dedented(body)...))
	if len(text) == 0 {
		text = []Block{Paragraph(word)}
		word = ""
	}
	p.label(word, text)
}

// readExample reads an exchange of messages. One that is annotated has text as well, and marks
// the messages itself.
func (p *parser) readExample(body []string) {
	given, text := options(body)
	label := "Example"
	if title := given["title"]; title != "" {
		label += ": " + p.inline(title)
	}
	p.add(Paragraph(label + ":"))
	if _, ok := given["annotated"]; ok {
		p.blocks = append(p.blocks, p.nested(text)...)
		return
	}
	p.add(code(text))
}

// label adds blocks with a word before them: in the first paragraph, if there is one.
func (p *parser) label(word string, blocks []Block) {
	p.blocks = append(p.blocks, Labelled(word, blocks)...)
}

// Labelled returns blocks with a word and a colon before them: in the first paragraph if they begin
// with one, and otherwise in a new paragraph.
func Labelled(word string, blocks []Block) []Block {
	if word == "" || len(blocks) == 0 {
		return blocks
	}
	if first, ok := blocks[0].(Paragraph); ok {
		return append([]Block{Paragraph(word) + ": " + first}, blocks[1:]...)
	}
	return append([]Block{Paragraph(word + ":")}, blocks...)
}

// options splits the options of a directive from the text below them.
func options(body []string) (given map[string]string, text []string) {
	given = map[string]string{}
	text = dedented(body)
	for len(text) > 0 {
		name, value, ok := cutField(text[0])
		if !ok {
			break
		}
		given[name] = value
		text = text[1:]
	}
	return given, text
}
