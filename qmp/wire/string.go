package wire

import (
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string.
//
//go:noinline
func (d *Decoder) String() string {
	data, i := d.data, d.pos
	if i < len(data) && data[i] == '"' {
		end := plain(data, i+1)
		if end < len(data) && data[end] == '"' {
			d.pos = end + 1
			return d.copied.part(data, i+1, end)
		}
	}
	return string(d.unusualText())
}

// copies are copies of parts of a text. The strings of a large text are many and short: to copy
// some of the text at a time, with all strings in it, costs a fraction of the time that it takes
// to allocate each. What is kept of them keeps no more than that.
type copies struct {
	start int // in the text
	text  string
	n     int // of strings so far
}

const (
	copySize  = 2 << 10 // of the text, at a time
	copyAfter = 4       // strings: a short text may have no more
	copyMost  = 128     // the length of a string that is not copied by itself
)

// part returns data[start:end].
func (c *copies) part(data []byte, start, end int) string {
	if from := start - c.start; from >= 0 && end-c.start <= len(c.text) {
		return c.text[from : end-c.start]
	}
	c.n++
	// A discriminator may be read before what precedes it: what is behind is not copied anew.
	if c.n <= copyAfter || end-start > copyMost || start < c.start {
		return string(data[start:end])
	}
	c.start, c.text = start, string(data[start:min(start+copySize, len(data))])
	return c.text[:end-start]
}

// Enum reads a string that is one of a few values. Values seen before are not allocated again.
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

// unusualText is text for what has escapes or blanks before it, and for what is no string.
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

// quoted reads the string at the cursor. It returns what is between the quotes, and whether
// that is the string itself, without escapes.
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
