package rst

import (
	"strings"
	"unicode"
)

// clean returns lines without tabs, without what cannot be printed and without blanks at their
// ends.
func clean(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		line = strings.Map(printable, expanded(line))
		out[i] = strings.TrimRightFunc(line, unicode.IsSpace)
	}
	return out
}

// printable returns a character, or a blank in place of one that cannot be printed.
func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// hanging returns clean lines of a text whose first line stood after a tag. It removes the
// indentation that the lines after the first have in common. If the first line announces a literal
// block, the others are this block and stay indented.
func hanging(lines []string) []string {
	switch {
	case len(lines) == 0 || strings.HasPrefix(lines[0], " "):
		return dedented(lines)
	case len(lines) > 1 && strings.HasSuffix(lines[0], "::") && lines[1] == "":
		return lines
	}
	return append([]string{lines[0]}, dedented(lines[1:])...)
}

// dedented returns lines without the indentation that they have in common.
func dedented(lines []string) []string {
	common := -1
	for _, line := range lines {
		if n := indentation(line); line != "" && (common < 0 || n < common) {
			common = n
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		if line != "" {
			out[i] = line[common:]
		}
	}
	return out
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// expanded returns a line with blanks in place of tabs.
func expanded(line string) string {
	if !strings.Contains(line, "\t") {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		if r != '\t' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Repeat(" ", 8-b.Len()%8))
	}
	return b.String()
}

// joined returns lines as one, with a blank between words.
func joined(lines []string) string {
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}
