package qmptest

import (
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// A Handler answers a command. It returns one of these:
//   - the result: anything that [Expectation.Reply] takes; nil means the empty object;
//   - a [*qmp.Error], which the server sends as it is;
//   - [ErrNoReply]: the server sends nothing;
//   - any other error, which the server sends as a GenericError with its text.
//
// The server executes the next command when the handler has returned. When the test ends, the server also
// waits for the handler. A handler that waits for something should also wait for [Request.Context]. If a
// handler panics, or ends its goroutine as t.FailNow does, the server fails the test and ends the connection;
// then it serves the next client.
//
// [Return], [Refuse], [NoReply] and [Hang] are handlers. [Delay], [Twice] and [WithoutID] make a handler
// from another. Use them with [Server.Handle] and [Expectation.Handle].
type Handler func(r *Request) (any, error)

// ErrNoReply is the error of a [Handler] whose command the server does not answer, or answers later
// with [Request.Reply] or [Request.Refuse].
var ErrNoReply = errors.New("qmptest: no reply")

// Return returns a handler that answers with the value.
func Return(value any) Handler {
	return func(*Request) (any, error) { return value, nil }
}

// Refuse returns a handler that answers with an error of this class.
func Refuse(class qmp.ErrorClass, desc string) Handler {
	return func(*Request) (any, error) { return nil, &qmp.Error{Class: class, Desc: desc} }
}

// NoReply is a handler that does not answer. The server continues with the next command.
func NoReply(*Request) (any, error) { return nil, ErrNoReply }

// Hang is a handler that does not answer and stops the server from reading. Further requests then stay in the
// buffer of the socket; on a pipe the client cannot even send them. Hang ends when the server ends the
// connection or the test ends.
func Hang(r *Request) (any, error) {
	<-r.Context().Done()
	return nil, ErrNoReply
}

// Delay waits before h answers. In a testing/synctest bubble that takes no time.
func Delay(d time.Duration, h Handler) Handler {
	return func(r *Request) (any, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return h(r)
		case <-r.Context().Done():
			return nil, ErrNoReply
		}
	}
}

// Twice sends h's answer twice.
func Twice(h Handler) Handler {
	return func(r *Request) (any, error) {
		value, err := h(r)
		r.answer(value, err)
		return value, err
	}
}

// WithoutID sends h's answer without an id, as QEMU does when it answers text that is not JSON.
func WithoutID(h Handler) Handler {
	return func(r *Request) (any, error) {
		nameless := *r
		nameless.ID = nil
		nameless.answer(h(&nameless))
		return nil, ErrNoReply
	}
}
