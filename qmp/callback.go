package qmp

import (
	"errors"
	"reflect"
	"runtime"
	"strconv"
)

// A CallbackError reports that the client called a function of the program and the function did not
// return: it panicked, or it ended its goroutine with [runtime.Goexit], as t.FailNow does. The client
// then ends the connection: [Client.Err], commands and subscriptions return the error. The client
// recovers the panic, because it may happen on the goroutine of an unrelated command: a command that
// waits for its reply also reads the messages for others.
//
// These functions are [Options.Logger], [Options.Trace], the match function of
// [Client.EventsFunc], the function of [OnLateReply], the methods of a [net.Conn] that is not from package net, and those of the
// streams of [Pipes].
type CallbackError struct {
	Callback string // the function: "Options.Trace", "net.Conn.Read"
	Value    any    // the value of the panic; nil if the function ended its goroutine
	Stack    string // the stack of the goroutine when it panicked or ended
}

// The names of callbacks.
const (
	callLogger      = "Options.Logger"
	callTrace       = "Options.Trace"
	callMatch       = "the match function of EventsFunc"
	callLate        = "the function of OnLateReply"
	callRead        = "net.Conn.Read"
	callWrite       = "net.Conn.Write"
	callClose       = "net.Conn.Close"
	callSetDeadline = "net.Conn.SetDeadline"
)

// Error names the function and the value.
func (e *CallbackError) Error() string {
	if e.Value == nil {
		return "qmp: " + e.Callback + " ended its goroutine (runtime.Goexit, which t.FailNow calls)"
	}
	return "qmp: " + e.Callback + " panicked: " + panicText(e.Value)
}

// newCallbackError makes the error of a function that has not returned. The caller is the deferred
// function that has recovered value, so that the stack is still there.
func newCallbackError(callback string, value any) *CallbackError {
	stack := make([]byte, 16<<10)
	return &CallbackError{callback, value, string(stack[:runtime.Stack(stack, false)])}
}

// panicText returns the text of a panic's value.
func panicText(value any) (text string) {
	v := reflect.ValueOf(value)
	defer func() {
		if recover() != nil { // a nil pointer, say, whose method needs more
			text = "a value of type " + v.Type().String()
		}
	}()
	switch value := value.(type) {
	case error:
		return value.Error()
	case interface{ String() string }:
		return value.String()
	}
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	}
	return "a value of type " + v.Type().String()
}

// protect calls f, which calls a function of the program. If that function panics or ends its
// goroutine, protect calls failed with the value of the panic, which is nil for the latter.
func protect(f func(), failed func(value any)) {
	returned := false
	defer func() {
		if !returned {
			failed(recover())
		}
	}()
	f()
	returned = true
}

// guard calls f, which calls a function of the program. If that function does not return, guard ends
// the connection.
func (c *Client) guard(callback string, f func()) {
	protect(f, func(value any) { c.end(newCallbackError(callback, value)) })
}

// apart calls f, which calls a function of the program, on another goroutine, and waits for it. So
// the caller goes on even if the function ends its goroutine.
func apart(callback string, f func()) (failed error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		protect(f, func(value any) { failed = newCallbackError(callback, value) })
	}()
	<-done
	return failed
}

// join makes one error from two, in one line. It matches everything that either matches.
func join(err, also error) error {
	return &wrappedError{err.Error() + "; " + bare(also), errors.Join(err, also)}
}
