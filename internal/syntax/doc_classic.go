package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// classicDoc reads a documentation comment by the rules of QEMU 5.2 to 7.2. These look at one
// line after the other: the meaning of a line depends on the part of the comment that it is in.
type classicDoc struct {
	doc   *Doc
	lines docLines
	next  int // index of the line at hand

	part    classicPart
	body    *classicSection
	current *classicSection
	ended   []*classicSection // and the current one
	seen    sectionSet
}

// classicPart is a part of a comment.
type classicPart int

const (
	inBody     classicPart = iota // what is said of the definition first
	inMembers                     // descriptions of members
	inFeatures                    // descriptions of features
	inVarious                     // tagged sections and text after these or after descriptions
)

// classicSection is a section in the making.
type classicSection struct {
	Section
	indent int // of its text in the comment
}

// endsBlank reports whether the section ends with a blank line that is not its first one.
func (s *classicSection) endsBlank() bool {
	n := len(s.Lines)
	return n > 1 && s.Lines[n-1] == ""
}

func newClassicDoc(doc *Doc, lines docLines) *classicDoc {
	p := &classicDoc{doc: doc, lines: lines}
	p.restart()
	return p
}

// restart begins with an empty comment.
func (p *classicDoc) restart() {
	p.body = &classicSection{}
	p.current = p.body
	p.ended = []*classicSection{p.body}
}

func (p *classicDoc) fail(message string) *Error { return &Error{p.lines.pos[p.next], message} }

func (p *classicDoc) parse() *Error {
	for ; p.next < len(p.lines.text); p.next++ {
		if err := p.parseLine(p.lines.text[p.next]); err != nil {
			return err
		}
	}
	if p.lines.end.Line > 0 {
		if name, ok := p.emptySection(); ok {
			return &Error{p.lines.end, "empty doc section '" + name + "'"}
		}
	}
	p.finish()
	return nil
}

func (p *classicDoc) parseLine(line string) *Error {
	if strings.HasPrefix(line, "=") {
		// A heading begins another comment.
		if p.doc.Symbol != "" {
			return p.fail("unexpected '=' markup in definition documentation")
		}
		if len(p.body.Lines) > 0 {
			p.restart()
		}
	}
	switch p.part {
	case inBody:
		return p.parseBody(line)
	case inMembers:
		return p.parseDescription(line, MemberText)
	case inFeatures:
		return p.parseDescription(line, FeatureText)
	default:
		return p.parseVarious(line)
	}
}

func (p *classicDoc) parseBody(line string) *Error {
	switch {
	case p.doc.Symbol == "" && len(p.body.Lines) == 0 && strings.HasPrefix(line, "@"):
		var wrong string
		if p.doc.Symbol, wrong = cutSymbol(line); wrong != "" {
			return p.fail(wrong)
		}
		return nil
	case p.doc.Symbol == "":
		return p.addText(line)
	case isClassicDescription(line):
		p.part = inMembers
		return p.parseDescription(line, MemberText)
	case line == "Features:":
		p.part = inFeatures
		return nil
	case isClassicTag(line):
		p.part = inVarious
		return p.parseVarious(line)
	}
	return p.addText(line)
}

// parseDescription reads a line among descriptions of one kind.
func (p *classicDoc) parseDescription(line string, kind SectionKind) *Error {
	switch {
	case isClassicDescription(line):
		name := firstWord(line)
		text, indent := p.cutLead(line)
		if err := p.beginDescription(kind, name[1:len(name)-1], indent); err != nil {
			return err
		}
		return p.addText(text)
	case isClassicTag(line):
		p.part = inVarious
		return p.parseVarious(line)
	case p.current.endsBlank() && line != "" && !isIndented(line):
		if kind == MemberText && line == "Features:" {
			p.part = inFeatures
			return nil
		}
		if err := p.begin(Plain, "", 0); err != nil {
			return err
		}
		p.part = inVarious
		return p.parseVarious(line)
	}
	return p.addText(line)
}

func (p *classicDoc) parseVarious(line string) *Error {
	if isClassicDescription(line) {
		return p.fail("'" + firstWord(line) + "' can't follow a section")
	}
	if !isClassicTag(line) {
		return p.addText(line)
	}
	tag := strings.TrimSuffix(firstWord(line), ":")
	if tag == "Returns" || tag == "Since" {
		if !p.seen.add(Tagged, tag) {
			return p.fail("duplicated '" + tag + "' section")
		}
	}
	text, indent := p.cutLead(line)
	if err := p.begin(Tagged, tag, indent); err != nil {
		return err
	}
	return p.addText(text)
}

// cutLead replaces the begin of a section by as many blanks, and returns the column of its text:
// the lines after it must have this indentation. If there is no text in the first line, they need
// not be.
func (p *classicDoc) cutLead(line string) (text string, indent int) {
	lead := 1 + strings.LastIndexByte(firstWord(line), ':')
	rest := strings.TrimLeftFunc(line[lead:], isSpace)
	if rest == "" {
		return "", 0
	}
	indent = utf8.RuneCountInString(line[:len(line)-len(rest)])
	return strings.Repeat(" ", indent) + rest, indent
}

func (p *classicDoc) beginDescription(kind SectionKind, name string, indent int) *Error {
	if name == "" {
		return p.fail("invalid name in '@:'")
	}
	if !p.seen.add(kind, name) {
		return p.fail("'@" + name + ":' is described twice")
	}
	return p.begin(kind, name, indent)
}

// begin ends a section, which must not be empty, and begins the next one.
func (p *classicDoc) begin(kind SectionKind, name string, indent int) *Error {
	if name, ok := p.emptySection(); ok {
		return p.fail("empty doc section '" + name + "'")
	}
	p.current = &classicSection{
		Section: Section{Kind: kind, Name: name, Pos: Pos{Line: p.lines.pos[p.next].Line}},
		indent:  indent,
	}
	p.ended = append(p.ended, p.current)
	return nil
}

// emptySection returns the name of the current section if its text is missing.
func (p *classicDoc) emptySection() (name string, ok bool) {
	return p.current.Name, p.current != p.body && len(trimBlank(p.current.Lines)) == 0
}

// addText adds a line to the current section.
func (p *classicDoc) addText(line string) *Error {
	if name, ok := cutNameInText(line); ok {
		return p.fail("'" + name + "' not allowed in free-form documentation")
	}
	s := p.current
	if len(s.Lines) == 0 {
		s.Pos.Line = p.lines.pos[p.next].Line
	}
	if line != "" {
		if indentation(line) < s.indent {
			return p.fail("unexpected de-indent (expected at least " + strconv.Itoa(s.indent) + " spaces)")
		}
		line = strings.TrimRightFunc(line[len(firstRunes(line, s.indent)):], isSpace)
	}
	s.Lines = append(s.Lines, line)
	return nil
}

// finish hands the sections over to the comment.
func (p *classicDoc) finish() {
	for _, s := range p.ended {
		s.Lines = trimBlank(s.Lines)
		if len(s.Lines) > 0 {
			p.doc.Sections = append(p.doc.Sections, s.Section)
		}
	}
}

// firstWord returns the text before the first blank.
func firstWord(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return word
}

func isClassicDescription(line string) bool {
	word := firstWord(line)
	return strings.HasPrefix(word, "@") && strings.HasSuffix(word, ":")
}

func isClassicTag(line string) bool {
	switch firstWord(line) {
	case "Returns:", "Since:", "Note:", "Notes:", "Example:", "Examples:", "TODO:":
		return true
	}
	return false
}

// cutNameInText returns the `@name:` that a line of text begins with, to which a text may be
// joined.
func cutNameInText(line string) (string, bool) {
	if !strings.HasPrefix(line, "@") {
		return "", false
	}
	if end := strings.IndexFunc(line, isSpace); end >= 0 {
		line = line[:end]
	}
	colon := strings.LastIndexByte(line, ':')
	if colon < 2 {
		return "", false
	}
	return line[:colon+1], true
}
