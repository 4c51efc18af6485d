package libvirt

import (
	"encoding/binary"
	"math"
)

// A Message is the body of a packet.
type Message interface {
	// XDR passes the fields to x, in the order of the wire.
	XDR(x *Coder)
}

// A Coder encodes values, or decodes them: each method does what the Coder is for. After the first error it does
// nothing.
type Coder struct {
	b       []byte // encoded so far, or left to decode
	decodes bool
	err     error
}

func (x *Coder) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// take returns the next n bytes to decode, or nil.
func (x *Coder) take(n int) []byte {
	if x.err != nil {
		return nil
	}
	if n > len(x.b) {
		x.fail(errCut)
		return nil
	}
	b := x.b[:n]
	x.b = x.b[n:]
	return b
}

// Uint32 is a word.
func (x *Coder) Uint32(v *uint32) {
	if !x.decodes {
		x.b = binary.BigEndian.AppendUint32(x.b, *v)
	} else if b := x.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

// Int32 is a word with a sign.
func (x *Coder) Int32(v *int32) {
	u := uint32(*v)
	x.Uint32(&u)
	*v = int32(u)
}

// Uint64 is two words.
func (x *Coder) Uint64(v *uint64) {
	if !x.decodes {
		x.b = binary.BigEndian.AppendUint64(x.b, *v)
	} else if b := x.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

// Int64 is two words with a sign.
func (x *Coder) Int64(v *int64) {
	u := uint64(*v)
	x.Uint64(&u)
	*v = int64(u)
}

// Float64 is two words.
func (x *Coder) Float64(v *float64) {
	u := math.Float64bits(*v)
	x.Uint64(&u)
	*v = math.Float64frombits(u)
}

// Fixed is bytes whose number both sides know, a multiple of 4.
func (x *Coder) Fixed(v []byte) {
	if !x.decodes {
		x.b = append(x.b, v...)
		return
	}
	copy(v, x.take(len(v)))
}

// String is a text with its length, padded to whole words.
func (x *Coder) String(v *string) {
	n := uint32(len(*v))
	if len(*v) > MaxString {
		x.fail(errString)
		return
	}
	x.Uint32(&n)
	pad := int(-n & 3)
	if !x.decodes {
		x.b = append(x.b, *v...)
		x.b = append(x.b, "\x00\x00\x00"[:pad]...)
		return
	}
	if n > MaxString {
		x.fail(errString)
		return
	}
	*v = string(x.take(int(n)))
	for _, b := range x.take(pad) {
		if b != 0 {
			x.fail(errPadding)
		}
	}
}

// optional is the word before a value that may be absent. It returns true if the value follows.
func (x *Coder) optional(present bool) bool {
	var word uint32
	if present {
		word = 1
	}
	x.Uint32(&word)
	if word > 1 {
		x.fail(errOptional)
	}
	return word == 1 && x.err == nil
}

// OptString is a text, or nil.
func (x *Coder) OptString(v **string) {
	if !x.optional(*v != nil) {
		*v = nil
		return
	}
	if *v == nil {
		*v = new(string)
	}
	x.String(*v)
}

// Optional is a value, or nil.
func Optional[T any, P interface {
	*T
	Message
}](x *Coder, v **T) {
	if !x.optional(*v != nil) {
		*v = nil
		return
	}
	if *v == nil {
		*v = new(T)
	}
	P(*v).XDR(x)
}

// Array is values with their number. An element has a word at least, so a number that the packet has no room for
// allocates nothing.
func Array[T any, P interface {
	*T
	Message
}](x *Coder, v *[]T, most int) {
	n := uint32(len(*v))
	if len(*v) > most {
		x.fail(errCount)
		return
	}
	x.Uint32(&n)
	if x.decodes {
		switch {
		case x.err != nil:
			return
		case int64(n) > int64(most):
			x.fail(errCount)
			return
		case int64(n) > int64(len(x.b)/4):
			x.fail(errCut)
			return
		}
		*v = nil
	}
	for i := range int(n) {
		if x.decodes {
			*v = append(*v, *new(T))
		}
		if P(&(*v)[i]).XDR(x); x.err != nil {
			return
		}
	}
}
