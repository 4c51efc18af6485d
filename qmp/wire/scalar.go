package wire

import (
	"math"
	"strconv"
)

// String writes a string. Invalid UTF-8 is a failure.
func (e *Encoder) String(s string) {
	if e.err != nil {
		return
	}
	b, ok := appendQuoted(e.buf, s)
	if !ok {
		e.Fail("string is not valid UTF-8")
		return
	}
	e.buf = b
}

// Secret writes a string that is a secret: after Redact it writes "***" instead.
//
//go:noinline
func (e *Encoder) Secret(s string) {
	if e.redact {
		s = "***"
	}
	e.String(s)
}

// Bool writes true or false.
//
//go:noinline
func (e *Encoder) Bool(v bool) {
	if e.err == nil {
		e.buf = strconv.AppendBool(e.buf, v)
	}
}

// Int writes a signed integer.
//
//go:noinline
func (e *Encoder) Int(v int64) {
	if e.err == nil {
		e.buf = strconv.AppendInt(e.buf, v, 10)
	}
}

// Uint writes an unsigned integer.
//
//go:noinline
func (e *Encoder) Uint(v uint64) {
	if e.err == nil {
		e.buf = strconv.AppendUint(e.buf, v, 10)
	}
}

// Null writes null.
//
//go:noinline
func (e *Encoder) Null() {
	if e.err == nil {
		e.buf = append(e.buf, "null"...)
	}
}

// Float writes a number in the shortest form from which QEMU reads the same float64. It fails for
// NaN and infinities, because JSON does not have them.
func (e *Encoder) Float(v float64) {
	switch {
	case e.err != nil:
	case math.IsNaN(v) || math.IsInf(v, 0):
		e.Fail("NaN and infinite numbers cannot be sent")
	case v == 0 && math.Signbit(v):
		e.buf = append(e.buf, "-0.0"...) // QEMU reads "-0" as the integer 0
	default:
		e.buf = appendFloat(e.buf, v)
	}
}

// appendFloat appends v in the shortest digits that give it back, with an exponent where
// ECMAScript has one.
func appendFloat(b []byte, v float64) []byte {
	if abs := math.Abs(v); abs == 0 || 1e-6 <= abs && abs < 1e21 {
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, v, 'e', -1, 64)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// Raw writes a complete JSON value without the white space between its tokens; nil writes null.
// It fails if value is not one valid JSON value.
func (e *Encoder) Raw(value []byte) {
	if e.err != nil {
		return
	}
	if len(value) == 0 {
		e.Null()
		return
	}
	d := Decoder{data: value, depth: e.depth}
	d.Skip()
	if err := d.End(); err != nil {
		e.Fail("raw value is not valid JSON: " + err.Error())
		return
	}
	e.buf = appendCompact(e.buf, value)
}

// appendCompact appends valid JSON without the blanks outside its strings.
func appendCompact(b, value []byte) []byte {
	for i := 0; i < len(value); {
		switch value[i] {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			end := stringEnd(value, i) + 1
			b = append(b, value[i:end]...)
			i = end
		default:
			b = append(b, value[i])
			i++
		}
	}
	return b
}
