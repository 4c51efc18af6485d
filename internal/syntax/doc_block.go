package syntax

import "strings"

// Doc is a documentation comment: the lines between two lines `##`.
type Doc struct {
	Pos Pos
	// Symbol is the name of the documented definition, from the first line `@name:`. It is empty
	// in a free-form comment.
	Symbol string
	// Sections has the sections of the comment in order. A free-form comment has at most one.
	Sections []Section
}

// Section is a part of a [Doc].
type Section struct {
	Kind SectionKind
	// Name is the name of the member or feature that the section describes, or the tag
	// ("Returns", "Since"). It is empty for plain text.
	Name string
	Pos  Pos // only the line
	// Lines has the text without comment signs, and without blank lines at the start and the end.
	// Lines after the first one keep their indentation.
	Lines []string
}

// SectionKind is the kind of a section of a [Doc].
type SectionKind int

const (
	Plain       SectionKind = iota // text about the whole definition
	MemberText                     // @name: of a member, an argument, an enum's value
	FeatureText                    // @name: after the line Features:
	Tagged                         // Returns:, Errors:, Since:, TODO:, Note:, Example: …
)

// Text returns the section's text.
func (s *Section) Text() string { return strings.Join(s.Lines, "\n") }

// docLines holds the text lines of a comment, without the comment sign and the blank after it.
type docLines struct {
	text []string
	from []int // offsets of the comment signs
	pos  []Pos // their places
	end  Pos   // of the closing ##; zero if there is an error before it
}

// cut leaves only the lines before the i-th.
func (l *docLines) cut(i int) {
	l.text, l.from, l.pos, l.end = l.text[:i], l.from[:i], l.pos[:i], Pos{}
}

// parseDoc reads a documentation comment. If there is an error, it also returns the part before
// it.
func (p *parser) parseDoc() (*Doc, *Error) {
	d := &Doc{Pos: p.pos}
	if p.text != "##" {
		return d, p.fail("junk after '##' at start of documentation comment")
	}
	readErr := p.readDocLines()
	if p.dialect == QEMU10_2 {
		if err := p.lintDocLines(); err != nil {
			readErr = err
		}
	}
	if err := p.dialect.parseDocLines(d, p.doc); err != nil {
		return d, err
	}
	if readErr != nil {
		return d, readErr
	}
	return d, p.accept()
}

// readDocLines collects the lines up to the closing ##.
func (p *parser) readDocLines() *Error {
	p.doc.cut(0)
	for {
		if err := p.next(true); err != nil {
			return err
		}
		switch {
		case p.tok != '#':
			return p.fail("documentation comment must end with '##'")
		case p.text == "##":
			p.doc.end = p.pos
			return nil
		case strings.HasPrefix(p.text, "##"):
			return p.fail("junk after '##' at end of documentation comment")
		case p.text != "#" && p.text[1] != ' ':
			return p.fail("missing space after #")
		}
		p.doc.text = append(p.doc.text, strings.TrimPrefix(p.text[1:], " "))
		p.doc.from = append(p.doc.from, p.from)
		p.doc.pos = append(p.doc.pos, p.pos)
	}
}

// lintDocLines looks at the form of the lines. The first one that is wrong ends the comment.
func (p *parser) lintDocLines() *Error {
	var lint docLint
	for i, text := range p.doc.text {
		message, end := lint.check(strings.TrimRightFunc(text, isSpace))
		if message == "" {
			continue
		}
		pos := p.doc.pos[i]
		if end >= 0 {
			// QEMU counts as if the comment sign were the line's first character.
			line := p.src[strings.LastIndexByte(p.src[:p.doc.from[i]], '\n')+1:]
			pos.Column = advance(1, firstRunes(line, len("# ")+end+1))
		}
		p.doc.cut(i)
		return &Error{pos, message}
	}
	return nil
}

// addEmptySections adds errors for the sections that have no text.
func (p *parser) addEmptySections(d *Doc) {
	for i := range d.Sections {
		s := &d.Sections[i]
		switch {
		case len(s.Lines) > 0 || s.Kind == Plain:
		case s.Kind == MemberText:
			p.add(&Error{s.Pos, "text required after '@" + s.Name + ":'"})
		case s.Kind == Tagged:
			p.add(&Error{s.Pos, "text required after '" + s.Name + ":'"})
		case s.Kind == FeatureText && p.dialect != DialectAny:
			// Elsewhere a feature may be named without a word about it, so that a
			// schema can be printed without its prose.
			p.add(&Error{s.Pos, "text required after '@" + s.Name + ":'"})
		}
	}
}

// trimBlank leaves out blank lines at the begin and at the end.
func trimBlank(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// cutSymbol returns the name of the documented definition, from a line `@name:`, or the error in
// the line, which begins with @.
func cutSymbol(line string) (symbol, wrong string) {
	symbol, ok := strings.CutSuffix(line[1:], ":")
	switch {
	case !ok:
		return "", "line should end with ':'"
	case symbol == "":
		return "", "name required after '@'"
	}
	return symbol, ""
}

// A sectionSet holds the sections of a comment of which there may be one only. The zero value is an
// empty set.
type sectionSet map[sectionKey]bool

type sectionKey struct {
	kind SectionKind
	name string
}

// add adds a section, and returns false if there is one like it already.
func (s *sectionSet) add(kind SectionKind, name string) bool {
	key := sectionKey{kind, name}
	if (*s)[key] {
		return false
	}
	if *s == nil {
		*s = sectionSet{}
	}
	(*s)[key] = true
	return true
}
