package wire

import "unsafe"

// pieces are the pieces of memory that a Decoder puts small things into: strings, raw values, and the
// values of optional members. A large text has many of them, and to allocate each would take longer
// than to read it. A string that a program keeps also keeps its piece, of two kilobytes at most. A
// short text has only a few, which are allocated by themselves.
type pieces struct {
	few    int    // things that were allocated by themselves so far
	text   []byte // the piece for text
	used   int    // bytes of it, which never change again
	values *values
}

// values are the pieces for the types that optional members have most often.
type values struct {
	strings []string
	bools   []bool
	ints    []int64
	uints   []uint64
}

const (
	mostFew   = 4
	textSize  = 2 << 10 // of a piece for text
	mostText  = 128     // the length of a text that is not allocated by itself
	mostValue = 16      // values in a piece
)

// isFew reports whether the next thing is one of the few, and counts it.
func (p *pieces) isFew() bool {
	p.few++
	return p.few <= mostFew
}

// string makes a string of a part of a text. Rest is how long the text is from there on: about half of
// it will be strings.
func (p *pieces) string(part []byte, rest int) string {
	if len(part) == 0 || len(part) > mostText {
		return string(part)
	}
	if len(part) > len(p.text)-p.used {
		if p.isFew() {
			return string(part)
		}
		p.text, p.used = make([]byte, max(len(part), min(rest/2, textSize))), 0
	}
	to := p.text[p.used:]
	p.used += copy(to, part)
	return unsafe.String(&to[0], len(part))
}

// bytes copies a part of a text.
func (p *pieces) bytes(part []byte) []byte {
	to := p.text[p.used:]
	if len(part) > len(to) {
		to = make([]byte, len(part))
	} else {
		p.used += len(part)
	}
	return to[:copy(to, part):len(part)]
}

// forValues returns the pieces for values.
func (p *pieces) forValues() *values {
	if p.values == nil {
		p.values = new(values)
	}
	return p.values
}

// add puts a value into the piece, or into a new one if that is full.
func add[T any](piece *[]T, v T) *T {
	if len(*piece) == cap(*piece) {
		*piece = make([]T, 0, min(4+2*cap(*piece), mostValue))
	}
	*piece = append(*piece, v)
	return &(*piece)[len(*piece)-1]
}
