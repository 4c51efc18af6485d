package qmptest

import (
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// A Handler answers a command. It returns the result, anything that [Expectation.Reply] takes,
// nil for the empty object; or an error: a [*qmp.Error] is sent as it is, any other as
// a GenericError with its text, and [ErrNoReply] is not sent. The next command waits until the
// handler has returned, and the end of the test waits for it as well: one that waits for
// something else should end with [Request.Context] too. If a handler panics, or ends its goroutine as
// t.FailNow does, the server fails the test and ends the connection; it serves the next client.
//
// [Return], [Refuse], [NoReply] and [Hang] are handlers, and [Delay], [Twice] and [WithoutID]
// make one of another: for [Server.Handle] and [Expectation.Handle] alike.
type Handler func(r *Request) (any, error)

// ErrNoReply is returned by a [Handler] whose command is not answered, or later, by
// [Request.Reply] and [Request.Refuse].
var ErrNoReply = errors.New("qmptest: no reply")

// Return is a handler that returns a value.
func Return(value any) Handler {
	return func(*Request) (any, error) { return value, nil }
}

// Refuse is a handler that fails.
func Refuse(class qmp.ErrorClass, desc string) Handler {
	return func(*Request) (any, error) { return nil, &qmp.Error{Class: class, Desc: desc} }
}

// NoReply is a handler that does not answer. The server goes on with the next command.
func NoReply(*Request) (any, error) { return nil, ErrNoReply }

// Hang is a handler that does not answer, and keeps the server from reading anything more:
// what the client sends then stays in the socket, and on a pipe it cannot even send. It ends
// when the server ends the connection, or the test does.
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

// WithoutID sends h's answer without an id: an error then is like one that a QEMU has for what
// it could not read.
func WithoutID(h Handler) Handler {
	return func(r *Request) (any, error) {
		nameless := *r
		nameless.ID = nil
		nameless.answer(h(&nameless))
		return nil, ErrNoReply
	}
}
