package qmptest

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
)

// A conn is a connection to a client.
type conn struct {
	server *Server
	net    net.Conn
	in     fileReader

	writes sync.Mutex
	ready  bool // qmp_capabilities has been executed: set while serving, with writes held
}

// A fileReader reads a connection and takes the descriptors that come with what it reads.
type fileReader interface {
	io.Reader
	// takeFiles returns the descriptors that have come since it was called last.
	takeFiles() []*os.File
	// close closes those that were not taken.
	close()
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{server: s, net: nc, in: newFileReader(nc)}
}

// serve executes the client's commands, one after the other, until it leaves.
func (c *conn) serve() {
	defer c.server.done(c)
	defer c.in.close()
	if !c.server.options.NoGreeting {
		c.send(c.server.greeting())
	}
	d := json.NewDecoder(c.in)
	for {
		var text json.RawMessage
		err := d.Decode(&text)
		var wrong *json.SyntaxError
		if errors.As(err, &wrong) {
			c.send(errorMessage{Error: refusal{qmp.ErrGeneric, "JSON parse error, " + wrong.Error()}})
		}
		if err != nil {
			return
		}
		c.execute(text)
	}
}

// execute executes one command.
func (c *conn) execute(text json.RawMessage) {
	var m struct {
		Execute   *string         `json:"execute"`
		ExecOOB   *string         `json:"exec-oob"`
		Arguments json.RawMessage `json:"arguments"`
		ID        json.RawMessage `json:"id"`
	}
	err := json.Unmarshal(text, &m)
	r := &Request{Arguments: m.Arguments, ID: m.ID, Files: c.in.takeFiles(), conn: c}
	switch {
	case err != nil:
		r.Refuse(qmp.ErrGeneric, "QMP input must be a JSON object")
	case m.Execute != nil:
		r.Command = *m.Execute
		r.answer(c.dispatch(r))
	case m.ExecOOB != nil:
		r.Command, r.OOB = *m.ExecOOB, true
		r.answer(c.dispatch(r))
	default:
		r.Refuse(qmp.ErrGeneric, "QMP input lacks member 'execute'")
	}
}

// dispatch answers what belongs to the session itself; the rest is the server's.
func (c *conn) dispatch(r *Request) (any, error) {
	switch {
	case r.Command == "qmp_capabilities":
		return c.negotiate(r)
	case !c.ready:
		r.closeFiles()
		return nil, &qmp.Error{
			Class: qmp.ErrCommandNotFound,
			Desc:  "Expecting capabilities negotiation with 'qmp_capabilities'",
		}
	case r.drains():
		return nil, &qmp.Error{
			Class: qmp.ErrGeneric,
			Desc:  "No file descriptor supplied via SCM_RIGHTS",
		}
	}
	return c.server.answer(r)
}

// negotiate executes qmp_capabilities. It answers by itself, so that no event can come before
// the reply, nor be lost after it.
func (c *conn) negotiate(r *Request) (any, error) {
	r.closeFiles()
	var args struct{ Enable []string }
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	for _, name := range args.Enable {
		if !slices.Contains(c.server.options.Capabilities, name) {
			return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "Capability '" + name + "' is not available"}
		}
	}
	if c.ready {
		return nil, &qmp.Error{
			Class: qmp.ErrCommandNotFound,
			Desc:  "Capabilities negotiation is already complete, command ignored",
		}
	}
	c.writes.Lock()
	defer c.writes.Unlock()
	c.ready = true
	c.writeLocked(c.marshal(returnMessage{Return: struct{}{}, ID: r.ID}))
	return nil, ErrNoReply
}

// send writes one message.
func (c *conn) send(message any) { c.write(c.marshal(message)) }

// sendEvent writes an event, unless it is too early for events.
func (c *conn) sendEvent(m eventMessage) {
	b := c.marshal(m)
	c.writes.Lock()
	defer c.writes.Unlock()
	if c.ready {
		c.writeLocked(b)
	}
}

// marshal returns the bytes of a message, ended as QEMU's are. What cannot be marshalled
// fails the test, and ends the connection so that nobody waits for it.
func (c *conn) marshal(message any) []byte {
	b, err := json.Marshal(message)
	if err != nil {
		c.server.t.Errorf("qmptest: what is to be sent cannot be marshalled: %v", err)
		c.close()
		return nil
	}
	return append(b, '\r', '\n')
}

func (c *conn) write(b []byte) {
	c.writes.Lock()
	defer c.writes.Unlock()
	c.writeLocked(b)
}

// writeLocked writes bytes. That it fails means that the client has left, as it may.
func (c *conn) writeLocked(b []byte) { _, _ = c.net.Write(b) }

func (c *conn) close() { _ = c.net.Close() }
