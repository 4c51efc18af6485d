package qmp

import (
	"errors"
	"time"
)

// drainTime is for how long the client still reads after writing has failed: a server that has
// ended may have left replies and events, which come at once.
const drainTime = time.Second

// errBlocked reports that a socket takes nothing more for now.
var errBlocked = errors.New("qmp: the socket is full")

// flush writes the queued requests, unless another goroutine does so. It never blocks: if the
// socket does not take everything at once, another goroutine writes the rest. So a caller can
// always return when its context ends, and every request is written completely or the connection
// has ended.
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

// finishWriting writes a batch from n on, and then all requests that were queued in between.
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
