package qmp

import (
	"errors"
	"time"
)

// drainTime is how long a connection that nothing can be sent on any more is still read: a
// server that went away has left replies and events behind, which come at once.
const drainTime = time.Second

// errBlocked says that a socket takes nothing more for now.
var errBlocked = errors.New("qmp: the socket is full")

// flush writes what is queued, unless another goroutine is at it. It never blocks: what the
// socket does not take at once is left to a goroutine that lives until it has. So a caller
// can always leave when its context ends, and a request that was begun is always completed,
// or the connection ended.
func (c *Client) flush() {
	const turns = 4 // then the caller has done enough for others
	for range turns {
		b := c.calls.take()
		if b == nil {
			return
		}
		n, err := c.out.try(b)
		if err == errBlocked {
			go c.finishWriting(b, n)
			return
		}
		c.wrote(n, err)
	}
	go c.finishWriting(c.calls.take(), 0)
}

// finishWriting writes a batch from n on, and then what has been queued meanwhile, until
// nothing is.
func (c *Client) finishWriting(b *batch, n int) {
	for ; b != nil; b, n = c.calls.take(), 0 {
		c.writeRest(b, n)
	}
}

// writeRest writes a batch from n on. If the connection's Write does not return, nobody knows how much
// of the batch was sent: all of it counts as sent, and the connection ends.
func (c *Client) writeRest(b *batch, n int) {
	protect(func() {
		c.wrote(c.out.write(b, n))
	}, func(value any) {
		failed := newCallbackError(callWrite, value)
		c.calls.wrote(len(b.text.b), failed)
		c.end(failed)
	})
}

// wrote ends the writing of a batch.
func (c *Client) wrote(n int, err error) {
	if err != nil {
		err = wrap("qmp: writing to the server failed", err)
		// The reader usually comes to the end first.
		time.AfterFunc(drainTime, func() { c.end(err) })
	}
	c.calls.wrote(n, err)
}
