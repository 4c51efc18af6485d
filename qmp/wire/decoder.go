package wire

// Decoder reads one complete JSON value. Each method reads the next value. After the first failure
// every method returns the zero value at once, and every loop ends. A Decoder belongs to one
// goroutine. It does not change the text. The values that it returns are copies.
type Decoder struct {
	data    []byte // nil after a failure, so that every read finds the end
	pos     int    // the cursor
	depth   int    // open arrays and objects
	names   []int  // offsets of names in the objects that are open; see Object
	scratch []byte // for strings with escapes
	pieces  pieces // of memory for what is returned
	err     *Error
}

// NewDecoder returns a Decoder that reads value.
func NewDecoder(value []byte) *Decoder { return &Decoder{data: value} }

// Reset makes d a new Decoder that reads value.
func (d *Decoder) Reset(value []byte) {
	*d = Decoder{data: value, names: d.names[:0], scratch: d.scratch[:0]}
}

// Err returns the first failure, an *Error, or nil.
func (d *Decoder) Err() error {
	if d.err == nil {
		return nil
	}
	return d.err
}

// End fails if anything but white space follows the value. It returns the first failure, an
// [*Error], or nil.
func (d *Decoder) End() error {
	d.next()
	if d.pos < len(d.data) {
		d.Fail("something follows the value")
	}
	return d.Err()
}

// Fail records that the value at the cursor cannot be decoded, for the given reason.
func (d *Decoder) Fail(reason string) { d.failAt(d.pos, reason) }

// failAt fails at an offset inside the value at the cursor.
func (d *Decoder) failAt(offset int, reason string) {
	if d.err == nil {
		d.err = &Error{Path: pathAt(d.data[:d.pos]), Offset: offset, Reason: reason}
		d.data, d.pos = nil, 0
	}
}

// unexpected fails because the text at the cursor is not the wanted one.
func (d *Decoder) unexpected(wanted string) {
	d.Fail("expected " + wanted + ", found " + found(d.data[d.pos:]))
}

// next moves to the next byte that is not blank and returns it, 0 at the end.
func (d *Decoder) next() byte {
	if data, i := d.data, d.pos; i < len(data) && data[i] > ' ' {
		return data[i]
	}
	return d.nextAfterBlanks()
}

func (d *Decoder) nextAfterBlanks() byte {
	d.pos = blanks(d.data, d.pos)
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

// Kind returns the kind of the next value without reading it. It returns KindInvalid if no value
// begins there, and after a failure.
func (d *Decoder) Kind() Kind { return kindOf(d.next()) }

// Bool reads true or false.
func (d *Decoder) Bool() bool {
	if data, i := d.data, d.pos; i+5 <= len(data) {
		switch {
		case string(data[i:i+4]) == "true":
			d.pos += 4
			return true
		case string(data[i:i+5]) == "false":
			d.pos += 5
			return false
		}
	}
	switch d.next() {
	case 't':
		return d.word("true")
	case 'f':
		d.word("false")
	default:
		d.unexpected("a boolean")
	}
	return false
}

// Null reads null.
func (d *Decoder) Null() {
	d.next()
	d.word("null")
}

// word reads the given word at the cursor.
func (d *Decoder) word(word string) bool {
	end := d.pos + len(word)
	if end > len(d.data) || string(d.data[d.pos:end]) != word {
		d.unexpected(word)
		return false
	}
	d.pos = end
	return true
}

// Array begins an array and reports whether it has a first element:
//
//	v = make([]string, 0, d.Room())
//	for ok := d.Array(); ok; ok = d.More() {
//		v = append(v, d.String())
//	}
//
// The body must read exactly one value, and the loop must run to its end.
//
//go:noinline
func (d *Decoder) Array() bool { return d.open('[', ']', "an array") }

// More reports whether the array has another element. If not, it reads the end of the array.
//
//go:noinline
func (d *Decoder) More() bool { return d.more(']', "a comma or the end of the array") }

// open begins an array or object and reports whether it has a first element or member.
func (d *Decoder) open(first, last byte, wanted string) bool {
	data, i := d.data, d.pos
	if i+1 < len(data) && data[i] == first && data[i+1] > ' ' && data[i+1] != last && d.depth < MaxDepth {
		d.pos++
		d.depth++
		return true
	}
	if d.next() != first {
		d.unexpected(wanted)
		return false
	}
	if !d.enter() {
		return false
	}
	d.pos++
	if d.next() == last {
		d.pos++
		d.depth--
		return false
	}
	return true
}

// more reports whether a comma follows, which it reads, or else the end, which it reads, too.
func (d *Decoder) more(last byte, wanted string) bool {
	data, i := d.data, d.pos
	if i >= len(data) || data[i] <= ' ' {
		d.nextAfterBlanks()
		i = d.pos
	}
	switch {
	case i < len(data) && data[i] == ',':
		d.pos = i + 1
		if i+1 < len(data) && data[i+1] == ' ' {
			d.pos = i + 2
		}
		return true
	case i < len(data) && data[i] == last:
		d.pos = i + 1
		d.depth--
	default:
		d.unexpected(wanted)
	}
	return false
}

// enter counts one more level of nesting, unless there are too many.
func (d *Decoder) enter() bool {
	if d.depth >= MaxDepth {
		d.Fail("nested too deeply")
		return false
	}
	d.depth++
	return true
}
