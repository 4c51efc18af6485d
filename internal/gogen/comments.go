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

// lines wraps the paragraphs. A paragraph that begins with a blank (a list) or with a tab (code) is
// preformatted.
func (c comment) lines() []string {
	var lines []string
	for i, paragraph := range c {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, wrap(paragraph)...)
	}
	for i, line := range lines {
		if text := strings.TrimLeft(line, " \t"); strings.HasPrefix(text, "+build") {
			// Go would take it for the condition that the whole file is built on.
			lines[i] = line[:len(line)-len(text)] + `"+build"` + text[len("+build"):]
		}
	}
	return lines
}

func isPreformatted(text string) bool { return text[0] == ' ' || text[0] == '\t' }

// isTarget reports whether a paragraph is the target of a link, which must be one line.
func isTarget(text string) bool { return text[0] == '[' && strings.Contains(text, "]: https://") }

func wrap(text string) []string {
	if isPreformatted(text) || isTarget(text) {
		return strings.Split(text, "\n")
	}
	return wrapAt(text, commentWidth)
}

func wrapAt(text string, width int) []string {
	var lines []string
	var line string
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
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
		if strings.HasPrefix(line, directivePrefix) {
			g.Comment(line)
			continue
		}
		g.Comment(strings.TrimSuffix("// "+line, " "))
	}
}

// definitionComment returns the comment for a definition. It begins with the sentences. The facts are
// paragraphs after QEMU's documentation.
func (b *builder) definitionComment(d qapi.Definition, facts comment, sentences ...string) comment {
	h := d.Head()
	p := b.prose(d)
	fact := b.confirmed(b.definitionFact(d), d, "")
	use := b.replacement(d, "", fact)
	text := strings.Join(append(sentences, b.definitionDates(d)...), " ")
	if isRemoved(fact) && !b.isDeprecated(h.Features, fact) {
		text += use
	}
	c := append(comment{text}, p.definition()...)
	c = append(c, facts...)
	c = append(c, b.remarks(p, "the "+kindOf(d), h.If, h.Features, fact, use)...)
	return append(c, b.target(d)...)
}

// definitionDates returns the sentences about the QEMUs that have a definition. Without facts, they give
// the versions in the schema, and the schemas that have it if there are several.
func (b *builder) definitionDates(d qapi.Definition) (sentences []string) {
	if fact := b.confirmed(b.definitionFact(d), d, ""); fact != nil {
		if _, isType := d.(qapi.Type); isType && fact.NewName {
			// Its documentation is older: only its name is new, which the protocol does not have.
			if in, ok := b.timesInUse()[d]; ok { // all but bases
				fact.Since = in.Since
			}
			if fact.Since.After != "" {
				return removal(fact)
			}
		}
		return b.dates(fact, nil)
	}
	doc := d.Head().Doc
	if since := b.prose(d).since(doc); since != "" {
		sentences = append(sentences, "Since QEMU "+strings.TrimSuffix(since, ".")+".")
	} else if seen := doc.Seen(""); seen != "" {
		sentences = append(sentences, seenFirst(seen))
	}
	return append(sentences, b.onlyIn(d.Head().Name)...)
}

// partComment returns the comment for a member, value or alternative of a definition. what is the word for
// it.
func (b *builder) partComment(d qapi.Definition, name, what string, cond qapi.Cond, features []*qapi.Feature) comment {
	p := b.prose(d)
	c := p.member(name)
	fact := b.partFact(d, name)
	owner, use := b.definitionFact(d), b.replacement(d, name, fact)
	dates := b.dates(fact, owner)
	if isGone(fact, owner) && !b.isDeprecated(features, fact) {
		dates[len(dates)-1] += use
	}
	if fact == nil {
		dates = b.partOnlyIn(d, name)
		if seen := qapi.SeenIn(d, name); seen != "" {
			dates = []string{seenFirst(seen)}
		}
	}
	if dates != nil {
		c = append(c, strings.Join(dates, " "))
	}
	return append(c, b.remarks(p, what, cond, features, fact, use)...)
}

// seenFirst returns the sentence for a thing that no schema has, but the answer of a server of this
// version.
func seenFirst(version string) string { return "Seen first in QEMU " + version + "." }

// onlyWith returns the condition of an item in a list: " (CONFIG_LINUX)".
func onlyWith(cond qapi.Cond) string {
	if cond == nil {
		return ""
	}
	return " (" + cond.String() + ")"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
