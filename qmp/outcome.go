package qmp

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// ErrOutcomeUnknown means that the command was sent, at least in part, and that its reply did not come
// before the context or the connection ended. The server may have executed the command, or may
// still do so. The error also matches the reason: the context's error and cause, or what [Client.Err] returns.
//
// A command can also fail with [ErrNotSent], or with [*Error] if the server refuses it or cannot
// execute it.
var ErrOutcomeUnknown = errors.New("qmp: sent, outcome unknown")

// MayHaveExecuted reports whether the server may have executed a command that ended with err. It
// returns false if the command was not sent, or if the server answered with an error. Cleanup code
// must undo any other command, even though it may have had no effect.
//
// An operation that sends several commands can return an error that wraps the error of one of them.
// If such an error has a method MayHaveExecuted() bool, MayHaveExecuted returns its result.
func MayHaveExecuted(err error) bool {
	type answerer interface {
		error
		MayHaveExecuted() bool
	}
	if own, ok := errors.AsType[answerer](err); ok {
		return own.MayHaveExecuted()
	}
	_, refused := errors.AsType[*Error](err)
	return !refused && !errors.Is(err, ErrNotSent)
}

// ErrClosed is the error of a client, and of its subscriptions, after Close. It matches
// [net.ErrClosed].
var ErrClosed error = &wrappedError{"qmp: the client is closed", net.ErrClosed}

// NotSent returns the error of a command that was not sent, for a transport of your own. It matches
// [ErrNotSent] and cause, and has the text of a [Client]'s error. If cause matches ErrNotSent, as an
// [*EncodeError] does, NotSent returns cause.
func NotSent(command string, cause error) error {
	if errors.Is(cause, ErrNotSent) {
		return cause
	}
	return &unansweredError{command, ErrNotSent, cause}
}

// OutcomeUnknown returns the error of a command that was sent, at least in part, and has no reply. It is for
// a transport of your own. It matches [ErrOutcomeUnknown] and cause, and has the text of a [Client]'s error.
func OutcomeUnknown(command string, cause error) error {
	return &unansweredError{command, ErrOutcomeUnknown, cause}
}

// An unansweredError is the error of a command without a reply.
type unansweredError struct {
	command string
	ending  error // ErrNotSent or ErrOutcomeUnknown
	cause   error
}

func (e *unansweredError) Error() string {
	return "qmp: " + e.command + ": " + bare(e.ending) + ": " + bare(e.cause)
}

func (e *unansweredError) Unwrap() []error { return []error{e.ending, e.cause} }

// A wrappedError is an error with another text.
type wrappedError struct {
	text string
	err  error
}

func (e *wrappedError) Error() string { return e.text }
func (e *wrappedError) Unwrap() error { return e.err }

// wrap puts a text before an error.
func wrap(text string, err error) error {
	return &wrappedError{text + ": " + bare(err), err}
}

// bare returns the text of an error without this package's prefix, to be put behind another.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "qmp: ") }

// endedByServer reports whether a connection ended because the server closed it or ended. If a
// server ends before it has read everything, the connection is reset.
func endedByServer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
