package syntax

import (
	"slices"
	"strconv"
	"strings"
)

// strictDoc reads a documentation comment by the rules of QEMU 10.0 and 10.2.
type strictDoc struct {
	doc      *Doc
	lines    docLines
	next     int  // index of the line at hand
	headings bool // `= Title` has a meaning, as up to QEMU 10.0
	ended    bool // no more descriptions of members may follow
	seen     sectionSet
}

func (p *strictDoc) more() bool { return p.next < len(p.lines.text) }

func (p *strictDoc) line() string {
	return strings.TrimRightFunc(p.lines.text[p.next], isSpace)
}

// fail returns an error at the line at hand, which may be the one that ends the comment.
func (p *strictDoc) fail(message string) *Error {
	if !p.more() {
		return &Error{p.lines.end, message}
	}
	return &Error{p.lines.pos[p.next], message}
}

// failLine is like fail, without a column.
func (p *strictDoc) failLine(message string) *Error {
	return &Error{Pos{Line: p.lines.pos[p.next].Line}, message}
}

func (p *strictDoc) parse() *Error {
	p.doc.Sections = []Section{{Kind: Plain, Pos: Pos{Line: p.doc.Pos.Line}}}
	err := p.parseLines()
	p.finish()
	return err
}

func (p *strictDoc) parseLines() *Error {
	if !p.more() || !strings.HasPrefix(p.line(), "@") {
		return p.parseFreeForm()
	}
	var wrong string
	if p.doc.Symbol, wrong = cutSymbol(p.line()); wrong != "" {
		return p.fail(wrong)
	}
	p.next++
	for p.skipBlank(); p.more(); p.skipBlank() {
		if err := p.parseSection(); err != nil {
			return err
		}
	}
	return nil
}

func (p *strictDoc) parseFreeForm() *Error {
	for first := true; p.more(); p.next++ {
		if name, _, ok := cutLooseDescription(p.line()); ok {
			return p.fail("'@" + name + ":' not allowed in free-form documentation")
		}
		if p.headings && !first && strings.HasPrefix(p.line(), "=") {
			return p.fail("'=' heading must come first in a comment block")
		}
		first = false
		p.addText(p.line())
	}
	return nil
}

func (p *strictDoc) skipBlank() {
	for p.more() && p.line() == "" {
		p.next++
	}
}

func (p *strictDoc) parseSection() *Error {
	line := p.line()
	if line == "Features:" {
		return p.parseFeatures()
	}
	if name, _, ok := cutLooseDescription(line); ok {
		if p.ended {
			return p.fail("description of '@" + name + ":' follows a section")
		}
		return p.parseDescriptions(MemberText)
	}
	if tag, text, ok := cutTag(line); ok {
		return p.parseTagged(tag, text)
	}
	if p.headings && strings.HasPrefix(line, "=") {
		return p.fail("unexpected '=' markup in definition documentation")
	}
	p.parseParagraph()
	return nil
}

func (p *strictDoc) parseFeatures() *Error {
	if p.doc.hasKind(FeatureText) {
		return p.fail("duplicated 'Features:' line")
	}
	p.next++
	p.skipBlank()
	if err := p.parseDescriptions(FeatureText); err != nil {
		return err
	}
	if !p.doc.hasKind(FeatureText) && (p.more() || p.lines.end.Line > 0) {
		return p.fail("feature descriptions expected")
	}
	return nil
}

// parseDescriptions reads a row of descriptions.
func (p *strictDoc) parseDescriptions(kind SectionKind) *Error {
	for p.more() {
		name, text, ok := cutLooseDescription(p.line())
		if !ok {
			break
		}
		if name == "" {
			return p.failLine("invalid name in '@:'")
		}
		if !p.seen.add(kind, name) {
			return p.failLine("'@" + name + ":' is described twice")
		}
		if err := p.parseHanging(kind, name, text); err != nil {
			return err
		}
	}
	p.ended = true
	return nil
}

func (p *strictDoc) parseTagged(tag, text string) *Error {
	switch tag {
	case "Note", "Notes":
		return p.fail("there is no section '" + tag + "' any more: use '.. note::'")
	case "Example", "Examples":
		return p.fail("there is no section '" + tag + "' any more: use '.. qmp-example::'")
	case "Returns", "Errors", "Since":
		if !p.seen.add(Tagged, tag) {
			return p.failLine("duplicated '" + tag + "' section")
		}
	}
	p.ended = true
	return p.parseHanging(Tagged, tag, text)
}

// parseHanging reads a section that begins with a name, and has the rest of its first line as
// text. The lines after it belong to it as far as they are indented: the second of them as
// the first.
func (p *strictDoc) parseHanging(kind SectionKind, name, text string) *Error {
	p.begin(kind, name)
	if text != "" {
		p.addText(text)
	}
	for p.next++; p.more() && p.line() == ""; p.next++ {
		p.addText("")
	}
	if !p.more() {
		return nil
	}
	indent := indentation(p.line())
	if indent == 0 {
		return nil
	}
	p.addText(p.line())
	for second := true; ; second = false {
		p.next++
		if !p.more() {
			return nil
		}
		line := p.line()
		if _, _, ok := cutLooseDescription(line); ok {
			return nil
		}
		if line != "" && indentation(line) < indent {
			if second {
				return p.fail("unexpected de-indent (expected at least " + strconv.Itoa(indent) + " spaces)")
			}
			return nil
		}
		p.addText(line)
	}
}

// parseParagraph reads plain text up to a blank line.
func (p *strictDoc) parseParagraph() {
	last := &p.doc.Sections[len(p.doc.Sections)-1]
	switch {
	case last.Kind != Plain:
		p.begin(Plain, "")
	case len(last.Lines) == 0:
		last.Pos.Line = p.lines.pos[p.next].Line
	default:
		p.addText("")
	}
	for ; p.more() && p.line() != ""; p.next++ {
		p.addText(p.line())
	}
}

func (p *strictDoc) begin(kind SectionKind, name string) {
	p.doc.Sections = append(p.doc.Sections, Section{
		Kind: kind, Name: name, Pos: Pos{Line: p.lines.pos[p.next].Line},
	})
}

// addText adds a line to the current section.
func (p *strictDoc) addText(line string) {
	s := &p.doc.Sections[len(p.doc.Sections)-1]
	s.Lines = append(s.Lines, line)
}

func (p *strictDoc) finish() {
	for i := range p.doc.Sections {
		s := &p.doc.Sections[i]
		s.Lines = trimBlank(s.Lines)
	}
	if len(p.doc.Sections[0].Lines) == 0 {
		p.doc.Sections = p.doc.Sections[1:]
	}
}

// cutLooseDescription splits `@name: text`, whatever the name is.
func cutLooseDescription(line string) (name, text string, ok bool) {
	if !strings.HasPrefix(line, "@") {
		return "", "", false
	}
	name, text, ok = strings.Cut(line[1:], ":")
	return name, strings.TrimLeft(text, " "), ok
}

func (d *Doc) hasKind(kind SectionKind) bool {
	return slices.ContainsFunc(d.Sections, func(s Section) bool { return s.Kind == kind })
}
