package wire

import "math/bits"

// The functions here look at bytes for the decoder and the encoder. They are what most of the
// time is spent in, which is why they take the text and an offset instead of a Decoder: both
// stay in registers. QEMU prints one blank after each comma and colon, and short strings.

// blanks returns the offset of the first byte from i on that is not blank.
func blanks(text []byte, i int) int {
	if i < len(text) && text[i] == ' ' {
		i++
	}
	if i < len(text) && text[i] > ' ' {
		return i
	}
	return manyBlanks(text, i)
}

func manyBlanks(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// digits returns the offset of the first byte from i on that is not a decimal digit.
func digits(text []byte, i int) int {
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i
}

// plain returns the offset of the first byte from i on that does not stand for itself in a
// string: a quote, a backslash, a control character or one that is not ASCII.
func plain[T []byte | string](text T, i int) int {
	for ; i+8 <= len(text); i += 8 {
		if special := specialBytes(load64(text[i : i+8])); special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(text) && isPlain(text[i]) {
		i++
	}
	return i
}

// isPlain reports whether c stands for itself in a string.
func isPlain(c byte) bool { return ' ' <= c && c < 0x80 && c != '"' && c != '\\' }

// specialBytes sets the highest bit of the bytes of w that do not stand for themselves in a
// string. Only the lowest bit set is exact: a borrow may mark bytes above it.
func specialBytes(w uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	quote := w ^ ones*('"'^' ') // a quote becomes a blank, a control character another one
	backslash := w ^ ones*'\\'
	return ((quote-ones*(' '+1))&^quote | (backslash-ones)&^backslash | w) & highs
}

// load64 returns the first eight bytes, the first one lowest; the compiler makes one load of it.
func load64[T []byte | string](b T) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// store64 stores a value for load64.
func store64(b []byte, w uint64) {
	_ = b[7]
	b[0], b[1], b[2], b[3] = byte(w), byte(w>>8), byte(w>>16), byte(w>>24)
	b[4], b[5], b[6], b[7] = byte(w>>32), byte(w>>40), byte(w>>48), byte(w>>56)
}

// load32 is load64 for four bytes.
func load32(b []byte) uint64 {
	_ = b[3]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
}
