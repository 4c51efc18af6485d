package qmpschema

import (
	"context"
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// Checked returns a connection that compares each command with the server's schema before it sends the
// command:
//
//	vm := hotplug.New(qmpschema.Checked(client), nil)
//
// The connection has all other methods of the client. The first command asks for the schema, as [Query]
// does.
func Checked(client *qmp.Client) *CheckedClient { return &CheckedClient{client} }

// CheckedConn is like [Checked] for another connection than a client, such as a machine of a libvirt daemon
// (package qmplibvirt). The connection passes on the events of conn.
func CheckedConn(conn qmp.Conn) qmp.Conn { return &checkedConn{conn} }

// A checkedConn is a connection that sends only commands that its server has.
type checkedConn struct{ qmp.Conn }

// Unwrap returns the connection; see [qmp.ServerOf].
func (c *checkedConn) Unwrap() qmp.Executor { return c.Conn }

// Execute executes a command as [CheckedClient.Execute] does.
func (c *checkedConn) Execute(ctx context.Context, call *qmp.Call) error {
	return executeChecked(ctx, c.Conn, call)
}

// A CheckedClient is a [qmp.Client] that sends only commands that its server has; see [Checked].
type CheckedClient struct{ *qmp.Client }

// Execute executes a command as [qmp.Client.Execute] does. If the server does not have the command or a
// part of it (see [Missing]), Execute sends nothing and returns a [*MissingError]. It does not check
// query-qmp-schema.
//
// If [Query] fails, Execute does not send the command either. The error then matches
// [qmp.ErrNotSent] and the error of [Query].
func (c *CheckedClient) Execute(ctx context.Context, call *qmp.Call) error {
	return executeChecked(ctx, c.Client, call)
}

// executeChecked executes a command if the server of x has it.
func executeChecked(ctx context.Context, x qmp.Executor, call *qmp.Call) error {
	if call.Command == "query-qmp-schema" {
		return x.Execute(ctx, call)
	}
	schema, err := Query(ctx, x)
	if err != nil {
		return &uncheckedError{call.Command, err}
	}
	missing, err := missingOf(schema, call)
	switch {
	case err != nil:
		return err
	case len(missing) > 0:
		return &MissingError{Command: call.Command, Paths: missing}
	}
	return x.Execute(ctx, call)
}

// A MissingError is the error of a command that a checked connection did not send, because the server does
// not have the command or a part of it. It matches:
//   - [errors.ErrUnsupported] and [qmp.ErrNotSent]: always.
//   - [qmp.ErrCommandNotFound]: the server does not have the command.
type MissingError struct {
	Command string
	Paths   []string // of the missing parts; see [Missing]
}

// Error returns the command and the paths.
func (e *MissingError) Error() string {
	if e.noCommand() {
		return "qmpschema: " + e.Command + ": not sent: the server does not have this command"
	}
	return "qmpschema: " + e.Command + ": not sent: the server does not have " + strings.Join(e.Paths, ", ")
}

// Is reports whether target is one of the errors that e matches.
func (e *MissingError) Is(target error) bool {
	return target == errors.ErrUnsupported || target == qmp.ErrNotSent || target == qmp.ErrCommandNotFound && e.noCommand()
}

func (e *MissingError) noCommand() bool { return len(e.Paths) == 1 && e.Paths[0] == e.Command }

// An uncheckedError is the error of a command that cannot be checked.
type uncheckedError struct {
	command string
	err     error // of Query
}

func (e *uncheckedError) Error() string {
	return "qmpschema: " + e.command + ": not sent: " + strings.TrimPrefix(e.err.Error(), "qmpschema: ")
}

func (e *uncheckedError) Unwrap() []error { return []error{qmp.ErrNotSent, e.err} }
