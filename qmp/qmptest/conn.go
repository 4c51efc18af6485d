package qmptest

import (
	"context"
	"io"
	"net"
	"sync"

	"github.com/qmpkit/qmpkit/internal/fdconn"
	"github.com/qmpkit/qmpkit/qmp"
)

// A conn is a connection to a client.
type conn struct {
	server *Server
	net    net.Conn
	in     fdconn.Conn
	files  pendingFiles
	oob    bool // "oob" has been enabled

	serving string // the command that is being executed, or was last

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	writes   sync.Mutex
	out      io.WriteCloser // to net, by way of the faults
	gathered gathering
	ready    bool // qmp_capabilities has been executed: set while serving, with writes held
}

func newConn(s *Server, nc net.Conn, faults []Fault) *conn {
	c := &conn{server: s, net: nc, in: fdconn.New(nc), ready: s.options.Guest}
	// Not of the test's context: that ends before the test's cleanups, which may have commands.
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.out = throughFaults(lineEnd{c}, faults)
	return c
}

// serve executes the client's commands, one after the other, until it leaves, or a function of the
// test does not return.
func (c *conn) serve() {
	defer c.server.done(c)
	defer func() { c.files.close() }()
	c.server.blame(c.doing, c.serveUntilEnd)
}

// doing describes the present work of the connection, which may call a function of the test.
func (c *conn) doing() string {
	if c.serving == "" {
		return "greeting a client"
	}
	return "the handler of " + c.serving + ", or sending its answer,"
}

func (c *conn) serveUntilEnd() {
	if !c.server.options.NoGreeting && !c.server.options.Guest {
		c.greet()
	}
	var p parser
	for buffer := make([]byte, 4096); c.ctx.Err() == nil; {
		n, files, err := c.in.Read(buffer)
		if len(files) > 0 {
			c.files.put(files)
		}
		for _, b := range buffer[:n] {
			for _, m := range p.feed(b) {
				c.handle(m)
			}
		}
		if err != nil {
			return
		}
	}
}

// handle answers a message. Once the connection has ended those that are still to be read are
// left.
func (c *conn) handle(m message) {
	switch {
	case c.ctx.Err() != nil:
	case m.err != "":
		c.send(errorMessage{Error: refusal{qmp.ErrGeneric, m.err}})
	default:
		c.execute(m.text)
	}
}

func (c *conn) greet() { c.send(c.server.greeting()) }

// send writes one message.
func (c *conn) send(message any) { c.write(c.marshal(message)) }

// sendEvent writes an event, unless it is too early for events.
func (c *conn) sendEvent(m eventMessage) {
	if c.server.options.Guest {
		return // an agent has none
	}
	b := c.marshal(m)
	c.writes.Lock()
	defer c.writes.Unlock()
	if c.ready {
		c.writeLocked(b)
	}
}

// marshal returns the bytes of a message, ended as QEMU's are. A value that cannot be marshalled
// fails the test, and ends the connection so that no client waits for it.
func (c *conn) marshal(message any) []byte {
	b, err := marshal(message)
	if err != nil {
		c.server.t.Errorf("qmptest: the value to send cannot be marshalled: %v", err)
		c.close()
		return nil
	}
	return c.server.options.format(b)
}

func (c *conn) write(b []byte) {
	c.writes.Lock()
	defer c.writes.Unlock()
	c.writeLocked(b)
}

// writeLocked writes bytes, or keeps them if they are to go out together with others. That
// writing fails means that the client has left, as it may.
func (c *conn) writeLocked(b []byte) {
	if len(b) == 0 {
		return // not marshalled
	}
	for _, b := range c.gathered.add(b) {
		_, _ = c.out.Write(b)
	}
}

// close ends the connection. It also closes the faults, so that they do not delay a write.
func (c *conn) close() {
	defer c.shut() // also if a fault panics
	_ = c.out.Close()
}

func (c *conn) shut() {
	c.cancel()
	_ = c.net.Close()
}
