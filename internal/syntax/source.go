package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// newSource returns the text of src as the scanner wants it: UTF-8, lines ended by '\n', the
// last one too. It fails at the first character that is not UTF-8.
func newSource(src []byte) (string, *Error) {
	text := string(src)
	if strings.IndexByte(text, '\r') >= 0 {
		text = strings.ReplaceAll(text, "\r\n", "\n")
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	if !utf8.ValidString(text) {
		return "", &Error{invalidPos(text), "invalid UTF-8"}
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text, nil
}

// invalidPos returns the place of the first invalid character of text.
func invalidPos(text string) Pos {
	valid := len(text)
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			valid = i
			break
		}
	}
	line := strings.Count(text[:valid], "\n")
	start := strings.LastIndexByte(text[:valid], '\n') + 1
	return Pos{line + 1, advance(1, text[start:valid])}
}

// advance returns the column after text that begins in column col.
func advance(col int, text string) int {
	for _, r := range text {
		if r == '\t' {
			col = (col+7)%8 + 1
		} else {
			col++
		}
	}
	return col
}

// isSpace reports whether r is white space to QEMU, which asks Python's str.isspace.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

// indentation returns how many characters of white space text begins with.
func indentation(text string) int {
	n := 0
	for _, r := range text {
		if !isSpace(r) {
			break
		}
		n++
	}
	return n
}

// firstRunes returns the first n characters of text.
func firstRunes(text string, n int) string {
	i := 0
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return text[:i]
}
