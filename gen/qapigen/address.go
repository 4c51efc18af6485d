package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// addressHelp explains ADDRESS, for the help of the subcommands.
const addressHelp = `The ADDRESS of a running server is the address of its QMP monitor (QEMU's option -qmp):

  unix:PATH         a Unix socket; PATH alone if the socket exists; @NAME for an abstract socket
  tcp:HOST:PORT     HOST is a name or an IP address; an IPv6 address is in brackets
  vsock:CID:PORT    the CID of a virtual machine, or 2 for its host

A socket of a server serves one client at a time.`

// sourceHelp explains SOURCE.
const sourceHelp = `SOURCE is the main file of a schema (qapi-schema.json), a file that capture wrote, or an ADDRESS.
` + addressHelp

// serverAddress returns the address of a server for dialServer, if name is an address on the command line.
// It returns false for a file, or if nothing has this name.
func serverAddress(name string) (string, bool) {
	for _, prefix := range []string{"unix:", "tcp:", "vsock:", "@"} {
		if strings.HasPrefix(name, prefix) {
			return name, true
		}
	}
	if info, err := os.Stat(name); err == nil {
		return "unix:" + name, info.Mode().Type() == fs.ModeSocket
	}
	_, err := netip.ParseAddrPort(name)
	return "tcp:" + name, err == nil || strings.HasPrefix(name, "localhost:")
}

// serverLimit is how long a server may take to greet and to answer: 20 ms, unless another client
// holds its monitor.
var serverLimit = 10 * time.Second

// askServer asks a running server for its schema.
func askServer(ctx context.Context, address string) (*source, error) {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	step(ctx, "waiting for the greeting of "+address)
	c, err := dialServer(ctx, address)
	if err != nil {
		return nil, advise(err, dialAdvice(address, err))
	}
	defer c.Close()
	step(ctx, "waiting for the schema of "+address)
	view, err := qmpschema.Query(ctx, c)
	if err != nil {
		return nil, advise(err, queryAdvice(err))
	}
	version := c.Version()
	version.Package = ""
	return &source{view: view, version: version.String()}, nil
}

// dialServer is qmp.Dial without a lookup of host names.
func dialServer(ctx context.Context, address string) (*qmp.Client, error) {
	hostPort, tcp := strings.CutPrefix(address, "tcp:")
	if _, err := netip.ParseAddrPort(hostPort); !tcp || err == nil {
		return qmp.Dial(ctx, address, nil)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return nil, err
	}
	return qmp.NewClient(ctx, conn, nil)
}

// dialAdvice says what to do if the client cannot connect.
func dialAdvice(address string, err error) string {
	_, garbage := errors.AsType[*qmp.ProtocolError](err)
	_, unreachable := errors.AsType[net.Error](err)
	switch {
	case strings.TrimPrefix(address, "unix:") == "":
		return "write the path of the socket after unix:; in a go:generate line, is the variable set?"
	case garbage, errors.Is(err, io.EOF):
		return "this is not a QMP monitor; perhaps it is a human monitor (-monitor): give the socket of -qmp, or of -mon with mode=control"
	case errors.Is(err, fs.ErrPermission):
		return "run qapigen as the user that the server runs as"
	case strings.HasPrefix(address, "vsock:") && isDial(err):
		return "check the CID and the port, and that a QMP server listens there; a guest agent has no introspection"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no server listens there: start QEMU with -qmp %s,server=on,wait=off, or give the address that it was started with", withScheme(address))
	case errors.Is(err, context.DeadlineExceeded) && !isDial(err):
		return "end the other client, or start QEMU with one more -qmp; a guest agent does not greet, and has no introspection: generate from its schema, qga/qapi-schema.json"
	case unreachable:
		return "an address is unix:PATH, tcp:HOST:PORT or vsock:CID:PORT"
	}
	return ""
}

// isDial reports whether an error is about connecting, and not about the answers.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// withScheme returns an address in the form of QEMU's options.
func withScheme(address string) string {
	if name, ok := strings.CutPrefix(address, "@"); ok {
		return "unix:" + name + ",abstract=on"
	}
	return address
}

// queryAdvice says what to do if a server gives no schema.
func queryAdvice(err error) string {
	_, malformed := errors.AsType[*introspect.ReadError](err)
	switch {
	case errors.Is(err, qmp.ErrCommandNotFound):
		return "the server has no introspection: generate from the schema in its source"
	case errors.Is(err, context.DeadlineExceeded):
		return "the server is stopped or very busy: try again"
	case malformed:
		return "qapigen does not know this kind of server"
	}
	return ""
}
