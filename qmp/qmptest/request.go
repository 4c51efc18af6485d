package qmptest

import (
	"bytes"
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

	// Files are those that came with the command. They are closed when the test ends, if the
	// handler has not closed them before.
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

// Reply answers the command, for a handler that returned [ErrNoReply]: later, or twice.
func (r *Request) Reply(value any) {
	if value == nil {
		value = struct{}{}
	}
	r.conn.send(returnMessage{Return: value, ID: r.ID})
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
	case err == nil:
		r.Reply(value)
	case errors.Is(err, ErrNoReply):
	case errors.As(err, &refused):
		r.Refuse(refused.Class, refused.Desc)
	default:
		r.Refuse(qmp.ErrGeneric, err.Error())
	}
}

func (r *Request) closeFiles() {
	for _, f := range r.Files {
		_ = f.Close() // may be closed already
	}
}

// drains tells whether the command only makes the server close descriptors that no command
// has taken, see [qmp.WithFile]. Here none are left: they went with their command.
func (r *Request) drains() bool {
	var args struct{ Fdname string }
	return r.Command == "getfd" && len(r.Files) == 0 && r.Decode(&args) == nil && args.Fdname == "0"
}

// The messages of the protocol, as a server writes them.
type (
	greetingMessage struct {
		QMP greeting
	}
	greeting struct {
		Version      version  `json:"version"`
		Capabilities []string `json:"capabilities"`
	}
	version struct {
		QEMU    qemuVersion `json:"qemu"`
		Package string      `json:"package"`
	}
	qemuVersion struct {
		Micro int `json:"micro"`
		Minor int `json:"minor"`
		Major int `json:"major"`
	}
	returnMessage struct {
		Return any             `json:"return"`
		ID     json.RawMessage `json:"id,omitempty"`
	}
	errorMessage struct {
		ID    json.RawMessage `json:"id,omitempty"`
		Error refusal         `json:"error"`
	}
	refusal struct {
		Class qmp.ErrorClass `json:"class"`
		Desc  string         `json:"desc"`
	}
	eventMessage struct {
		Timestamp timestamp `json:"timestamp"`
		Event     string    `json:"event"`
		Data      any       `json:"data,omitempty"`
	}
	timestamp struct {
		Seconds      int64 `json:"seconds"`
		Microseconds int64 `json:"microseconds"`
	}
)
