package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// addressHelp explains ADDRESS, for the help of the subcommands.
const addressHelp = `The ADDRESS of a running server is the address of its QMP monitor (QEMU's option -qmp):

` + address.Help + `

A socket of a server serves one client at a time.`

// sourceHelp explains SOURCE.
const sourceHelp = `SOURCE is the main file of a schema (qapi-schema.json), a file that capture wrote, or an ADDRESS.
` + addressHelp

// serverLimit is how long a server may take to greet and to answer: 20 ms, unless another client
// holds its monitor.
var serverLimit = 10 * time.Second

// askServer asks a running server for its schema.
func askServer(ctx context.Context, server string) (*source, error) {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	step(ctx, "waiting for the greeting of "+server)
	c, err := address.Dial(ctx, server, nil)
	if err != nil {
		return nil, advise(address.Plain(err), dialAdvice(server, err))
	}
	defer c.Close()
	step(ctx, "waiting for the schema of "+server)
	view, err := qmpschema.Query(ctx, c)
	if err != nil {
		return nil, advise(err, queryAdvice(err))
	}
	version := c.Version()
	version.Package = ""
	return &source{view: view, version: version.String()}, nil
}

// dialAdvice says what to do if the client cannot connect.
func dialAdvice(server string, err error) string {
	advice := address.Advice("qapigen", server, err)
	switch {
	case strings.TrimPrefix(server, "unix:") == "":
		advice += "; in a go:generate line, is the variable set?"
	case strings.HasPrefix(server, "vsock:") && address.IsDial(err):
		advice += "; a guest agent has no introspection"
	case strings.HasSuffix(advice, "a guest agent does not greet"):
		advice += ", and has no introspection: generate from its schema, qga/qapi-schema.json"
	}
	return advice
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
