package qmp

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A Logger takes messages about what a client does. [*log/slog.Logger] is one.
//
// Several goroutines call it at once. Messages begin with "qmp: ". Arguments are pairs of keys and values, as
// for slog. It must not call the client. If it panics, the connection ends with a [*CallbackError].
type Logger interface {
	DebugContext(ctx context.Context, msg string, args ...any)
}

// loggedArgs formats arguments without their secrets when the logger asks for the text. A logger
// that is switched off does not ask.
type loggedArgs struct{ args wire.MemberEncoder }

func (a loggedArgs) String() string {
	if a.args == nil {
		return ""
	}
	return Format(a.args)
}

func (a loggedArgs) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// executeLogged executes a command and logs its begin and end.
func (c *Client) executeLogged(ctx context.Context, call *Call) error {
	log := c.options.Logger
	c.guard(callLogger, func() {
		log.DebugContext(ctx, "qmp: command", "command", call.Command, "arguments", loggedArgs{call.Args},
			"files", len(call.Files))
	})
	err := c.execute(ctx, call)
	c.guard(callLogger, func() {
		log.DebugContext(ctx, "qmp: command ended", "command", call.Command, "error", err)
	})
	return err
}

// logDropped logs that a message is dropped. The caller has the turn to read.
func (c *Client) logDropped(m *message, why string) {
	if log := c.options.Logger; log != nil {
		c.calling = callLogger
		log.DebugContext(context.Background(), "qmp: message dropped", "why", why,
			"id", string(m.part(m.id)), "bytes", len(m.text))
		c.calling = ""
	}
}

// logEnd logs that the connection has ended. It returns an error if the logger does not return.
func (c *Client) logEnd(err error) error {
	log := c.options.Logger
	if log == nil {
		return nil
	}
	return apart(callLogger, func() {
		log.DebugContext(context.Background(), "qmp: connection ended", "error", err)
	})
}
