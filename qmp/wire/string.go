package wire

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// String reads a string.
//
//go:noinline
func (d *Decoder) String() string {
	if data, i := d.data, d.pos; i < len(data) && data[i] == '"' {
		// While there is room in the piece, the text is looked at and copied at once.
		text, to := data[i+1:], d.pieces.text[d.pieces.used:]
		for n := 0; n+8 <= min(len(text), len(to)); n += 8 {
			w := load64(text[n : n+8])
			store64(to[n:n+8], w)
			special := specialBytes(w)
			if special == 0 {
				continue
			}
			if n += bits.TrailingZeros64(special) / 8; n == 0 || text[n] != '"' {
				break
			}
			d.pos += n + 2
			d.pieces.used += n
			return unsafe.String(&to[0], n)
		}
	}
	return d.anyString()
}

// anyString is String for any string.
func (d *Decoder) anyString() string {
	if d.pos < len(d.data) && d.data[d.pos] == '"' {
		start := d.pos + 1
		if end := plain(d.data, start); end < len(d.data) && d.data[end] == '"' {
			d.pos = end + 1
			return d.pieces.string(d.data[start:end], len(d.data)-start)
		}
	}
	return string(d.unusualText())
}

// Enum reads a string that has few different values. It does not allocate a value again that it
// has read before.
func (d *Decoder) Enum() string { return intern(d.text()) }

// text reads a string and returns it without its escapes, as a part of the text or in the
// scratch space.
func (d *Decoder) text() []byte {
	data, i := d.data, d.pos
	if i < len(data) && data[i] == '"' {
		end := plain(data, i+1)
		if end < len(data) && data[end] == '"' {
			d.pos = end + 1
			return data[i+1 : end]
		}
	}
	return d.unusualText()
}

// unusualText is text for strings with escapes or with blanks before them, and for errors.
func (d *Decoder) unusualText() []byte {
	if d.next() != '"' {
		d.unexpected("a string")
		return nil
	}
	body, literal := d.quoted()
	if !literal {
		d.scratch = appendUnescaped(d.scratch[:0], body)
		body = d.scratch
	}
	return body
}

// quoted reads the string at the cursor. It returns the text between the quotes, and whether that
// is the string itself, without escapes.
func (d *Decoder) quoted() (body []byte, literal bool) {
	start := d.pos + 1
	literal = true
	for i := plain(d.data, start); i < len(d.data); i = plain(d.data, i) {
		switch c := d.data[i]; {
		case c == '"':
			d.pos = i + 1
			return d.data[start:i], literal
		case c == '\\':
			literal = false
			size, reason := escapeSize(d.data[i:])
			if reason != "" {
				d.failAt(i, reason)
				return nil, true
			}
			i += size
		case c < ' ':
			d.failAt(i, "control character in a string")
			return nil, true
		default:
			r, size := utf8.DecodeRune(d.data[i:])
			if r == utf8.RuneError && size == 1 {
				d.failAt(i, "string is not valid UTF-8")
				return nil, true
			}
			i += size
		}
	}
	d.failAt(len(d.data), "the text ends inside a string")
	return nil, true
}

// escapeSize checks the escape that text begins with and returns its size, 12 for a surrogate
// pair, or what is wrong with it.
func escapeSize(text []byte) (size int, reason string) {
	if len(text) < 2 {
		return 0, "the text ends inside a string"
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
	default:
		return 0, "unknown escape in a string"
	}
	r := hexRune(text)
	switch {
	case r < 0:
		return 0, "\\u is not followed by four hexadecimal digits"
	case !utf16.IsSurrogate(r):
		return 6, ""
	case utf16.DecodeRune(r, hexRune(text[6:])) == utf8.RuneError:
		return 0, "half of a surrogate pair in a string"
	default:
		return 12, ""
	}
}

// hexRune returns the value of the \uXXXX that text begins with, -1 when it begins with none.
func hexRune(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendUnescaped appends the body of a valid string without its escapes.
func appendUnescaped(b, body []byte) []byte {
	for i := 0; i < len(body); {
		c := body[i]
		if c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		switch c = body[i+1]; c {
		case 'u':
			r := hexRune(body[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, hexRune(body[i:]))
				i += 6
			}
			b = utf8.AppendRune(b, r)
			continue
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		}
		b = append(b, c)
		i += 2
	}
	return b
}
