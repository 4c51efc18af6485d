package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A source is the content of a SOURCE: a schema, or the answer of a server.
type source struct {
	schema  *qapi.Schema       // nil: it is a server's view
	view    *introspect.Schema // nil: it is a schema
	version string             // of the server that was asked; else ""
}

// openSource reads what a source names.
func openSource(ctx context.Context, name string) (*source, error) {
	if server, ok := address.Of(name); ok {
		return askServer(ctx, server)
	}
	step(ctx, "reading "+name)
	if err := notAFile(name); err != nil {
		return nil, err
	}
	text, err := readAnswer(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if isAnswer(text) {
		view, err := introspect.Read(text)
		if err != nil {
			return nil, advise(err, answerAdvice(text))
		}
		if len(view.Infos) == 0 {
			return nil, errors.New("this answer to query-qmp-schema is empty: no server has such a schema")
		}
		return &source{view: view}, nil
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("this is not an answer to query-qmp-schema; give a schema as a regular file, because it includes others")
	}
	schema, err := loadFile(name, nil)
	if err != nil {
		return nil, err
	}
	if len(schema.Definitions) == 0 {
		return nil, errors.New("this has no definitions: " + wantMain)
	}
	return &source{schema: schema}, nil
}

// loadView returns a source as the schema that a server sends. If the source is a file of a schema,
// the types keep their names.
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

// withoutPath returns the reason alone, because the caller knows the file.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// isAnswer reports whether a text is the answer of a server, or its whole reply, and not a schema:
// schemas have no arrays outside of objects, and no double quotes.
func isAnswer(text []byte) bool {
	text = bytes.TrimSpace(text)
	inside, object := bytes.CutPrefix(text, []byte("{"))
	return bytes.HasPrefix(text, []byte("[")) || object && bytes.HasPrefix(bytes.TrimSpace(inside), []byte(`"`))
}
