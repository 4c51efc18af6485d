package wire

import "unicode/utf8"

// appendQuoted appends s as a JSON string. When s is not valid UTF-8 it returns b as it was,
// and false.
func appendQuoted(b []byte, s string) ([]byte, bool) {
	mark := len(b)
	b = append(b, '"')
	done := 0 // s[:done] is written
	for i := plain(s, 0); i < len(s); i = plain(s, i) {
		if s[i] < utf8.RuneSelf {
			b = appendEscape(append(b, s[done:i]...), s[i])
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return b[:mark], false
		}
		i += size
	}
	return append(append(b, s[done:]...), '"'), true
}

// appendEscape appends the escape of a quote, a backslash or a control character.
func appendEscape(b []byte, c byte) []byte {
	const (
		letters = "btn\x00fr" // of \b and the five control characters after it
		hex     = "0123456789abcdef"
	)
	switch {
	case c >= ' ':
		return append(b, '\\', c)
	case '\b' <= c && c <= '\r' && c != '\v':
		return append(b, '\\', letters[c-'\b'])
	default:
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}
