package rst

import "strings"

// ReadExamples returns the blocks of a section of examples as QEMU had them until 9.0: messages,
// which nothing marks as such, with text between them.
func (r *Reader) ReadExamples(lines []string) []Block {
	p := &parser{Reader: r, lines: hanging(clean(lines))}
	for p.more() {
		if p.line() == "" || p.line() == "::" {
			p.next++
			continue
		}
		chunk := p.until(func(line string) bool { return isMessage(line) || line == "" })
		p.blocks = append(p.blocks, p.nested(chunk)...)
		p.add(code(p.messages()))
	}
	return p.blocks
}

// messages takes the lines of messages: up to a blank line that no brackets go on after and that
// no message follows.
func (p *parser) messages() []string {
	begin, open := p.next, 0
	for p.more() {
		line := p.line()
		if line == "" && open <= 0 {
			if p.next+1 == len(p.lines) || !isMessage(p.lines[p.next+1]) {
				break
			}
		}
		if begin == p.next && !isMessage(line) {
			break
		}
		open += brackets(line)
		p.next++
	}
	return p.lines[begin:p.next]
}

// isMessage reports whether a line begins a message, or stands for an omission in one.
func isMessage(line string) bool {
	line = strings.TrimLeft(line, " ")
	for _, begin := range []string{"->", "<-", "{", "["} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return false
}

// brackets is how many brackets a line opens, less those that it closes. Those in strings count as
// well: texts are examples, and most are balanced.
func brackets(line string) (n int) {
	for _, c := range line {
		switch c {
		case '{', '[':
			n++
		case '}', ']':
			n--
		}
	}
	return n
}
