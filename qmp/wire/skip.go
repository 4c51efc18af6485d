package wire

// Raw reads any value and returns a copy of its text. It checks that the text is valid JSON.
func (d *Decoder) Raw() []byte {
	d.next()
	text, start := d.data, d.pos
	d.Skip()
	if d.err != nil {
		return nil
	}
	return d.pieces.bytes(text[start:d.pos])
}

// Skip reads any value and drops it. It validates the value like the other methods.
func (d *Decoder) Skip() {
	if end := d.skip(blanks(d.data, d.pos)); end >= 0 {
		d.pos = end
	}
}

// skip returns the offset after the value at offset i, or -1 after a failure. Like all the
// methods here it moves the cursor only to fail there.
func (d *Decoder) skip(i int) int {
	data := d.data
	if i < len(data) {
		switch c := data[i]; {
		case c == '"':
			return d.skipString(i, "a string")
		case c-'0' <= 9 || c == '-':
			return d.skipNumber(i)
		case c == '{':
			return d.skipObject(i)
		case c == '[':
			return d.skipArray(i)
		case c == 't':
			return d.skipWord(i, "true")
		case c == 'f':
			return d.skipWord(i, "false")
		case c == 'n':
			return d.skipWord(i, "null")
		}
	}
	return d.skipFailure(i, "a value")
}

func (d *Decoder) skipFailure(i int, wanted string) int {
	d.pos = i
	d.unexpected(wanted)
	return -1
}

func (d *Decoder) skipString(i int, wanted string) int {
	data := d.data
	if i >= len(data) || data[i] != '"' {
		return d.skipFailure(i, wanted)
	}
	if end := plain(data, i+1); end < len(data) && data[end] == '"' {
		return end + 1
	}
	d.pos = i
	d.quoted()
	return d.skipped()
}

// skipped is the offset after the value that was read with the cursor.
func (d *Decoder) skipped() int {
	if d.err != nil {
		return -1
	}
	return d.pos
}

func (d *Decoder) skipNumber(i int) int {
	data := d.data
	if end := digits(data, i); end < len(data) && data[i] != '0' && end > i &&
		(data[end] == ',' || data[end] == '}' || data[end] == ']') {
		return end
	}
	d.pos = i
	d.number()
	return d.skipped()
}

func (d *Decoder) skipWord(i int, word string) int {
	data := d.data
	if end := i + len(word); end <= len(data) && string(data[i:end]) == word {
		return end
	}
	return d.skipFailure(i, word)
}

func (d *Decoder) skipObject(i int) int {
	data := d.data
	i = d.skipOpen(i)
	if i < 0 || i < len(data) && data[i] == '}' {
		return d.skipClose(i)
	}
	for {
		i = d.skipString(i, "a member's name")
		if i < 0 {
			return -1
		}
		i = blanks(data, i)
		if i >= len(data) || data[i] != ':' {
			return d.skipFailure(i, "a colon")
		}
		i = d.skip(blanks(data, i+1))
		if i < 0 {
			return -1
		}
		i = blanks(data, i)
		switch {
		case i < len(data) && data[i] == ',':
			i = blanks(data, i+1)
		case i < len(data) && data[i] == '}':
			return d.skipClose(i)
		default:
			return d.skipFailure(i, "a comma or the end of the object")
		}
	}
}

func (d *Decoder) skipArray(i int) int {
	data := d.data
	i = d.skipOpen(i)
	if i < 0 || i < len(data) && data[i] == ']' {
		return d.skipClose(i)
	}
	for {
		i = d.skip(i)
		if i < 0 {
			return -1
		}
		i = blanks(data, i)
		switch {
		case i < len(data) && data[i] == ',':
			i = blanks(data, i+1)
		case i < len(data) && data[i] == ']':
			return d.skipClose(i)
		default:
			return d.skipFailure(i, "a comma or the end of the array")
		}
	}
}

// skipOpen returns the offset after an opening brace or bracket and the blanks behind it.
func (d *Decoder) skipOpen(i int) int {
	d.pos = i
	if !d.enter() {
		return -1
	}
	return blanks(d.data, i+1)
}

// skipClose returns the offset after a closing brace or bracket; i may be -1.
func (d *Decoder) skipClose(i int) int {
	if i < 0 {
		return -1
	}
	d.depth--
	return i + 1
}
