package rst

import "strings"

// Read returns the blocks of a text given by its lines.
func (r *Reader) Read(lines []string) []Block {
	return r.parse(dedented(clean(lines)))
}

// ReadHanging is like Read for a text whose first line has lost its indentation, since it stood
// after a tag.
func (r *Reader) ReadHanging(lines []string) []Block {
	return r.parse(hanging(clean(lines)))
}

func (r *Reader) parse(lines []string) []Block {
	p := &parser{Reader: r, lines: lines}
	p.read()
	return p.blocks
}

// maxDepth is how deep text may be nested. What is deeper is plain text.
const maxDepth = 10

// parser turns lines into blocks. Another parser reads the text of a nested block.
type parser struct {
	*Reader
	lines  []string // without blanks at their ends, and tabs
	next   int
	depth  int
	blocks []Block
}

func (p *parser) more() bool { return p.next < len(p.lines) }

func (p *parser) line() string { return p.lines[p.next] }

func (p *parser) add(b Block) {
	switch b := b.(type) {
	case Paragraph:
		if b == "" {
			return
		}
	case Code:
		if len(b) == 0 {
			return
		}
	}
	p.blocks = append(p.blocks, b)
}

// nested returns the blocks of lines that belong to something.
func (p *parser) nested(lines []string) []Block {
	q := &parser{Reader: p.Reader, lines: dedented(lines), depth: p.depth + 1}
	if q.depth > maxDepth {
		q.add(Paragraph(p.inline(joined(lines))))
	} else {
		q.read()
	}
	return q.blocks
}

func (p *parser) read() {
	for p.more() {
		line := p.line()
		switch {
		case line == "":
			p.next++
		case line[0] == ' ':
			// A quotation, or text that is only indented otherwise than what it belongs to.
			p.blocks = append(p.blocks, p.nested(p.indented())...)
		case line == ".." || strings.HasPrefix(line, ".. "):
			p.readDirective()
		case isTable(line):
			p.add(code(p.until(func(line string) bool { return line == "" })))
		case strings.HasPrefix(line, "| "):
			p.add(code(p.until(func(line string) bool { return line == "" })))
		case isRule(line):
			p.next++
		case isItem(line):
			p.readList()
		default:
			p.readParagraph()
		}
	}
}

// indented takes the lines from the next one on that are indented or blank.
func (p *parser) indented() []string {
	return p.until(func(line string) bool { return line != "" && line[0] != ' ' })
}

// until takes the lines up to one.
func (p *parser) until(end func(line string) bool) []string {
	begin := p.next
	for p.more() && !end(p.line()) {
		p.next++
	}
	return p.lines[begin:p.next]
}

// readParagraph reads text up to a blank line, and the literal block that it may announce.
func (p *parser) readParagraph() {
	begin := p.next
	_, _, field := cutField(p.line())
	for p.next++; p.more() && p.line() != ""; p.next++ {
		if _, _, another := cutField(p.line()); field && another {
			break
		}
		if isRule(p.line()) { // the line below a heading
			break
		}
		// Strictly, a list needs a blank line before it. Old texts have none.
		if strings.HasSuffix(p.lines[p.next-1], ":") && isItem(strings.TrimLeft(p.line(), " ")) {
			break
		}
	}
	text, literal := strings.CutSuffix(joined(p.lines[begin:p.next]), "::")
	if literal {
		if trimmed := strings.TrimRight(text, " "); trimmed == text && text != "" {
			text += ":"
		} else {
			text = trimmed
		}
	}
	if name, rest, ok := cutField(text); ok {
		text = strings.TrimSpace(name + ": " + rest)
	}
	p.add(Paragraph(p.inline(text)))
	if literal {
		for p.more() && p.line() == "" {
			p.next++
		}
		p.add(code(p.indented()))
	}
}

// cutField splits ":name: text".
func cutField(line string) (name, text string, ok bool) {
	inside, ok := strings.CutPrefix(line, ":")
	if !ok {
		return "", "", false
	}
	name, text, ok = strings.Cut(inside, ":")
	if !ok || name == "" || strings.HasPrefix(text, "`") || text != "" && text[0] != ' ' {
		return "", "", false
	}
	return name, strings.TrimSpace(text), true
}

// isRule reports whether a line is a rule, as below and above headings and between paragraphs.
func isRule(line string) bool {
	return len(line) >= 3 && strings.ContainsRune(`=-~^"'*+#`, rune(line[0])) &&
		strings.Trim(line, line[:1]) == ""
}

// isTable reports whether a line is the upper border of a table.
func isTable(line string) bool {
	if strings.HasPrefix(line, "+-") {
		return strings.Trim(line, "+-") == ""
	}
	return strings.HasPrefix(line, "==") && strings.Contains(line, " ") && strings.Trim(line, "= ") == ""
}

// code makes a code block of lines.
func code(lines []string) Code {
	lines = dedented(lines)
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return Code(lines)
}
