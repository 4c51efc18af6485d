package wire

import (
	"math"
	"strconv"
)

// Int8 reads an integer that an int8 holds.
//
//go:noinline
func (d *Decoder) Int8() int8 { return int8(d.signed(math.MaxInt8, "int8")) }

// Int16 reads an integer that an int16 holds.
//
//go:noinline
func (d *Decoder) Int16() int16 { return int16(d.signed(math.MaxInt16, "int16")) }

// Int32 reads an integer that an int32 holds.
//
//go:noinline
func (d *Decoder) Int32() int32 { return int32(d.signed(math.MaxInt32, "int32")) }

// Int64 reads an integer that an int64 holds.
//
//go:noinline
func (d *Decoder) Int64() int64 { return d.signed(math.MaxInt64, "int64") }

// Uint8 reads an integer that a uint8 holds.
//
//go:noinline
func (d *Decoder) Uint8() uint8 { return uint8(d.unsigned(math.MaxUint8, "uint8")) }

// Uint16 reads an integer that a uint16 holds.
//
//go:noinline
func (d *Decoder) Uint16() uint16 { return uint16(d.unsigned(math.MaxUint16, "uint16")) }

// Uint32 reads an integer that a uint32 holds.
//
//go:noinline
func (d *Decoder) Uint32() uint32 { return uint32(d.unsigned(math.MaxUint32, "uint32")) }

// Uint64 reads an integer that a uint64 holds.
//
//go:noinline
func (d *Decoder) Uint64() uint64 { return d.unsigned(math.MaxUint64, "uint64") }

// small looks at a number that is not negative and has few digits. It returns the number and the offset
// of its end, or 0 for anything else.
func (d *Decoder) small() (n uint64, end int) {
	data, first := d.data, d.pos
	for end = first; end < len(data) && data[end]-'0' <= 9; end++ {
		n = n*10 + uint64(data[end]-'0')
	}
	if end == first || end-first > fewDigits || data[first] == '0' && end > first+1 || end == len(data) ||
		data[end] != ',' && data[end] != '}' && data[end] != ']' {
		return 0, 0
	}
	return n, end
}

// fewDigits is how many digits always fit an int64.
const fewDigits = 18

// signed reads an integer between -limit-1 and limit.
func (d *Decoder) signed(limit uint64, typ string) int64 {
	start := d.pos
	if n, end := d.small(); end > 0 && n <= limit {
		d.pos = end
		return int64(n)
	}
	magnitude, negative, ok := d.integer()
	switch {
	case negative && magnitude > limit+1, !negative && magnitude > limit, !ok:
		d.outOfRange(start, typ)
		return 0
	case negative:
		return -int64(magnitude)
	default:
		return int64(magnitude)
	}
}

// unsigned reads an integer between 0 and limit.
func (d *Decoder) unsigned(limit uint64, typ string) uint64 {
	start := d.pos
	if n, end := d.small(); end > 0 && n <= limit {
		d.pos = end
		return n
	}
	magnitude, negative, ok := d.integer()
	if magnitude > limit || negative && magnitude != 0 || !ok {
		d.outOfRange(start, typ)
		return 0
	}
	return magnitude
}

func (d *Decoder) outOfRange(start int, typ string) {
	if d.err != nil {
		return
	}
	d.pos = start
	d.next()
	d.Fail("integer does not fit " + typ)
}

// integer reads a number without fraction and exponent. It is exact; ok is false when a uint64
// does not hold the magnitude, or after a failure.
func (d *Decoder) integer() (magnitude uint64, negative, ok bool) {
	negative = d.next() == '-'
	data, first := d.data, d.pos
	if negative {
		first++
	}
	end := first
	for end < len(data) && data[end]-'0' <= 9 {
		magnitude = magnitude*10 + uint64(data[end]-'0')
		end++
	}
	switch {
	case end == first:
		d.unexpected("an integer")
		return 0, false, false
	case data[first] == '0' && end > first+1:
		d.Fail("number with a leading zero")
		return 0, false, false
	case end < len(data) && (data[end] == '.' || data[end]|0x20 == 'e'):
		d.Fail("expected an integer, found a number with a fraction or an exponent")
		return 0, false, false
	}
	d.pos = end
	return magnitude, negative, fits(data[first:end])
}

// fits reports whether a uint64 holds the decimal number.
func fits(digits []byte) bool {
	const most = "18446744073709551615"
	return len(digits) < len(most) || len(digits) == len(most) && string(digits) <= most
}

// Float64 reads a number. It rounds digits beyond the precision of a float64, and fails if the
// number is too large.
func (d *Decoder) Float64() float64 {
	d.next()
	start := d.pos
	if !d.number() {
		return 0
	}
	v, err := strconv.ParseFloat(string(d.data[start:d.pos]), 64)
	if err != nil {
		d.pos = start
		d.Fail("number does not fit float64")
		return 0
	}
	return v
}

// number reads a number without looking at its value.
func (d *Decoder) number() bool {
	c := d.next()
	start := d.pos
	i := start
	if c == '-' {
		i++
	}
	first := i
	i = digits(d.data, i)
	switch {
	case i == first:
		d.unexpected("a number")
		return false
	case d.data[first] == '0' && i > first+1:
		d.Fail("number with a leading zero")
		return false
	}
	if i < len(d.data) && d.data[i] == '.' {
		first = i + 1
		if i = digits(d.data, first); i == first {
			d.failAt(i, "no digit after the decimal point")
			return false
		}
	}
	if i < len(d.data) && d.data[i]|0x20 == 'e' {
		first = i + 1
		if first < len(d.data) && (d.data[first] == '+' || d.data[first] == '-') {
			first++
		}
		if i = digits(d.data, first); i == first {
			d.failAt(i, "no digit in the exponent")
			return false
		}
	}
	d.pos = i
	return true
}
