package qmptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
)

// A Request is a command that the client has sent.
type Request struct {
	Command   string
	Arguments json.RawMessage // as they came; nil when there are none
	ID        json.RawMessage // as it came; nil when there is none
	OOB       bool            // it came as exec-oob

	// Files are those that came with the command. getfd and add-fd have those that came with
	// an earlier command, as in QEMU, if there are such that none has taken. QEMU takes the
	// first one only. They are closed when the test ends, if the handler has not closed them
	// before.
	Files []*os.File

	conn *conn
}

// Decode decodes the arguments with encoding/json, refusing those that v does not have.
func (r *Request) Decode(v any) error {
	arguments := r.Arguments
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	d := json.NewDecoder(bytes.NewReader(arguments))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Context ends when the server ends the connection, or the test does. That the client has left
// does not end it while a handler runs: the server, like QEMU, sees it when it reads on.
func (r *Request) Context() context.Context { return r.conn.ctx }

// Reply answers the command, for a handler that returned [ErrNoReply]: later, or twice.
func (r *Request) Reply(value any) {
	if value == nil {
		value = struct{}{}
	}
	b := r.conn.marshal(returnMessage{Return: value, ID: r.ID})
	if len(b) > 0 && r.isDelimitedSync() {
		b = append([]byte{delimiter}, b...)
	}
	r.conn.write(b)
}

// Refuse is Reply with an error.
func (r *Request) Refuse(class qmp.ErrorClass, desc string) {
	r.conn.send(errorMessage{Error: refusal{Class: class, Desc: desc}, ID: r.ID})
}

// Disconnect ends the connection that the command came on. What the handler returns then is
// not sent.
func (r *Request) Disconnect() { r.conn.close() }

// answer sends what a handler returned.
func (r *Request) answer(value any, err error) {
	var refused *qmp.Error
	switch {
	case err == nil && value == nil && r.isSilent():
	case err == nil:
		r.Reply(value)
	case errors.Is(err, ErrNoReply):
	case errors.As(err, &refused):
		r.Refuse(refused.Class, refused.Desc)
	default:
		r.Refuse(qmp.ErrGeneric, err.Error())
	}
}
