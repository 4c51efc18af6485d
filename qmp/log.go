package qmp

import "context"

// Logger takes messages about what a client does. [*log/slog.Logger] is one.
//
// It is called by several goroutines at once, with messages that begin with "qmp: " and
// pairs of keys and values as slog's. It must not call the client.
type Logger interface {
	DebugContext(ctx context.Context, msg string, args ...any)
}

// executeLogged executes a command and tells the logger how it begins and ends. The arguments
// are formatted without their secrets.
func (c *Client) executeLogged(ctx context.Context, call *Call) error {
	arguments := ""
	if call.Args != nil {
		arguments = Format(call.Args)
	}
	log := c.options.Logger
	log.DebugContext(ctx, "qmp: command", "command", call.Command, "arguments", arguments,
		"files", len(call.Files))
	err := c.execute(ctx, call)
	log.DebugContext(ctx, "qmp: command ended", "command", call.Command, "error", err)
	return err
}

// logDropped tells the logger of a message that is dropped.
func (c *Client) logDropped(m *message, why string) {
	if log := c.options.Logger; log != nil {
		log.DebugContext(context.Background(), "qmp: message dropped", "why", why,
			"id", string(m.part(m.id)), "bytes", len(m.text))
	}
}

// logEnd tells the logger that the connection has ended.
func (c *Client) logEnd(err error) {
	if log := c.options.Logger; log != nil {
		log.DebugContext(context.Background(), "qmp: connection ended", "error", err)
	}
}
