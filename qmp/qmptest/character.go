package qmptest

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// longNUL is U+0000 in two bytes, as QEMU has it: its UTF-8 is the modified one.
const longNUL = "\xC0\x80"

// character reads the first character of the rest of a string, which includes the final quote. It
// returns the character and its length in the text.
func character(text string) (r rune, size int, err string) {
	if text[0] == '\\' {
		return escape(text)
	}
	if strings.HasPrefix(text, longNUL) {
		return 0, len(longNUL), ""
	}
	r, size = utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && size == 1 || isNoncharacter(r) {
		return 0, 0, "invalid UTF-8 sequence in string"
	}
	return r, size, ""
}

func escape(text string) (r rune, size int, err string) {
	const escapes, characters = `"'\/bfnrt`, "\"'\\/\b\f\n\r\t"
	if text[1] == 'u' {
		return unicodeEscape(text)
	}
	i := strings.IndexByte(escapes, text[1])
	if i < 0 {
		return 0, 0, "invalid escape sequence in string"
	}
	return rune(characters[i]), 2, ""
}

func unicodeEscape(text string) (r rune, size int, err string) {
	r, ok := hexEscape(text)
	size = min(6, len(text))
	if second, isEscape := hexEscape(text[size:]); ok && isEscape {
		if both := utf16.DecodeRune(r, second); both != utf8.RuneError {
			r, size = both, 12
		}
	}
	if !ok || utf16.IsSurrogate(r) || isNoncharacter(r) {
		return 0, 0, text[:size] + " is not a valid Unicode character"
	}
	return r, size, ""
}

// hexEscape reads the \uXXXX that text begins with.
func hexEscape(text string) (r rune, ok bool) {
	if len(text) < 6 || !strings.HasPrefix(text, `\u`) {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}

// isNoncharacter reports whether r is one of Unicode's noncharacters, which QEMU refuses.
func isNoncharacter(r rune) bool {
	return 0xFDD0 <= r && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}
