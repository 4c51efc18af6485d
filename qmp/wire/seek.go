package wire

import "bytes"

// seekMember looks for the member with the given name, from the member at text[i] to the end of its
// object. It returns the member's offset, or -1 if there is none. It looks at no more of the text than
// it needs to find its way: what it returns for one that is not valid JSON means nothing.
func seekMember(text []byte, i int, name string) int {
	for i < len(text) && text[i] == '"' {
		start := i + 1
		if end := start + len(name); end < len(text) && text[end] == '"' && string(text[start:end]) == name {
			return i
		}
		end := plain(text, start)
		if end == len(text) || text[end] != '"' { // the name may be written with escapes
			if end = stringEnd(text, i); end < 0 {
				break
			}
			if d := (Decoder{data: text[i : end+1]}); string(d.text()) == name && d.err == nil {
				return i
			}
		}
		i = passMember(text, end+1)
	}
	return -1
}

// passMember returns the offset of the next member, or of anything else if there is none. The value of
// the member in front of that, or the colon before the value, is at text[i].
func passMember(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			if i = stringEnd(text, i); i < 0 {
				return len(text)
			}
		case '{', '[':
			i = passNested(text, i) - 1
		case ',':
			return blanks(text, i+1)
		case '}', ']':
			return i
		}
	}
	return i
}

// passNested returns the offset of what follows the array or object at text[i], or len(text). It looks
// at no brackets of the other kind: they are in pairs.
func passNested(text []byte, i int) int {
	opening, closing := text[i], text[i]+2
	depth, inString := 1, false
	end, open, escape := i, i, i // the next closing bracket, and an opening one and a backslash if they come first
	for i++; i < len(text); {
		if end < i {
			end = index(text, i, len(text), closing)
		}
		if open < i {
			open = index(text, i, end, opening)
		}
		if escape < i {
			escape = index(text, i, end, '\\')
		}
		next := min(end, open, escape)
		if bytes.Count(text[i:next], quotes)&1 != 0 {
			inString = !inString
		}
		if next == len(text) {
			break
		}
		i = next + 1
		switch c := text[next]; {
		case c == '\\':
			i++
		case inString:
		case c == opening:
			depth++
		default:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

var quotes = []byte{'"'}

// index returns the offset of the first c in text[from:to], or to.
func index(text []byte, from, to int, c byte) int {
	if n := bytes.IndexByte(text[from:to], c); n >= 0 {
		return from + n
	}
	return to
}
