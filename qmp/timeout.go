package qmp

import (
	"context"
	"time"
)

// WithTimeout returns a connection that limits the time of each command. limit returns the longest
// time for the command with this name; 0 means no limit. If the context of the command ends earlier,
// the command ends then.
//
//	vm := hotplug.New(qmp.WithTimeout(client, func(command string) time.Duration {
//		if command == "blockdev-add" {
//			return time.Minute // it may have to connect to a storage server
//		}
//		return 5 * time.Second
//	}), nil)
//
// When the limit has passed, Execute returns an error that matches [context.DeadlineExceeded] and either
// [ErrOutcomeUnknown] or [ErrNotSent]. A command without a reply ([Call.NoReply]) succeeds instead, as when
// the deadline of its context passes.
func WithTimeout(conn Conn, limit func(command string) time.Duration) Conn {
	return &limitedConn{limited{conn, limit}, conn}
}

// ExecutorWithTimeout is [WithTimeout] for an Executor without events, such as a [GuestClient].
func ExecutorWithTimeout(x Executor, limit func(command string) time.Duration) Executor {
	return &limited{x, limit}
}

// limited limits the time of commands.
type limited struct {
	x     Executor
	limit func(command string) time.Duration
}

func (l *limited) Execute(ctx context.Context, call *Call) error {
	if limit := l.limit(call.Command); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, limitError(limit))
		defer cancel()
	}
	return l.x.Execute(ctx, call)
}

// Unwrap is for [ServerOf].
func (l *limited) Unwrap() Executor { return l.x }

type limitedConn struct {
	limited
	EventSource
}

// A limitError is why the context of a command has ended.
type limitError time.Duration

func (e limitError) Error() string {
	return "the command's time limit of " + time.Duration(e).String() + " has passed"
}
