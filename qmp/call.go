package qmp

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// An Executor executes commands: a [Client], or a fake, a recorder or a transport of your own. Execute sends
// the call, waits for the reply and has the call decode the result.
//
// Execute must call Decode on the goroutine that called Execute, at most once, and before it returns. It can
// call AppendArgs several times.
type Executor interface {
	Execute(ctx context.Context, call *Call) error
}

// A Call is a command that a request's Do method gives to an [Executor]. It belongs to the goroutine that
// executes it. Use a Call once.
type Call struct {
	// Command is the command's name.
	Command string

	// Args writes the arguments; nil means that there are none.
	Args wire.MemberEncoder

	// Result reads the command's result; nil means that the result is ignored.
	Result func(d *wire.Decoder)

	// NoReply reports that the server sends no reply if the command succeeds (success-response in
	// the schema).
	NoReply bool

	// AllowOOB reports that the server can execute the command out of band (allow-oob in the
	// schema).
	AllowOOB bool

	// OOB asks for out-of-band execution; see [OutOfBand].
	OOB bool

	// Files are sent along with the command; see [WithFile].
	Files []*os.File

	// Late is called if Execute has returned an error that matches [ErrOutcomeUnknown], and the reply comes
	// later and is not an error; see [OnLateReply].
	Late func(result RawJSON)

	delimit bool // the guest agent is to drop what came before

	// Both are here so that a call does not allocate them.
	encoder wire.Encoder
	decoder wire.Decoder
}

// CallOption changes a call before it is executed.
type CallOption func(*Call)

// OutOfBand makes the server execute the command out of band: at once, even while it executes other
// commands. The server refuses this for all but a few commands ([Call.AllowOOB]: migrate-pause,
// migrate-recover, yank and query-yank). If out-of-band execution is off on the connection
// ([Options.OOB]), the error matches [ErrNotSent] and [errors.ErrUnsupported].
func OutOfBand() CallOption { return func(c *Call) { c.OOB = true } }

// OnLateReply makes the connection call late with the result of the command, if the reply comes after Do has
// returned an error that matches [ErrOutcomeUnknown]. Use it for a command that makes something which must be
// freed, such as guest-file-open.
//
// The connection calls late while it reads: late must be fast, and must not call the client. If the reply is an
// error, or never comes, the connection does not call late. If late panics, the connection ends with a
// [*CallbackError].
func OnLateReply(late func(result RawJSON)) CallOption { return func(c *Call) { c.Late = late } }

// Do applies the options to the call and executes it. Generated code calls it.
func Do(ctx context.Context, x Executor, call *Call, opts []CallOption) error {
	for _, opt := range opts {
		opt(call)
	}
	return x.Execute(ctx, call)
}

// AppendArgs appends the arguments to b as a compact JSON object. If there are none, it appends nothing. If it
// fails, it returns b as it was, and an [*EncodeError].
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

// Decode reads the command's result, the value of the reply's member "return", strictly. It does not keep
// value. The error is a [*DecodeError].
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

// AppendRequest appends the whole message of the command to b, without an id: compact JSON with the member
// execute or exec-oob, and arguments if there are any. If it fails, it returns b as it was, and an
// [*EncodeError]. It is for a transport of your own. Files are not part of the message.
func (c *Call) AppendRequest(b []byte) ([]byte, error) {
	out, err := c.appendMembers(b)
	if err != nil {
		return b, err
	}
	return append(out, '}'), nil
}

// appendMembers appends the message without its closing brace.
func (c *Call) appendMembers(b []byte) ([]byte, error) {
	if c.OOB {
		b = append(b, `{"exec-oob":`...)
	} else {
		b = append(b, `{"execute":`...)
	}
	e := wire.NewEncoder(b)
	e.String(c.Command)
	if err := e.Err(); err != nil {
		return b, encodeError(c.Command, err)
	}
	b = e.Bytes()
	name := len(b)
	b = append(b, `,"arguments":`...)
	empty := len(b)
	b, err := c.AppendArgs(b)
	if len(b) == empty {
		b = b[:name]
	}
	return b, err
}

// DecodeReply reads a whole reply to the command, for a transport of your own. The reply may have white space
// around it. DecodeReply ignores its id and does not keep reply. It returns nil if the command succeeded, and
// otherwise an error that matches:
//   - [*Error]: the server refused the command or failed to execute it.
//   - [*DecodeError]: the command succeeded, but its result cannot be decoded.
//   - [ErrOutcomeUnknown] and [*ProtocolError]: the text is not a reply.
//
// Like [Call.Decode], it must be called on the goroutine that called Execute.
func (c *Call) DecodeReply(reply []byte) error {
	m, err := parseReply(reply)
	switch {
	case err != nil:
		return OutcomeUnknown(c.Command, err)
	case m.err.present():
		return decodeRefusal(c, m.part(m.err))
	}
	return c.Decode(m.part(m.ret))
}

var (
	errNoReply  = errors.New("a message is not a reply")
	errMoreText = errors.New("a message is followed by other text")
	errCutReply = errors.New("a message is not complete")
)

// parseReply finds the members of a reply in text. The error is a *ProtocolError.
func parseReply(text []byte) (*message, error) {
	all := trim(text, 0, len(text))
	rest := text[all.start:all.end]
	var f framer
	done, err := f.scan(rest)
	switch {
	case err != nil:
	case !done:
		err = errCutReply
	case f.pos < len(rest):
		err = errMoreText
	case !f.envelope.isReply():
		err, f.pos = errNoReply, 0
	default:
		return &message{text: rest, envelope: f.envelope}, nil
	}
	return nil, &ProtocolError{
		Offset:  int64(all.start + f.pos),
		Reason:  err.Error(),
		Excerpt: excerpt(rest, f.pos),
	}
}

// EndsServer reports whether the server can end, or be silent, instead of replying when it executes the
// command: quit, and commands with NoReply. Such a command has succeeded if it was sent and the server then
// ends.
//
// The schema does not say this of quit. Commands that end the server only in some set-ups (system_reset with
// -no-reboot) are not among them: for these the end may as well be a crash.
func (c *Call) EndsServer() bool { return c.NoReply || c.Command == "quit" }

// A DecodeError reports that the result of a command, or the data of an event, does not fit the schema.
// If it is a result, the server has executed the command.
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
