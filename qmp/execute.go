package qmp

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// maxRequest is the length of the longest message that QEMU reads (MAX_TOKEN_SIZE of
// qobject/json-streamer.c).
const maxRequest = 64 << 20

var (
	errOOBOff   = wrap("out-of-band execution is off", errors.ErrUnsupported)
	errOOBFiles = errors.New("files cannot be sent out of band: the server would mix them up with those of other commands")
)

var errRequestTooLong = errors.New("the command is longer than 64 MiB, QEMU's limit")

// Execute sends a command and waits for its reply, which call decodes. The Do methods of the generated
// commands call it. It returns nil if the command succeeded, and otherwise an error that matches:
//   - [ErrNotSent]: the server did not receive the command. Nothing has happened.
//   - [*Error]: the server refused the command or failed to execute it.
//   - [ErrOutcomeUnknown]: the command was sent, at least in part, and no reply came. The error also matches
//     the error and the cause of ctx, or [Client.Err].
//   - [*DecodeError]: the command succeeded, but its result cannot be decoded.
//
// If ctx ends first, Execute returns and the connection stays usable. A reply that comes later is dropped.
//
// quit also succeeds if the connection ends before the reply. Some commands have no reply if they succeed
// (call.NoReply). They succeed when the server ends the connection, or when the deadline of ctx passes
// before an error has come. Give ctx a deadline.
func (c *Client) Execute(ctx context.Context, call *Call) error {
	if c.options.Logger != nil {
		return c.executeLogged(ctx, call)
	}
	return c.execute(ctx, call)
}

func (c *Client) execute(ctx context.Context, call *Call) error {
	p := newPending(call.Command)
	p.late = call.Late
	if call.delimit {
		p.repeated = new(repetition)
	}
	if err := c.submit(ctx, call, p); err != nil {
		p.release()
		return NotSent(call.Command, err)
	}
	if p.repeated != nil {
		defer c.repeat(call, p)()
	}
	switch c.await(ctx, p) {
	case queued:
		c.letGo(p)
		return NotSent(call.Command, wrap("the server does not read earlier commands", wait.Err(ctx)))
	case writing:
		return OutcomeUnknown(call.Command, wait.Err(ctx))
	case sent:
		if call.NoReply && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil
		}
		return OutcomeUnknown(call.Command, wait.Err(ctx))
	default:
		return c.outcome(call, p)
	}
}

// submit encodes a command and sends it on its way. Its error means that it was not sent.
func (c *Client) submit(ctx context.Context, call *Call, p *pending) (err error) {
	if ctx.Err() != nil {
		return wait.Err(ctx)
	}
	if p.request.b, err = appendRequest(p.request.b, call); err != nil {
		return err
	}
	if len(p.request.b) > maxRequest-maxIDDigits-len("}") {
		return errRequestTooLong
	}
	switch {
	case call.OOB && !c.oob:
		return errOOBOff
	case call.OOB && len(call.Files) > 0:
		return errOOBFiles
	}
	if c.inBand != nil && !call.OOB {
		select {
		case c.inBand <- struct{}{}:
			p.inBand = true
		case <-ctx.Done():
			return wrap("too many commands are in flight", wait.Err(ctx))
		case <-c.done:
			return c.Err()
		}
	}
	if len(call.Files) > 0 {
		err = c.attachFiles(ctx, p, call.Files)
	}
	if c.options.Trace != nil {
		p.begun = time.Now()
	}
	if err == nil {
		err = c.calls.add(p)
	}
	if err != nil {
		c.letGo(p)
		return err
	}
	if c.options.Trace != nil {
		c.guard(callTrace, func() { c.traceSent(call, p) })
	}
	c.flush()
	return nil
}

// letGo gives back the resources of a command that was not sent.
func (c *Client) letGo(p *pending) {
	if p.hasFiles {
		c.filesDone()
	}
	if p.inBand {
		<-c.inBand
	}
}

// outcome makes the result of a command that was answered, or whose connection ended.
func (c *Client) outcome(call *Call, p *pending) error {
	defer p.memory.free()
	switch {
	case p.err == nil && p.reply.err.present():
		return decodeRefusal(call, p.reply.part(p.reply.err))
	case p.err == nil:
		return call.Decode(p.reply.part(p.reply.ret))
	case !p.sent:
		return NotSent(call.Command, p.err)
	case endedByServer(p.err) && call.EndsServer():
		return nil
	default:
		return OutcomeUnknown(call.Command, p.err)
	}
}

// appendRequest appends a command's message up to its id: compact, for QEMU reads byte by
// byte.
func appendRequest(b []byte, call *Call) ([]byte, error) {
	if call.delimit {
		b = append(b, delimiter)
	}
	b, err := call.appendMembers(b)
	if err != nil {
		return b, err
	}
	return append(b, `,"id":`...), nil
}

// decodeRefusal reads the value of a reply's member error.
func decodeRefusal(call *Call, value []byte) error {
	e := &Error{Command: call.Command, Class: ErrGeneric}
	d := wire.NewDecoder(value)
	d.Object((*refusal)(e))
	if d.End() != nil {
		return &Error{Command: call.Command, Class: ErrGeneric, Desc: "an error that cannot be read: " + excerpt(value, 0)}
	}
	return e
}

// A refusal reads an [Error].
type refusal Error

func (e *refusal) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "class":
		e.Class = ErrorClass(d.Enum())
		return 1
	case "desc":
		e.Desc = d.String()
		return 2
	}
	return 0
}
