package wire

import "bytes"

// innermost returns the offset at which the members of the object begin that text, partial
// output of an Encoder, is in the middle of; 0 when it is in none.
func innermost(text []byte) int {
	var open []int
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := stringEnd(text, i)
			if end < 0 {
				end = len(text)
			}
			i = end
		case '{', '[':
			open = append(open, i+1)
		case '}', ']':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	if len(open) == 0 {
		return 0
	}
	return open[len(open)-1]
}

// hasMember reports whether the object whose members begin at text[0] has, before the end of
// text, the member with the given quoted name. One escape is used for one character, so that
// equal names have equal bytes.
func hasMember(text, quoted []byte) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(text, i)
			if end < 0 {
				return false
			}
			isName := depth == 0 && end+1 < len(text) && text[end+1] == ':'
			if isName && bytes.Equal(text[i:end+1], quoted) {
				return true
			}
			i = end
		}
	}
	return false
}
