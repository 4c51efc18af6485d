package qmp

import (
	"errors"
	"io"
	"os"
	"slices"
)

// next returns the next message in the buffer; see [receiver.buffered]. If there is none, it gives
// earlier events to their subscribers.
func (c *Client) next() (m message, ok bool, err error) {
	m, ok, err = c.in.buffered()
	if !ok || !m.isEvent() || c.options.Trace != nil {
		c.flushEvents()
	}
	return m, ok, err
}

// flushEvents gives out the events that have come.
func (c *Client) flushEvents() {
	if sink := c.eventSink(); sink != nil {
		sink.flush()
	}
}

// receive handles one message. The goroutine that has the turn calls it, and it never waits. For
// a reply it returns the answered command, if there is one.
func (c *Client) receive(m *message) *pending {
	if c.options.Trace != nil {
		c.calling = callTrace
		c.traceReceived(m)
		c.calling = ""
	}
	switch {
	case m.isReply():
		return c.receiveReply(m)
	case m.early:
		c.logDropped(m, "it came before a delimiter")
	case m.isEvent():
		c.events.Add(1)
		if sink := c.eventSink(); sink != nil {
			sink.publish(*m)
		}
	case m.greeting.present() && c.greeting == nil:
		c.greeting = slices.Clone(m.part(m.greeting))
		c.in.greeted()
		close(c.greeted)
	default:
		c.logDropped(m, "not expected") // another greeting is no surprise: some chardevs repeat it
	}
	return nil
}

// receiveReply hands a reply to the goroutine that waits for it, which decodes it.
func (c *Client) receiveReply(m *message) *pending {
	if m.err.present() {
		c.refused.Add(1)
	}
	p := c.replyTo(m)
	if p == nil {
		c.logDropped(m, "a reply to no command")
		return nil
	}
	if p.inBand {
		<-c.inBand
	}
	if p.hasFiles {
		c.settleFiles(p, m.err.present())
	}
	if p.abandoned {
		c.receiveLate(p, m)
		return p
	}
	memory := c.in.keep(m)
	c.calls.deliver(p, *m, memory)
	return p
}

// receiveLate gives the reply of an abandoned command to its function, if it has one.
func (c *Client) receiveLate(p *pending, m *message) {
	if p.late == nil || m.err.present() {
		c.logDropped(m, "a late reply")
		return
	}
	c.calling = callLate
	p.late(slices.Clone(m.part(m.ret)))
	c.calling = ""
}

// replyTo returns the command that a reply answers, or nil if there is none.
//
// QEMU answers text that it cannot parse with an error without an id. It executes and answers
// commands in order, so the error is for the oldest one. With oob on, that is not certain.
func (c *Client) replyTo(m *message) *pending {
	if id, ok := m.callID(); ok {
		return c.calls.answer(id, m.early)
	}
	if m.id.present() || !m.err.present() {
		return nil
	}
	return c.calls.answerOldest()
}

// whyEnded makes the error of the connection from that of reading.
func whyEnded(err error) error {
	switch err.(type) {
	case *ProtocolError, *CallbackError:
		return err
	}
	switch {
	case err == io.EOF:
		return wrap("qmp: the server closed the connection", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wrap("qmp: reading from the server failed: a deadline was set on the connection, "+
			"which belongs to the client", err)
	}
	return wrap("qmp: reading from the server failed", err)
}
