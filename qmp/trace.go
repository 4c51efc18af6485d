package qmp

import (
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A TraceMessage is a message of the protocol, for [Options.Trace].
type TraceMessage struct {
	// Sent reports that the client sends the message. Otherwise the server has sent it.
	Sent bool

	// Command is the command's name, for a request and for its reply. It is empty for other
	// messages, and for a reply to no command in flight.
	Command string

	// ID is the id of a message with a Command. A reply has the id of its request. A later command can
	// use the id again.
	ID uint64

	// Duration is the time from the request to this reply; 0 for other messages.
	Duration time.Duration

	// Event is the name of the event; empty for other messages.
	Event string

	// Text is the message without its secrets, which are "***"; see [Redact]. All arguments of a
	// [Raw] are "***". It is valid until Trace returns.
	Text []byte

	Files int // number of descriptors sent with it
}

// traceSent calls the hook for a command that is about to be sent.
func (c *Client) traceSent(call *Call, p *pending) {
	name := "execute"
	if call.OOB {
		name = "exec-oob"
	}
	e := wire.NewEncoder(nil)
	e.BeginObject()
	e.Name(name).String(call.Command)
	if call.Args != nil {
		switch args, err := redacted(func(e *wire.Encoder) { e.Object(call.Args) }); {
		case err != nil: // a value that makes another text each time
			e.Name("arguments").String(hidden)
		case string(args) != "{}": // which is not sent
			e.Name("arguments").Raw(args)
		}
	}
	e.Name("id").Uint(p.id)
	e.EndObject()
	c.options.Trace(TraceMessage{
		Sent: true, Command: call.Command, ID: p.id,
		Text: e.Bytes(), Files: len(call.Files),
	})
}

// traceReceived calls the hook for a message from the server.
func (c *Client) traceReceived(m *message) {
	t := TraceMessage{Text: slices.Clip(Redact(m.text))}
	switch {
	case m.isReply():
		if id, ok := m.callID(); ok {
			c.calls.describe(id, &t)
		}
	case m.isEvent():
		t.Event = string(eventName(m))
	}
	c.options.Trace(t)
}

// describe says which command a reply with this id is for.
func (f *inflight) describe(id uint64, t *TraceMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id >= uint64(len(f.byID)) {
		return
	}
	if p := f.byID[id]; p != nil && p.command != "" && p.stage != queued {
		t.Command, t.ID = p.command, id
		if !p.begun.IsZero() {
			t.Duration = time.Since(p.begun)
		}
	}
}
