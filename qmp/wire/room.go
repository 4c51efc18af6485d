package wire

import "bytes"

// roomSize is how much of an array's text Room looks at.
const roomSize = 1 << 10

// Room returns how many elements to make room for before the array that comes next is read: an
// estimate from the beginning of the array's text, and 0 for an empty one. Most arrays are short,
// and a slice that grows from nothing is allocated four times before it holds eight.
func (d *Decoder) Room() int {
	d.next()
	text := d.data[d.pos:min(d.pos+roomSize, len(d.data))]
	if len(text) < 2 || text[0] != '[' || text[1] == ']' {
		return 0
	}
	if end := bytes.IndexByte(text, ']'); end > 0 {
		text = text[:end] // of an array in it, maybe: then there are more
	}
	if text[1] == '{' {
		return 1 + bytes.Count(text, betweenObjects)
	}
	return 1 + bytes.Count(text, betweenValues)
}

// What is between two elements, as QEMU writes it.
var (
	betweenObjects = []byte("}, {")
	betweenValues  = []byte(", ")
)
