package rst

import (
	"strconv"
	"strings"
)

// marker splits the marker of a list's item from the text after it. The number is "" for a
// bullet; "#" is one for which the reader is to count.
func marker(line string) (number, text string, ok bool) {
	mark, text, found := strings.Cut(line, " ")
	if !found || strings.TrimSpace(text) == "" {
		return "", "", false
	}
	switch mark {
	case "-", "*", "+", "•":
		return "", text, true
	}
	mark, paren := strings.CutPrefix(mark, "(")
	end := ".)"
	if paren {
		end = ")"
	}
	if mark == "" || !strings.Contains(end, mark[len(mark)-1:]) {
		return "", "", false
	}
	mark = mark[:len(mark)-1]
	if mark == "#" || len(mark) > 0 && len(mark) <= 3 && strings.Trim(mark, "0123456789") == "" {
		return mark, text, true
	}
	return "", "", false
}

func isItem(line string) bool {
	_, _, ok := marker(line)
	return ok
}

// readList reads the items that follow one another. What is nested is made flat: the items of a
// list in an item come after it, and code ends the list, which goes on after it.
func (p *parser) readList() {
	b := listBuilder{parser: p}
	for count := 1; p.more(); count++ {
		number, text, ok := marker(p.line())
		if !ok {
			break
		}
		if number == "#" {
			number = strconv.Itoa(count)
		}
		b.item = Item{Number: number}
		b.addBlocks(p.nested(p.itemLines(text)))
		for p.more() && p.line() == "" {
			p.next++
		}
	}
	b.end()
}

// listBuilder makes a list of items that are not nested.
type listBuilder struct {
	parser *parser
	list   List
	item   Item // the last one, which has no text at first
	broken bool // code ended the list within the item
}

// addBlocks adds what an item holds.
func (b *listBuilder) addBlocks(blocks []Block) {
	for _, block := range blocks {
		switch block := block.(type) {
		case Paragraph:
			if b.broken {
				b.parser.add(block)
				continue
			}
			b.item.Text = append(b.item.Text, block)
		case List:
			b.broken = false
			for _, item := range block {
				b.endItem()
				b.item = item
			}
		case Code:
			b.end()
			b.parser.add(block)
			b.broken = true
		}
	}
	b.endItem()
	b.broken = false
}

func (b *listBuilder) endItem() {
	if len(b.item.Text) > 0 {
		b.list = append(b.list, b.item)
	}
	b.item = Item{}
}

// end adds the list so far.
func (b *listBuilder) end() {
	b.endItem()
	if len(b.list) > 0 {
		b.parser.add(b.list)
	}
	b.list = nil
}

// itemLines takes the lines of the item that the next line begins: those that are indented, and
// those right below it that are not but begin nothing else.
func (p *parser) itemLines(text string) []string {
	column := len(p.line()) - len(strings.TrimLeft(text, " "))
	lines := []string{strings.TrimLeft(text, " ")}
	blank := false
	for p.next++; p.more(); p.next++ {
		line := p.line()
		switch {
		case line == "":
			blank = true
		case line[0] != ' ' && (blank || isItem(line) || strings.HasPrefix(line, "..")):
			return lines
		default:
			blank = false
			line = line[min(column, indentation(line)):]
		}
		lines = append(lines, line)
	}
	return lines
}
