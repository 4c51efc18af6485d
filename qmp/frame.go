package qmp

import "math/bits"

// A framer finds the end of a message, in whatever pieces it arrives, and its top-level members.
// It is strict about the message itself, an object with named members. Inside the values of
// members it only matches brackets and quotes: an error there (QEMU can print a bare inf or nan)
// fails one call, when its value is decoded. An error outside of values ends the connection,
// because the next message cannot be found.
//
// The zero framer is ready for a message.
type framer struct {
	pos   int // how much of the message has been looked at
	state frameState
	name  span // of the member being read
	value int  // where the value of the member begins

	depth   int    // of open brackets, the message's own being the first
	arrays  uint64 // one bit for each open bracket, the innermost lowest: 1 for [, 0 for {
	quoted  bool   // pos is inside a string
	escaped bool   // the byte at pos is escaped

	envelope envelope
}

type frameState uint8

const (
	frameStart     frameState = iota // the message's {
	frameFirstName                   // a member's name, or the message's }
	frameNextName                    // a member's name
	frameInName
	frameColon
	frameValue
)

// kindDepth is the depth down to which brackets are matched by kind; further down they are
// only counted, and the decoder of the value, which has a limit of depth, refuses it.
const kindDepth = 64

// scan looks at the message that b begins with, from where the call before it stopped; the
// bytes that were there then must be there again. It returns true when the message is
// complete: it is b[:f.pos] then. The error's text says what is wrong at f.pos.
func (f *framer) scan(b []byte) (done bool, err error) {
	for f.pos < len(b) {
		c := b[f.pos]
		switch f.state {
		case frameStart:
			if c != '{' {
				return false, errNotObject
			}
			f.depth = 1
			f.pos++
			f.state = frameFirstName

		case frameFirstName, frameNextName:
			switch {
			case isSpace(c):
			case c == '"':
				f.state, f.quoted = frameInName, true
				f.name.start = f.pos + 1
			case c == '}' && f.state == frameFirstName:
				f.pos++
				return true, nil
			default:
				return false, errNoName
			}
			f.pos++

		case frameInName:
			f.pos = f.skipString(b, f.pos)
			if !f.quoted {
				f.name.end = f.pos - 1
				f.state = frameColon
			}

		case frameColon:
			if c == ':' {
				f.state = frameValue
				f.value = f.pos + 1
			} else if !isSpace(c) {
				return false, errNoColon
			}
			f.pos++

		case frameValue:
			if err := f.skipValue(b); err != nil {
				return false, err
			}
			if f.pos == len(b) {
				return false, nil
			}
			if !f.envelope.set(b[f.name.start:f.name.end], trim(b, f.value, f.pos)) {
				f.pos = f.name.start - 1
				return false, errRepeated
			}
			f.state = frameNextName
			f.pos++
			if b[f.pos-1] == '}' {
				return true, nil
			}
		}
	}
	return false, nil
}

// skipValue moves pos to the comma or brace that ends the value of a top-level member, or to
// the end of b.
func (f *framer) skipValue(b []byte) error {
	i := f.pos
	if f.quoted {
		i = f.skipString(b, i)
	}
	for i < len(b) {
		c := b[i]
		if !structural[c] {
			i++
			continue
		}
		switch c {
		case '"':
			f.quoted = true
			i = f.skipString(b, i+1)
			continue
		case '{', '[':
			f.open(c)
		case '}', ']':
			if f.depth == 1 && c == '}' {
				f.pos = i
				return nil
			}
			if !f.close(c) {
				f.pos = i
				return errBrackets
			}
		case ',':
			if f.depth == 1 {
				f.pos = i
				return nil
			}
		}
		i++
	}
	f.pos = i
	return nil
}

// skipString returns the place behind the quote that ends the string which i is inside of,
// and then clears f.quoted, or the end of b.
func (f *framer) skipString(b []byte, i int) int {
	if f.escaped && i < len(b) {
		f.escaped = false
		i++
	}
	for i < len(b) {
		switch b[i] {
		case '"':
			f.quoted = false
			return i + 1
		case '\\':
			if i+1 == len(b) {
				f.escaped = true
				return i + 1
			}
			i += 2
		default:
			i++
			i += plainPrefix(b[i:])
		}
	}
	return i
}

// plainPrefix returns the length of a beginning of b, counted by eights, that holds neither a
// quote nor a backslash, or of all up to the first of these when there is one soon.
func plainPrefix(b []byte) (n int) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quotes, backslashes := x^ones*'"', x^ones*'\\'
		// The lowest high bit that is left marks the first byte that became zero.
		found := ((quotes-ones)&^quotes | (backslashes-ones)&^backslashes) & highs
		if found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
		n += 8
	}
	return n
}

// open notes an opening bracket.
func (f *framer) open(c byte) {
	if f.depth < kindDepth {
		f.arrays <<= 1
		if c == '[' {
			f.arrays |= 1
		}
	}
	f.depth++
}

// close notes a closing bracket. It returns false when c does not close the innermost one.
func (f *framer) close(c byte) bool {
	if f.depth == 1 {
		return false
	}
	f.depth--
	if f.depth < kindDepth {
		if (f.arrays&1 == 1) != (c == ']') {
			return false
		}
		f.arrays >>= 1
	}
	return true
}

// structural holds the bytes that mean something to skipValue.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true, ',': true}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// trim returns the span from start to end without the space at both ends.
func trim(b []byte, start, end int) span {
	for start < end && isSpace(b[start]) {
		start++
	}
	for start < end && isSpace(b[end-1]) {
		end--
	}
	return span{start, end}
}
