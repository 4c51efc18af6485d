package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// sourceHelp says what loadView takes, for the help of the subcommands.
const sourceHelp = `SOURCE is a schema's main file, a file with the answer to query-qmp-schema, or a server that
is running: the path of its socket, "unix:PATH", "tcp:ADDRESS:PORT" or "vsock:CID:PORT".`

// serverLimit is how long a server may take to greet and to answer: 20 ms, unless another client
// holds its monitor.
var serverLimit = 10 * time.Second

// A source is what was found there: a schema, or what a server said of its own.
type source struct {
	schema  *qapi.Schema       // nil: it is a server's view
	view    *introspect.Schema // nil: it is a schema
	version string             // of the server that was asked; else ""
}

// openSource reads what a source names.
func openSource(ctx context.Context, name string) (*source, error) {
	if isAddress(name) {
		return askServer(ctx, name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if info.Mode().Type() == fs.ModeSocket {
		return askServer(ctx, name)
	}
	text, err := readAnswer(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if isAnswer(text) {
		view, err := introspect.Read(text)
		return &source{view: view}, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("this is no answer to query-qmp-schema, and a schema is read from a file, from which others are included")
	}
	schema, err := qapi.Load(name, nil)
	return &source{schema: schema}, err
}

// loadView returns a server's view of the schema that a source has or is; a schema's file has the
// names of types, which a server does not tell.
func loadView(ctx context.Context, name string) (*introspect.Schema, error) {
	s, err := openSource(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.view != nil {
		return s.view, nil
	}
	return s.schema.Introspect(qapi.IntrospectOptions{Unmask: true}), nil
}

// isAddress tells whether a source says of itself that it is a server's address.
func isAddress(source string) bool {
	for _, prefix := range []string{"unix:", "tcp:", "vsock:"} {
		if strings.HasPrefix(source, prefix) {
			return true
		}
	}
	return false
}

// loadNamed is loadView with errors that say which source it is about, as diagnostics do anyway.
func loadNamed(ctx context.Context, source string) (*introspect.Schema, error) {
	s, err := loadView(ctx, source)
	return s, named(source, err)
}

// named says which source an error is about, as diagnostics do anyway.
func named(source string, err error) error {
	if _, ok := errors.AsType[qapi.Diagnostics](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", source, err)
}

// maxAnswer is how long an answer may be: what QEMU can send.
const maxAnswer = 64 << 20

// readAnswer reads what may be a server's answer, or the begin of a schema.
func readAnswer(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("this is longer than 64 MiB, the longest answer that a server can give")
	}
	return text, err
}

// withoutPath returns the reason alone: who calls knows which file it is about.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// isAnswer tells a server's answer, or its whole reply, from the text of a schema: schemas have
// no arrays outside of objects, and no double quotes.
func isAnswer(text []byte) bool {
	text = bytes.TrimSpace(text)
	inside, object := bytes.CutPrefix(text, []byte("{"))
	return bytes.HasPrefix(text, []byte("[")) || object && bytes.HasPrefix(bytes.TrimSpace(inside), []byte(`"`))
}

// askServer asks a server that is running.
func askServer(ctx context.Context, address string) (*source, error) {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	c, err := qmp.Dial(ctx, address, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w; a guest agent does not greet, and has no introspection: generate from its schema, qga/qapi-schema.json", err)
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	view, err := qmpschema.Query(ctx, c)
	if err != nil {
		return nil, err
	}
	version := c.Version()
	version.Package = ""
	return &source{view: view, version: version.String()}, nil
}
