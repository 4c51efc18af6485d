package schematest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A testServer tells how package qmptest encodes a value. It is the test of its own server, so that a
// value which cannot be encoded is an error here.
type testServer struct {
	testing.TB
	server *qmptest.Server
	client *qmp.Client

	mu    sync.Mutex // the server's goroutine reads value and writes text
	value any        // the next reply
	text  string     // of the last error
}

func newTestServer(t *testing.T) *testServer {
	s := &testServer{TB: t}
	s.server = qmptest.NewServer(s, nil)
	s.server.Handle("x", func(*qmptest.Request) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.value, nil
	})
	s.client = s.server.Dial()
	return s
}

// Errorf keeps an error of the server.
func (s *testServer) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = fmt.Sprintf(format, args...)
}

// reply returns the bytes of a reply.
func (s *testServer) reply(value any) (qmp.RawJSON, error) {
	s.mu.Lock()
	s.value = value
	s.mu.Unlock()
	text, err := qmp.Raw{Command: "x"}.Do(context.Background(), s.client)
	if err != nil { // the server has ended the connection
		s.mu.Lock()
		err = fmt.Errorf("%w: %s", err, s.text)
		s.mu.Unlock()
		s.client = s.server.Dial()
	}
	return text, err
}

// replied checks that a test server's reply of a value is decoded to that value.
func (b *bindings) replied(g *generator, s subject, turn int) error {
	g.noise = noise{unknown: g.oneIn(2)}
	want := b.value(s, g.document(s.typ, turn))
	text, err := b.server.reply(want.Interface())
	if err != nil {
		return fmt.Errorf("%w: %s", err, show(want))
	}
	got, err := decode(s, text)
	if err != nil {
		return fmt.Errorf("%w\nin %s", err, text)
	}
	if d := diff(got, want); d != "" {
		return fmt.Errorf("%s\nin %s", d, text)
	}
	return nil
}
