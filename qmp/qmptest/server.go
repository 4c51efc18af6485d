package qmptest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Server is a QMP server. Several goroutines, including handlers, can call its methods until the test ends,
// which closes the server.
type Server struct {
	t       T
	options Options
	session *introspect.Schema // of what it executes itself

	listen     sync.Once
	listener   net.Listener
	path       string
	goroutines sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	conns      map[*conn]bool
	current    *conn // the one that events go to: the last that was begun
	handlers   map[string]Handler
	script     []*Expectation
	faults     []Fault
	requests   []*Request
	unexpected []string
}

// NewServer makes a server that lives as long as the test t. When t ends, the server fails t for each command
// that was expected and did not come.
func NewServer(t T, opts *Options) *Server {
	s := &Server{t: t, conns: make(map[*conn]bool), handlers: make(map[string]Handler)}
	if opts != nil {
		s.options = *opts
	}
	if s.options.Version == (qmp.Version{}) {
		s.options.Version = versionOfQEMU()
	}
	if s.options.Capabilities == nil {
		s.options.Capabilities = []string{"oob"}
	}
	s.session = newSession(s.options.Capabilities)
	s.faults = slices.Clone(s.options.Faults)
	t.Cleanup(s.close)
	return s
}

// Addr returns the path of the server's UNIX socket, for [qmp.Dial] or another program. The server listens there
// from the first call on. The socket is removed when the test ends.
func (s *Server) Addr() string {
	s.t.Helper()
	s.listen.Do(func() {
		// Not t.TempDir: it has the test's name in it, and sockets' paths are short.
		folder, err := os.MkdirTemp("", "qmptest")
		if err != nil {
			s.t.Fatalf("qmptest: %v", err)
		}
		s.path = filepath.Join(folder, "qmp.sock")
		s.listener, err = net.Listen("unix", s.path)
		if err != nil {
			_ = os.RemoveAll(folder)
			s.t.Fatalf("qmptest: %v", err)
		}
		s.goroutines.Go(s.accept)
	})
	return s.path
}

// Dial returns a client with the default options that is connected to the server's socket. It is closed when
// the test ends.
func (s *Server) Dial() *qmp.Client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	c, err := qmp.Dial(ctx, s.Addr(), nil)
	if err != nil {
		s.t.Fatalf("qmptest: %v", err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Pipe returns the client's end of a connection in memory ([net.Pipe]) that the server serves, for
// [qmp.NewClient]. It cannot carry descriptors and has no buffer: a write lasts until the other end has read.
func (s *Server) Pipe() net.Conn {
	client, server := net.Pipe()
	if c := s.begin(server); c != nil {
		s.goroutines.Go(c.serve)
	}
	return client
}

// Event sends an event to the client and returns when the event has been written. data is anything that
// [Expectation.Reply] takes, or nil for an event without data. As in QEMU, the event is lost if there is no
// client that has negotiated.
func (s *Server) Event(name string, data any) { s.EventAt(time.Now(), name, data) }

// EventAt is [Server.Event] with a timestamp. For the zero Time it sends -1/-1, as QEMU does when its clock
// fails.
func (s *Server) EventAt(at time.Time, name string, data any) {
	s.t.Helper()
	m := eventMessage{Event: name, Data: data, Timestamp: timestamp{-1, -1}}
	if !at.IsZero() {
		m.Timestamp = timestamp{at.Unix(), int64(at.Nanosecond() / 1000)}
	}
	if c := s.client(); c != nil {
		c.sendEvent(m)
	}
}

// Write sends bytes to the client as they are, through the connection's faults: part of a message, several
// messages, or something that is not a message. It does nothing if the server does not serve a client yet.
func (s *Server) Write(b []byte) {
	if c := s.client(); c != nil {
		c.write(b)
	}
}

// Disconnect ends the connection to the client, if there is one. The server still listens.
func (s *Server) Disconnect() {
	if c := s.client(); c != nil {
		c.close()
	}
}

// Greet sends a greeting: the first one with [Options].NoGreeting, otherwise another one.
func (s *Server) Greet() {
	if c := s.client(); c != nil {
		c.greet()
	}
}

// SetFaults sets the faults of later connections. For example, a test of a client that reconnects
// cuts the first connection, and then calls SetFaults() so that later ones work.
func (s *Server) SetFaults(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = newSession(s.options.Capabilities)
	s.faults = slices.Clone(faults)
}

// Requests returns the commands that have come so far, including refused ones. It leaves out
// commands such as qmp_capabilities that the server answers itself.
func (s *Server) Requests() []*Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Request(nil), s.requests...)
}

// accept serves one client after the other, as QEMU does: a second one is accepted by the
// system, but not greeted before the first has left.
func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.t.Errorf("qmptest: %v", err)
			}
			return
		}
		served := make(chan struct{})
		s.goroutines.Go(func() { // a handler or a fault may end this goroutine
			defer close(served)
			s.Serve(nc)
		})
		<-served
	}
}

// Serve serves a connection that the caller has accepted, until its client leaves, and closes it. Descriptors can come
// over it if it is a UNIX socket.
func (s *Server) Serve(nc net.Conn) {
	defer nc.Close()
	var c *conn
	s.blame(func() string { return "a fault" }, func() { c = s.begin(nc) })
	if c != nil {
		c.serve()
	}
}

// blame calls f, which calls functions of the test, such as handlers and faults. If one of them does
// not return, blame fails the test and reports the activity of f.
func (s *Server) blame(doing func() string, f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if value := recover(); value != nil {
			s.t.Errorf("qmptest: %s panicked: %v; the connection ends\n%s", doing(), value, debug.Stack())
		} else {
			s.t.Errorf("qmptest: %s ended its goroutine (runtime.Goexit, which t.FailNow calls); the connection ends", doing())
		}
	}()
	f()
	returned = true
}

// begin makes nc the current client. It returns nil when the server is closed.
func (s *Server) begin(nc net.Conn) *conn {
	s.mu.Lock()
	faults := s.faults
	s.mu.Unlock()
	c := newConn(s, nc, faults)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.close()
		return nil
	}
	s.conns[c] = true
	s.current = c
	return c
}

// done forgets a connection that has ended.
func (s *Server) done(c *conn) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		if s.current == c {
			s.current = nil
		}
	}()
	c.close()
}

func (s *Server) client() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// close ends everything and fails the test if expected commands have not come.
func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()

	if s.listener != nil {
		_ = s.listener.Close()
	}
	for _, c := range conns {
		c.close()
	}
	s.goroutines.Wait()
	if s.path != "" {
		_ = os.RemoveAll(filepath.Dir(s.path))
	}
	for _, r := range s.requests {
		closeFiles(r.Files)
	}
	s.reportUnmet()
}
