package qmp

import (
	"slices"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A TraceMessage is a message of the protocol, for [Options.Trace].
type TraceMessage struct {
	// Sent tells that the client has sent the message; else the server has.
	Sent bool

	// Text is the message. Of what is sent, secret arguments are "***", and so are all arguments
	// of a [Raw]. It is valid until the hook returns.
	Text []byte

	Files int // descriptors that go with it
}

// traceSent tells the hook of a command that is about to be sent.
func (c *Client) traceSent(call *Call, p *pending) {
	e := wire.NewEncoder(nil)
	e.Redact()
	name := "execute"
	if call.OOB {
		name = "exec-oob"
	}
	e.BeginObject()
	e.Name(name).String(call.Command)
	if call.Args != nil {
		e.Name("arguments").Object(call.Args)
	}
	e.Name("id").Uint(p.id)
	e.EndObject()
	c.options.Trace(TraceMessage{Sent: true, Text: e.Bytes(), Files: len(call.Files)})
}

// traceReceived tells the hook of a message that the server has sent.
func (c *Client) traceReceived(m *message) {
	c.options.Trace(TraceMessage{Text: slices.Clip(m.text)})
}
