package qmp

import (
	"slices"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A TraceMessage is a message of the protocol, for [Options.Trace].
type TraceMessage struct {
	// Sent tells that the client has sent the message; else the server has.
	Sent bool

	// Text is the message without its secrets, which are "***"; see [Redact]. All arguments of a
	// [Raw] are "***". It is valid until the hook returns.
	Text []byte

	Files int // descriptors that go with it
}

// traceSent tells the hook of a command that is about to be sent.
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
	c.options.Trace(TraceMessage{Sent: true, Text: e.Bytes(), Files: len(call.Files)})
}

// traceReceived tells the hook of a message that the server has sent.
func (c *Client) traceReceived(m *message) {
	c.options.Trace(TraceMessage{Text: slices.Clip(Redact(m.text))})
}
