package qmp

import "sync"

// A buffer is pooled memory for requests and for what the server sends. It has one owner at a
// time, who frees it once.
type buffer struct{ b []byte }

const (
	smallBuffer = 4 << 10  // the size of a new one
	largeBuffer = 64 << 10 // larger ones are not kept: thousands of idle clients may share the pool
)

// The pool holds plain memory only, no channels, so that clients inside and outside of a
// testing/synctest bubble can share it.
var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, smallBuffer)} }}

// newBuffer returns an empty buffer that has room for size bytes.
func newBuffer(size int) *buffer {
	b := buffers.Get().(*buffer)
	if cap(b.b) < size {
		b.free()
		return &buffer{b: make([]byte, 0, size)}
	}
	return b
}

// free gives the buffer back; b may be nil.
func (b *buffer) free() {
	if b == nil || cap(b.b) > largeBuffer {
		return
	}
	b.b = b.b[:0]
	buffers.Put(b)
}
