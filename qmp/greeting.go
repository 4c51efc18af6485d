package qmp

import (
	"context"
	"net"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// NewClient makes a client of a connection from which nothing has been read. It waits for the server's
// greeting and negotiates capabilities. It gives up when ctx ends. The client does not use ctx after that.
//
// The connection belongs to the client, which closes it if NewClient fails. NewClient clears the deadlines of
// the connection. Do not set one later: it ends the connection.
func NewClient(ctx context.Context, conn net.Conn, opts *Options) (*Client, error) {
	c := newClient(conn, opts)
	c.start()
	if err := c.awaitGreeting(ctx); err != nil {
		_ = c.Close()
		return nil, c.in.noGreeting(err)
	}
	if err := c.negotiate(ctx); err != nil {
		_ = c.Close()
		return nil, wrap("qmp: negotiation failed", err)
	}
	return c, nil
}

// awaitGreeting waits until the server has greeted.
func (c *Client) awaitGreeting(ctx context.Context) error {
	select {
	case <-c.greeted:
		c.greeted = nil
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return wait.Err(ctx)
	}
}

// negotiate brings the connection to where commands can be executed.
func (c *Client) negotiate(ctx context.Context) error {
	call := Call{Command: "qmp_capabilities"}
	if c.options.OOB {
		call.Args = enableOOB{}
	}
	err := c.Execute(ctx, &call)
	if _, refused := err.(*Error); refused && c.options.OOB {
		call = Call{Command: call.Command}
		err = c.Execute(ctx, &call)
	} else if c.options.OOB {
		c.useOOB()
	}
	return err
}

// useOOB prepares the client for oob.
func (c *Client) useOOB() {
	c.oob = true
	c.inBand = make(chan struct{}, maxInBand)
	c.calls.mu.Lock()
	c.calls.outOfOrder = true
	c.calls.mu.Unlock()
}

// Version returns the server's version, from its greeting.
func (c *Client) Version() Version {
	g := c.readGreeting()
	return Version{Major: g.qemu.major, Minor: g.qemu.minor, Micro: g.qemu.micro, Package: g.pkg}
}

// Capabilities returns the names of the capabilities that the server's greeting offered:
// "oob", or none.
func (c *Client) Capabilities() []string { return c.readGreeting().capabilities }

// readGreeting decodes the greeting. It is done when it is asked for, so that programs that do
// not ask are smaller. A part that cannot be read stays zero, and commands still work.
func (c *Client) readGreeting() (g greeting) {
	d := wire.NewDecoder(c.greeting)
	d.Object(&g)
	return g
}

// enableOOB are the arguments of qmp_capabilities.
type enableOOB struct{}

func (enableOOB) EncodeMembers(e *wire.Encoder) {
	e.Name("enable").BeginArray()
	e.Elem().String("oob")
	e.EndArray()
}

// A greeting is the value of a greeting's member QMP.
type greeting struct {
	qemu         qemuVersion
	pkg          string
	capabilities []string
}

func (g *greeting) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "version":
		d.Object((*greetingVersion)(g))
		return 1
	case "capabilities":
		g.capabilities = nil
		for ok := d.Array(); ok; ok = d.More() {
			g.capabilities = append(g.capabilities, d.String())
		}
		return 2
	}
	return 0
}

// A greetingVersion reads the member version of a greeting.
type greetingVersion greeting

func (v *greetingVersion) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "qemu":
		d.Object(&v.qemu)
		return 1
	case "package":
		v.pkg = d.String()
		return 2
	}
	return 0
}

type qemuVersion struct{ major, minor, micro int }

func (v *qemuVersion) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "major":
		v.major = int(d.Int32())
		return 1
	case "minor":
		v.minor = int(d.Int32())
		return 2
	case "micro":
		v.micro = int(d.Int32())
		return 3
	}
	return 0
}
