package qmp

import (
	"context"
	"os"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Executor executes commands. A [Client] is one; so are the fakes, recorders and transports
// that others write. Execute sends the call, waits for its end and has the call decode the
// result.
//
// An Executor must call Decode on the goroutine that called Execute, at most once, and not
// after Execute has returned. It may call AppendArgs as often as it likes.
type Executor interface {
	Execute(ctx context.Context, call *Call) error
}

// Call is one command on its way from a request type's Do method to an [Executor]. It belongs
// to the goroutine that executes it, and serves for one execution.
type Call struct {
	// Command is the command's name.
	Command string

	// Args writes the arguments; nil when there are none.
	Args wire.MemberEncoder

	// Result reads the command's result; nil when none is expected.
	Result func(d *wire.Decoder)

	// NoReply says that the server sends no reply when the command succeeds (success-response
	// in the schema).
	NoReply bool

	// AllowOOB says that the server can execute the command out of band (allow-oob in the
	// schema).
	AllowOOB bool

	// OOB asks for out-of-band execution; see [OutOfBand].
	OOB bool

	// Files are sent along with the command; see [WithFile].
	Files []*os.File

	delimit bool // the guest agent is to drop what came before

	// Both are here so that a call does not allocate them.
	encoder wire.Encoder
	decoder wire.Decoder
}

// CallOption changes a call before it is executed.
type CallOption func(*Call)

// OutOfBand has the server execute the command out of band: at once, also while others are being
// executed or wait. Few commands allow that ([Call.AllowOOB]: migrate-pause, migrate-recover,
// yank and its query); the server refuses the others. The connection must have out-of-band
// execution on, or the command fails with an error that matches [ErrNotSent] and
// [errors.ErrUnsupported]; see [Options.OOB].
func OutOfBand() CallOption { return func(c *Call) { c.OOB = true } }

// Do applies the options to the call and executes it. Generated code calls it.
func Do(ctx context.Context, x Executor, call *Call, opts []CallOption) error {
	for _, opt := range opts {
		opt(call)
	}
	return x.Execute(ctx, call)
}

// AppendArgs appends the arguments as a JSON object, compact. Nothing is appended when there
// are none: QEMU reads every byte of an empty object, too. The error is an [*EncodeError]; b is
// then returned as it was.
func (c *Call) AppendArgs(b []byte) ([]byte, error) {
	if c.Args == nil {
		return b, nil
	}
	c.encoder.Reset(b)
	c.encoder.Object(c.Args)
	out, err := c.encoder.Bytes(), c.encoder.Err()
	c.encoder.Reset(nil) // the buffer is the caller's
	if err != nil {
		return b, encodeError(c.Command, err)
	}
	if string(out[len(b):]) == "{}" {
		return out[:len(b)], nil
	}
	return out, nil
}

// Decode reads the command's result, the value of the reply's member "return", strictly. It
// keeps nothing of value. The error is a [*DecodeError].
func (c *Call) Decode(value []byte) error {
	d := &c.decoder
	d.Reset(value)
	if c.Result != nil {
		c.Result(d)
	} else {
		d.Skip() // {} of today's servers; whatever a later one returns
	}
	err := d.End()
	d.Reset(nil)
	if err != nil {
		return decodeError(c.Command, err)
	}
	return nil
}

// DecodeError tells that what the server sent is not what the schema says: the result of a
// command, which has succeeded, or the data of an event.
type DecodeError struct {
	Command string // the command or the event
	Path    string // the place in the value: "[2].inserted.file"; empty for the value itself
	Offset  int    // the byte offset in the value
	Reason  string
}

// Error returns all the fields in one line.
func (e *DecodeError) Error() string {
	text := "qmp: "
	if e.Command != "" {
		text += e.Command + ": "
	}
	text += "cannot decode"
	if e.Path != "" {
		text += " " + e.Path
	}
	return text + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// decodeError makes a *DecodeError of the error of a wire.Decoder.
func decodeError(command string, err error) error {
	e := &DecodeError{Command: command, Reason: err.Error()}
	if at, ok := err.(*wire.Error); ok {
		e.Path, e.Offset, e.Reason = at.Path, at.Offset, at.Reason
	}
	return e
}
