package qmp

import (
	"errors"
	"io"
)

// A receiver cuts what the server sends into messages. One receiver reads a connection from
// its first byte to its last, so that no byte is lost between the greeting and the replies.
// It is used by one goroutine at a time.
type receiver struct {
	from io.Reader
	max  int // bytes that a message may have

	in     *buffer
	start  int   // in.b[start:] has not been given out yet
	total  int64 // what the server has sent; in.b is the end of that
	framer framer
}

// next reads up to the end of the next message, whose text is valid until the next call of
// next or keep. It returns io.EOF where the server has ended the connection between two
// messages, and a *ProtocolError for what is not a message.
func (r *receiver) next() (message, error) {
	if r.in == nil {
		r.in = newBuffer(0)
	}
	for {
		r.skipSpace()
		rest := r.in.b[r.start:]
		done, err := r.framer.scan(rest)
		if err == nil && r.framer.pos > r.max {
			err = errTooLong
		}
		if err != nil {
			return message{}, r.fail(err, nil)
		}
		if done {
			m := message{text: rest[:r.framer.pos:r.framer.pos], envelope: r.framer.envelope}
			r.start += r.framer.pos
			r.framer = framer{}
			return m, nil
		}
		if err := r.fill(); err != nil {
			return message{}, err
		}
	}
}

// keep returns the buffer that m, the last message from next, is in, for its new owner to
// free. What has been read behind m stays with the receiver. Whichever is shorter is copied.
func (r *receiver) keep(m *message) *buffer {
	rest := r.in.b[r.start:]
	if len(rest) < len(m.text) {
		own := r.in
		r.start = 0
		r.in = newBuffer(len(rest))
		r.in.b = append(r.in.b, rest...)
		return own
	}
	own := newBuffer(len(m.text))
	own.b = append(own.b, m.text...)
	m.text = own.b
	return own
}

// close frees the memory.
func (r *receiver) close() {
	r.in.free()
	r.in = nil
}

// skipSpace passes over what separates messages.
func (r *receiver) skipSpace() {
	if r.framer.state != frameStart {
		return
	}
	for r.start < len(r.in.b) && isSpace(r.in.b[r.start]) {
		r.start++
	}
}

// fill reads some more.
func (r *receiver) fill() error {
	r.makeRoom()
	b := r.in.b
	n, err := r.from.Read(b[len(b):cap(b)])
	r.in.b = b[:len(b)+n]
	r.total += int64(n)
	if n > 0 || err == nil {
		return nil // an error comes again
	}
	if errors.Is(err, io.EOF) && r.framer.pos > 0 {
		return r.fail(errCut, io.ErrUnexpectedEOF)
	}
	return err
}

// makeRoom sees to it that there is room to read into: it moves what is left to the front of
// the buffer, or to a larger one; one that grew for a long message is not kept for short ones.
func (r *receiver) makeRoom() {
	const enough = 512
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
