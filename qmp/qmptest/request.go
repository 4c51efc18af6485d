package qmptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A Request is a command that the client has sent.
type Request struct {
	Command   string
	Arguments json.RawMessage // as they came; nil when there are none
	ID        json.RawMessage // as it came; nil when there is none
	OOB       bool            // it came as exec-oob

	// Files are the files that came with the command. As in QEMU, getfd and add-fd also have files that came
	// with an earlier command and that no command has taken; QEMU takes the first one only. The server closes
	// them when the test ends, unless the handler has closed them.
	Files []*os.File

	conn *conn
}

// Decode decodes the arguments into v, which points to a request of a generated package or to anything
// else that encoding/json can decode. Unknown arguments are an error.
func (r *Request) Decode(v any) error {
	arguments := r.Arguments
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	d := json.NewDecoder(bytes.NewReader(arguments))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, generated := v.(wire.MemberEncoder); !generated {
		return nil
	}
	// UnmarshalJSON of a union skips unknown members.
	known, err := marshal(v)
	if err != nil {
		return err
	}
	return checkKnown(arguments, known)
}

// checkKnown checks that each member of the objects in got is in known, too.
func checkKnown(got, known json.RawMessage) error {
	g, err := decodeExactly(got)
	if err != nil {
		return err
	}
	k, err := decodeExactly(known)
	if err != nil {
		return err
	}
	return checkMembers(g, k)
}

func checkMembers(got, known any) error {
	switch got := got.(type) {
	case map[string]any:
		known, _ := known.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if _, ok := known[name]; !ok {
				return fmt.Errorf("unknown argument %q", name)
			}
			if err := checkMembers(got[name], known[name]); err != nil {
				return err
			}
		}
	case []any:
		known, _ := known.([]any)
		for i := range min(len(got), len(known)) {
			if err := checkMembers(got[i], known[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Context returns a context that ends when the server ends the connection, or the test ends. It does not end
// when the client leaves while a handler runs: like QEMU, the server sees that when it reads again.
func (r *Request) Context() context.Context { return r.conn.ctx }

// Reply answers the command for a handler that returned [ErrNoReply]: later, or more than once.
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

// Refuse is [Request.Reply] with an error.
func (r *Request) Refuse(class qmp.ErrorClass, desc string) {
	r.conn.send(errorMessage{Error: refusal{Class: class, Desc: desc}, ID: r.ID})
}

// Disconnect ends the connection that the command came on. The server does not send the handler's
// answer then.
func (r *Request) Disconnect() { r.conn.close() }

// answer sends the answer of a handler.
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
