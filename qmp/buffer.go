package qmp

import "sync"

// A buffer is pooled memory for requests and received messages. It has one owner at a time, which
// frees it once.
type buffer struct{ b []byte }

const (
	smallBuffer = 4 << 10  // the size of a new one
	largeBuffer = 64 << 10 // from this size on there is another pool
	hugeBuffer  = 1 << 20  // larger ones are not kept
)

// The pools hold plain memory only, no channels, so that clients inside and outside of a
// testing/synctest bubble can share them. Large buffers have another pool, so that thousands of
// small ones do not take their place.
var buffers, largeBuffers sync.Pool

// newBuffer returns an empty buffer that has room for size bytes.
func newBuffer(size int) *buffer {
	pool, least := &buffers, smallBuffer
	if size > largeBuffer {
		pool, least = &largeBuffers, 4*largeBuffer
	}
	if b, ok := pool.Get().(*buffer); ok {
		if cap(b.b) >= size {
			return b
		}
		b.free()
	}
	return &buffer{b: make([]byte, 0, max(size, least))}
}

// free gives the buffer back; b may be nil.
func (b *buffer) free() {
	if b == nil || cap(b.b) > hugeBuffer {
		return
	}
	b.b = b.b[:0]
	if cap(b.b) > largeBuffer {
		largeBuffers.Put(b)
	} else {
		buffers.Put(b)
	}
}
