package wire

import "bytes"

const (
	roomSize  = 1 << 10  // how much of an array's text Room looks at
	outerSize = 4 << 10  // how much at most if the array is all of the text
	mostOuter = 88 << 10 // how long such an array is taken to be at most
	leastSize = 3        // how long the text of an element is at least, with what follows it
)

// Room returns the capacity of a slice for the array that comes next: an estimate from the
// beginning of its text, and 0 if it is empty. Without it, a slice is allocated four times before
// it holds eight elements.
func (d *Decoder) Room() int {
	if d.next() != '[' {
		return 0
	}
	text := d.data[blanks(d.data, d.pos+1):]
	if len(text) == 0 || text[0] == ']' {
		return 0
	}
	if d.depth > 0 {
		n, _ := elements(text[:min(len(text), roomSize)])
		return n
	}
	size := min(len(text), max(roomSize, min(len(text)/4, outerSize)))
	n, whole := elements(text[:size])
	if !whole {
		n = n * min(len(text), mostOuter) / size
		n += n / 8 // one too few costs more than some too many
	}
	return n
}

// elements estimates how many elements of an array begin in a text that begins with the first one, and
// reports whether the array ends there. Brackets in strings and arrays in arrays mislead it.
func elements(text []byte) (n int, whole bool) {
	most := 1 + len(text)/leastSize
	if text[0] != '{' {
		end := bytes.IndexByte(text, ']')
		if whole = end >= 0; whole {
			text = text[:end]
		}
		return min(1+bytes.Count(text, comma), most), whole
	}
	for n = 1; ; {
		end := bytes.IndexByte(text, '}')
		if end < 0 || end+3 >= len(text) {
			return min(n, most), false
		}
		switch text = text[end+1:]; {
		case text[0] == ']':
			return min(n, most), true
		case text[0] == ',' && (text[1] == '{' || text[2] == '{'):
			n++
		}
	}
}

var comma = []byte{','}
