package syntax

import "strings"

// docParser cuts the lines of a documentation comment into sections, by the rules of QEMU 10.2
// relaxed where older versions allowed more.
type docParser struct {
	doc   *Doc
	lines docLines
	next  int // index of the next line

	features bool // the line Features: was seen
	ended    bool // no more descriptions of members may follow
	seen     sectionSet
}

func newDocParser(doc *Doc, lines docLines) *docParser {
	text := make([]string, len(lines.text)) // the sections keep it
	for i, line := range lines.text {
		text[i] = strings.TrimRightFunc(line, isSpace)
	}
	lines.text = text
	return &docParser{doc: doc, lines: lines}
}

func (p *docParser) more() bool { return p.next < len(p.lines.text) }

func (p *docParser) line() string { return p.lines.text[p.next] }

// fail returns an error at the next line.
func (p *docParser) fail(message string) *Error {
	return &Error{p.lines.pos[p.next], message}
}

// parse fills in the comment's symbol and sections.
func (p *docParser) parse() *Error {
	if !p.more() {
		return nil
	}
	if !strings.HasPrefix(p.line(), "@") {
		return p.parseFreeForm()
	}
	var wrong string
	if p.doc.Symbol, wrong = cutSymbol(p.line()); wrong != "" {
		return p.fail(wrong)
	}
	p.next++
	return p.parseSections()
}

// parseFreeForm reads a comment that belongs to no definition.
func (p *docParser) parseFreeForm() *Error {
	begin := p.next
	for ; p.more(); p.next++ {
		if name, _, ok := cutDescription(p.line()); ok {
			return p.fail("'@" + name + ":' not allowed in free-form documentation")
		}
	}
	p.add(Plain, "", begin, p.lines.text[begin])
	return nil
}

// parseSections reads the rest of a definition's comment.
func (p *docParser) parseSections() *Error {
	for p.skipBlank(); p.more(); p.skipBlank() {
		var err *Error
		if p.line() == "Features:" {
			err = p.parseFeatures()
		} else if _, _, ok := cutDescription(p.line()); ok {
			err = p.parseMembers()
		} else if tag, text, ok := cutTag(p.line()); ok {
			err = p.parseTagged(tag, text)
		} else {
			p.parseParagraph()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *docParser) skipBlank() {
	for p.more() && p.line() == "" {
		p.next++
	}
}

// parseFeatures reads the line Features: and the descriptions after it.
func (p *docParser) parseFeatures() *Error {
	if p.features {
		return p.fail("duplicated 'Features:' line")
	}
	p.features = true
	p.next++
	return p.parseDescriptions(FeatureText)
}

// parseMembers reads descriptions of members. They are all in one row.
func (p *docParser) parseMembers() *Error {
	if p.ended {
		name, _, _ := cutDescription(p.line())
		return p.fail("description of '@" + name + ":' follows a section")
	}
	return p.parseDescriptions(MemberText)
}

func (p *docParser) parseDescriptions(kind SectionKind) *Error {
	p.ended = true
	for p.skipBlank(); p.more(); p.skipBlank() {
		name, text, ok := cutDescription(p.line())
		if !ok {
			break
		}
		if name == "" {
			return p.fail("invalid name in '@:'")
		}
		if !p.seen.add(kind, name) {
			return p.fail("'@" + name + ":' is described twice")
		}
		p.parseHanging(kind, name, text)
	}
	return nil
}

func (p *docParser) parseTagged(tag, text string) *Error {
	p.ended = true
	switch tag {
	case "Returns", "Errors", "Since":
		if !p.seen.add(Tagged, tag) {
			return p.fail("duplicated '" + tag + "' section")
		}
	}
	p.parseHanging(Tagged, tag, text)
	return nil
}

// parseParagraph reads plain text up to a blank line, or to a tag: QEMU up to 9.0 did not
// ask for a blank line before those.
func (p *docParser) parseParagraph() {
	begin := p.next
	first := p.line()
	for p.next++; p.more() && p.line() != ""; p.next++ {
		if _, _, ok := cutTag(p.line()); ok || p.line() == "Features:" {
			break
		}
	}
	p.add(Plain, "", begin, first)
}

// parseHanging reads a section that began with a name and has the rest of its first line as
// text. It goes on with indented lines. Text of QEMU up to 9.0 is not always indented: there
// a section goes on up to a blank line. A tagged one without text in its first line may have
// it after a blank line, and notes and examples go on up to the next section.
func (p *docParser) parseHanging(kind SectionKind, name, text string) {
	begin := p.next
	notes := kind == Tagged && (strings.HasPrefix(name, "Note") || strings.HasPrefix(name, "Example"))
	waiting := kind == Tagged && text == ""
	blank := false
	for p.next++; p.more(); p.next++ {
		line := p.line()
		if line == "" {
			blank = true
			continue
		}
		if !isIndented(line) && (beginsSection(line) || blank && !waiting && !notes) {
			break
		}
		blank, waiting = false, false
	}
	p.add(kind, name, begin, text)
}

// add makes a section of the lines from begin up to the next one; first is the text of the
// first of them.
func (p *docParser) add(kind SectionKind, name string, begin int, first string) {
	lines := p.lines.text[begin:p.next:p.next]
	lines[0] = first
	p.doc.Sections = append(p.doc.Sections, Section{
		Kind: kind, Name: name, Lines: trimBlank(lines),
		Pos: Pos{Line: p.lines.pos[begin].Line},
	})
}

func (d *Doc) section(kind SectionKind, name string) *Section {
	for i := range d.Sections {
		if s := &d.Sections[i]; s.Kind == kind && s.Name == name {
			return s
		}
	}
	return nil
}

func isIndented(line string) bool {
	return strings.TrimLeftFunc(line, isSpace) != line
}

// beginsSection reports whether a line without indentation cannot be the text of the section
// before it.
func beginsSection(line string) bool {
	_, _, description := cutDescription(line)
	_, _, tag := cutTag(line)
	return description || tag || line == "Features:"
}

// cutDescription splits `@name: text`. There may be no blank in the name; `@name : text` is
// ordinary text.
func cutDescription(line string) (name, text string, ok bool) {
	if !strings.HasPrefix(line, "@") {
		return "", "", false
	}
	name, text, ok = strings.Cut(line[1:], ":")
	if !ok || strings.ContainsFunc(name, isSpace) {
		return "", "", false
	}
	return name, strings.TrimLeft(text, " "), true
}

// cutTag splits `Since: text`. Two colons are markup, not a tag.
func cutTag(line string) (tag, text string, ok bool) {
	tag, text, ok = strings.Cut(line, ":")
	if !ok || strings.HasPrefix(text, ":") {
		return "", "", false
	}
	switch tag {
	case "Returns", "Errors", "Since", "TODO", "Note", "Notes", "Example", "Examples":
		return tag, strings.TrimLeft(text, " "), true
	}
	return "", "", false
}
