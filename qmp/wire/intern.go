package wire

import "sync/atomic"

// internMax is the length up to which strings are interned; enum values are shorter.
const internMax = 64

// interned holds the enum values seen last, each in the one slot that its hash leads to. Losing
// a value to another one costs an allocation and nothing else, so that there is no lock, and
// the table never grows.
var interned [1024]atomic.Pointer[string]

// intern returns text as a string, without an allocation when it is in the table.
func intern(text []byte) string {
	if len(text) == 0 || len(text) > internMax {
		return string(text)
	}
	slot := &interned[hash(text)%uint64(len(interned))]
	if s := slot.Load(); s != nil && *s == string(text) {
		return *s
	}
	s := string(text)
	slot.Store(&s)
	return s
}

// hash mixes the length, the beginning and the end of a text that is not empty.
func hash(text []byte) uint64 {
	n := len(text)
	var first, last uint64
	switch {
	case n >= 8:
		first, last = load64(text), load64(text[n-8:])
	case n >= 4:
		first, last = load32(text), load32(text[n-4:])
	default:
		first, last = uint64(text[0])<<8|uint64(text[n/2]), uint64(text[n-1])
	}
	h := (first ^ uint64(n)) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32 ^ last) * 0x9e3779b97f4a7c15
	return h >> 32
}
