package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// docLint looks at the form of documentation's lines as QEMU 10.2 does: they are not too long,
// and there are two blanks between sentences. Examples are left alone.
type docLint struct {
	literal bool // in an example
	indent  int  // of the example's first line
}

// maxDocLine is how many characters a line may have, the comment sign included.
const maxDocLine = 70

// check returns the error of a line, or "", and the number of characters before it; -1 if the
// line as a whole is wrong.
func (l *docLint) check(line string) (message string, after int) {
	switch {
	case beginsExample(line):
		l.literal, l.indent = true, 0
	case l.literal && line != "":
		if indent := indentation(line); l.indent == 0 {
			l.indent = indent
		} else if indent < l.indent {
			l.literal = false
		}
	}
	if l.literal {
		return "", 0
	}
	if len("# ")+utf8.RuneCountInString(line) > maxDocLine && !isAddress(line) {
		return "documentation line longer than 70 characters", -1
	}
	if end := sentenceEnd(line); end >= 0 {
		return "use two spaces between sentences", end
	}
	return "", 0
}

// beginsExample reports whether a line introduces an example in the indented lines after it: `::`
// or `.. qmp-example::`.
func beginsExample(line string) bool {
	if rest, ok := strings.CutPrefix(line, ".."); ok {
		name := strings.TrimLeft(rest, " ")
		after, ok := strings.CutPrefix(name, "qmp-example")
		if ok && name != rest {
			line = after
		}
	}
	return strings.TrimLeft(line, " ") == "::"
}

// isAddress reports whether a line is only an address, which cannot be broken.
func isAddress(line string) bool {
	line = strings.TrimLeft(line, " ")
	for _, scheme := range []string{"http://", "https://", "ftp://"} {
		if rest, ok := strings.CutPrefix(line, scheme); ok {
			return !strings.Contains(rest, " ")
		}
	}
	return false
}

// sentenceEnd returns where, counted in characters, a sentence ends that has only one blank
// after it; -1 if there is none. Neither "e.g." nor a number at the begin of a line ends one.
func sentenceEnd(line string) int {
	column := 0
	for i, r := range line {
		if strings.ContainsRune(".!?", r) && beginsSentence(line[i+1:]) && !isAbbreviation(line[:i+1]) {
			return column
		}
		column++
	}
	return -1
}

// beginsSentence reports whether text is a single blank and a possible begin of a sentence.
func beginsSentence(text string) bool {
	return len(text) > 1 && text[0] == ' ' &&
		('A' <= text[1] && text[1] <= 'Z' || '0' <= text[1] && text[1] <= '9' || text[1] == '(')
}

// isAbbreviation reports whether text that ends with a dot ends with "e.g.", or is a number of
// one digit.
func isAbbreviation(text string) bool {
	if rest, ok := strings.CutSuffix(text, "e.g."); ok {
		return !endsWithWord(rest)
	}
	number := strings.TrimLeft(text, " ")
	return len(number) == 2 && '0' <= number[0] && number[0] <= '9' && number[1] == '.'
}

// endsWithWord reports whether the last character of text may be a part of a word.
func endsWithWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}
