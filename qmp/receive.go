package qmp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
)

// A receiver cuts the server's output into messages. One receiver reads a connection from its
// first byte to its last, so that no byte is lost between the greeting and the replies. It is
// used by one goroutine at a time.
type receiver struct {
	from io.Reader
	max  int // bytes that a message may have

	// raw is set for sockets. Reading waits until there is something to read, and needs no
	// memory before that.
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // a closure for each read would be allocated
	now     bool                  // it does not wait
	n       int
	err     error

	// The byte that readFirst has read.
	attemptFirst func(fd uintptr) bool
	first        [1]byte
	hasFirst     bool

	// A guest agent's channel may contain other text, and parts of messages. A delimiter then
	// comes before the text to read.
	delimited bool
	skipping  bool // what is read is dropped, up to a delimiter

	hasGreeted bool   // the server has said that it is one
	arrived    []byte // the first bytes that came before that

	in       *buffer       // nil while there is nothing in it
	start    int           // in.b[start:] has not been given out yet
	total    int64         // what the server has sent; in.b is the end of that
	received atomic.Uint64 // the same, for everybody
	framer   framer
}

func (r *receiver) init(from io.Reader, raw syscall.RawConn, max int) {
	r.from, r.raw, r.max = from, raw, max
	r.attempt, r.attemptFirst = r.readOnce, r.readFirst
}

// buffered returns the next message in the buffer. Its text is valid until the next call of
// buffered, fill or keep. ok is false if there is no complete message: call fill. The error is a
// *ProtocolError if the text is not a message.
func (r *receiver) buffered() (m message, ok bool, err error) {
	if r.in == nil {
		return message{}, false, nil
	}
	if m, ok := r.early(); ok {
		return m, true, nil
	}
	rest, done, err := r.scan()
	for err != nil && r.delimited {
		r.skipping = true
		rest, done, err = r.scan()
	}
	if err != nil {
		return message{}, false, r.fail(err, nil)
	}
	if !done {
		return message{}, false, nil
	}
	return r.take(rest), true, nil
}

// take returns the message that rest begins with, and which the framer has read.
func (r *receiver) take(rest []byte) (m message) {
	m = message{text: rest[:r.framer.pos:r.framer.pos], envelope: r.framer.envelope}
	r.start += r.framer.pos
	r.framer = framer{}
	return m
}

// early returns the next message before a delimiter: it may be the late reply to an abandoned command.
// Otherwise early drops the text before the last delimiter that was read.
func (r *receiver) early() (m message, ok bool) {
	for r.delimited {
		r.skipSpace()
		rest := r.in.b[r.start:]
		i := bytes.IndexByte(rest[r.framer.pos:], delimiter)
		if i < 0 {
			return message{}, false
		}
		i += r.framer.pos
		if !r.skipping {
			if done, err := r.framer.scan(rest[:i]); done && err == nil {
				m = r.take(rest)
				m.early = true
				return m, true
			}
		}
		r.start += i + 1
		r.framer = framer{}
		r.skipping = false
	}
	return message{}, false
}

// keep returns the buffer that m, the last message from buffered, is in, for its new owner to
// free. The text after m stays with the receiver. keep copies the shorter of the two.
func (r *receiver) keep(m *message) *buffer {
	rest := r.in.b[r.start:]
	if len(rest) < len(m.text) {
		own := r.in
		r.start = 0
		r.in = nil
		if len(rest) > 0 {
			r.in = newBuffer(len(rest))
			r.in.b = append(r.in.b, rest...)
		}
		return own
	}
	own := newBuffer(len(m.text))
	own.b = append(own.b, m.text...)
	m.text = own.b
	return own
}

// scan looks at the next message in rest, which is there if done.
func (r *receiver) scan() (rest []byte, done bool, err error) {
	if r.skipping {
		r.start = len(r.in.b)
		r.framer = framer{}
		return nil, false, nil
	}
	r.skipSpace()
	rest = r.in.b[r.start:]
	done, err = r.framer.scan(rest)
	if err == nil && r.framer.pos > r.max {
		err = errTooLong
	}
	return rest, done, err
}

// rest frees the memory if nothing is in it that is still of use.
func (r *receiver) rest() {
	if r.in != nil && r.start == len(r.in.b) {
		r.close()
	}
}

// close frees the memory.
func (r *receiver) close() {
	r.in.free()
	r.in, r.start = nil, 0
}

// skipSpace skips the white space between messages.
func (r *receiver) skipSpace() {
	if r.framer.state != frameStart {
		return
	}
	for r.start < len(r.in.b) && isSpace(r.in.b[r.start]) {
		r.start++
	}
}

// fill reads some more. It returns io.EOF where the server has ended the connection between two
// messages, and a *ProtocolError where it has done so in one.
func (r *receiver) fill() error {
	n, err := r.read()
	r.total += int64(n)
	r.received.Add(uint64(n))
	if n > 0 && !r.hasGreeted {
		r.arrive(r.in.b[len(r.in.b)-n:])
	}
	if n > 0 || err == nil {
		return nil // an error comes again
	}
	if errors.Is(err, io.EOF) && r.framer.pos > 0 {
		return r.fail(errCut, io.ErrUnexpectedEOF)
	}
	return err
}

// fillNow is fill, which fails with errBlocked when there is nothing to read on a socket.
func (r *receiver) fillNow() error {
	r.now = r.raw != nil
	err := r.fill()
	r.now = false
	return err
}

// readFirst is r.attemptFirst, with which a socket is waited for: it needs no memory, and little of
// the stack. It reads a byte: whether there is one cannot be known otherwise. The end, and an error,
// come again.
func (r *receiver) readFirst(fd uintptr) bool {
	n, err := readSocket(fd, r.first[:])
	r.hasFirst = n == 1
	return err != syscall.EAGAIN
}

// read reads once.
func (r *receiver) read() (n int, err error) {
	if r.hasFirst {
		return r.readBehindFirst()
	}
	if r.raw == nil {
		r.makeRoom()
		b := r.in.b
		n, err = r.from.Read(b[len(b):cap(b)])
		r.in.b = b[:len(b)+n]
		return n, err
	}
	r.n, r.err = 0, nil
	if err = r.raw.Read(r.attempt); err == nil {
		err = r.err
	}
	return r.n, err
}

// readBehindFirst reads once, if there is something to read, and returns the first byte with it. A byte
// alone does not identify a server of another protocol.
func (r *receiver) readBehindFirst() (n int, err error) {
	r.makeRoom()
	r.in.b = append(r.in.b, r.first[0])
	r.hasFirst = false
	now := r.now
	r.now = true
	n, _ = r.read() // an error comes again
	r.now = now
	return 1 + n, nil
}

// readOnce is r.attempt. It returns false to be called again when there is something to read; no
// memory is held until then.
func (r *receiver) readOnce(fd uintptr) bool {
	r.makeRoom()
	b := r.in.b
	n, err := readSocket(fd, b[len(b):cap(b)])
	switch {
	case err == syscall.EAGAIN && r.now:
		r.rest()
		r.err = errBlocked
	case err == syscall.EAGAIN:
		r.rest()
		return false
	case err != nil:
		r.err = os.NewSyscallError("read", err)
	case n == 0:
		r.err = io.EOF
	default:
		r.in.b = b[:len(b)+n]
		r.n = n
	}
	return true
}

// makeRoom makes room to read into. It moves the unread text to the front of the buffer or to a
// larger one. A buffer that grew for a long message is not kept for short ones.
func (r *receiver) makeRoom() {
	const enough = 512
	if r.in == nil {
		r.in = newBuffer(0)
		return
	}
	b := r.in.b
	rest := b[r.start:]
	if len(rest) > 0 && cap(b)-len(b) >= enough {
		return
	}
	to := r.in
	switch {
	case len(rest) > cap(b)/2:
		to = newBuffer(2 * cap(b))
	case len(rest) == 0 && cap(b) > largeBuffer:
		to = newBuffer(0)
	}
	to.b = append(to.b[:0], rest...)
	if to != r.in {
		r.in.free()
		r.in = to
	}
	r.start = 0
}

// fail makes a *ProtocolError for what the framer found at its place.
func (r *receiver) fail(what, cause error) error {
	at := r.start + r.framer.pos
	return &ProtocolError{
		Offset:  r.total - int64(len(r.in.b)-at),
		Reason:  what.Error(),
		Excerpt: excerpt(r.in.b, at),
		cause:   cause,
	}
}
