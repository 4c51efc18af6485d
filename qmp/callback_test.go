//go:build linux

package qmp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// failure is a way in which a callback does not return.
type failure struct {
	name string
	fail func()
	text string // of the error
}

func failures() []failure {
	var none *brokenText
	return []failure{
		{"panic", func() { panic("at the disco") }, " panicked: at the disco"},
		{"panic with an error", func() { panic(io.EOF) }, " panicked: EOF"}, // not the end of the connection
		{"panic with a number", func() { panic(7) }, " panicked: 7"},
		{"panic with a text", func() { panic(time.Second) }, " panicked: 1s"},
		{"panic with something", func() { panic(struct{}{}) }, " panicked: a value of type struct {}"},
		{"panic that cannot be printed", func() { panic(none) }, " panicked: a value of type *qmp_test.brokenText"},
		{"runtime error", func() { _ = *(*int)(nil) }, " panicked: runtime error: invalid memory address"},
		{"Goexit", runtime.Goexit, " ended its goroutine (runtime.Goexit, which t.FailNow calls)"},
	}
}

type brokenText struct{ text string }

func (b *brokenText) Error() string { return b.text }

// A saboteur is a program with callbacks, of which the one that is armed fails.
type saboteur struct {
	writing sync.Mutex // held by Write
	armed   atomic.Pointer[string]
	fail    func()
}

// arm has the next call of a callback fail, not one that is under way.
func (s *saboteur) arm(callback string) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.armed.Store(&callback)
}

// call is called by each callback.
func (s *saboteur) call(callback string) {
	if armed := s.armed.Load(); armed != nil && *armed == callback {
		s.armed.Store(nil)
		s.fail()
	}
}

func (s *saboteur) options() *qmp.Options {
	return &qmp.Options{
		Logger: loggerFunc(func(_ context.Context, msg string, _ ...any) { s.call(msg) }),
		Trace: func(m qmp.TraceMessage) {
			if m.Sent {
				s.call("sent")
			} else {
				s.call("received")
			}
		},
	}
}

// sabotagedConn is a connection that is not package net's.
type sabotagedConn struct {
	net.Conn
	*saboteur
}

func (c sabotagedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.call("Read")
	return n, err
}

func (c sabotagedConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := c.Conn.Write(b)
	c.call("Write")
	return n, err
}

func (c sabotagedConn) Close() error {
	err := c.Conn.Close()
	c.call("Close")
	return err
}

func (c sabotagedConn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	c.call("SetDeadline")
	return err
}

// returns fails the test if f does not return.
func returns(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(waitTime):
		t.Fatal(what + " does not return")
	}
}

// TestCallbacksThatDoNotReturn: the connection ends with an error that names the callback, and
// every caller returns.
func TestCallbacksThatDoNotReturn(t *testing.T) {
	event := `{"event": "A"}{"event": "STOP"}` + "\r\n"
	for _, c := range []struct {
		armed   string
		name    string // in the error
		happens func(c *qmp.Client, p *peer)
	}{
		{"match", "the match function of EventsFunc", func(_ *qmp.Client, p *peer) { p.write(event) }},
		{"received", "Options.Trace", func(_ *qmp.Client, p *peer) { p.write(event) }},
		{"sent", "Options.Trace", func(c *qmp.Client, _ *peer) { go run(context.Background(), c, "b") }},
		{"qmp: message dropped", "Options.Logger", func(_ *qmp.Client, p *peer) { p.write(`{"news": 1}`) }},
		{"qmp: command", "Options.Logger", func(c *qmp.Client, _ *peer) { go run(context.Background(), c, "b") }},
		{"qmp: command ended", "Options.Logger", func(c *qmp.Client, _ *peer) {
			go func() {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_, _ = run(ctx, c, "b")
			}()
		}},
		{"qmp: connection ended", "Options.Logger", func(_ *qmp.Client, p *peer) { _ = p.Close() }},
		{"Read", "net.Conn.Read", func(_ *qmp.Client, p *peer) { p.write(event) }},
		{"Write", "net.Conn.Write", func(c *qmp.Client, _ *peer) { go run(context.Background(), c, "b") }},
		{"Close", "net.Conn.Close", func(_ *qmp.Client, p *peer) { _ = p.Close() }},
	} {
		for _, f := range failures() {
			for _, socket := range []bool{false, true} {
				if socket && strings.HasPrefix(c.name, "net.Conn") {
					continue // a socket's methods are not the program's
				}
				name := c.armed + "/" + f.name + "/pipe"
				if socket {
					name = c.armed + "/" + f.name + "/socket"
				}
				t.Run(name, func(t *testing.T) {
					s := &saboteur{fail: f.fail}
					server, conn := net.Pipe()
					if socket {
						ends := qmp.SocketPair(t)
						server, conn = ends[0], ends[1]
					} else {
						conn = sabotagedConn{conn, s}
					}
					p := &peer{server, t}
					defer p.Close()
					go p.negotiate()
					client, err := qmp.NewClient(limit(t), conn, s.options())
					require.NoError(t, err)
					events := client.EventsFunc(func(e qmp.RawEvent) bool {
						if e.Name == "STOP" {
							s.call("match")
						}
						return true
					})
					pending := make(chan error, 1)
					go func() {
						_, err := run(context.Background(), client, "a")
						pending <- err
					}()
					p.expect(`{"execute":"a","id":1}`)
					go func() { _, _ = io.Copy(io.Discard, p) }()

					s.arm(c.armed)
					c.happens(client, p)

					returns(t, "Done", func() { <-client.Done() })
					err = client.Err()
					failed, ok := errors.AsType[*qmp.CallbackError](err)
					require.True(t, ok, err)
					require.Equal(t, c.name, failed.Callback)
					require.ErrorContains(t, err, c.name+f.text)
					require.Contains(t, failed.Stack, "callback_test.go")
					require.Equal(t, f.name == "Goexit", failed.Value == nil)
					returns(t, "Close", func() { require.NoError(t, client.Close()) })
					returns(t, "Next", func() {
						for err = nil; err == nil; {
							_, err = events.Next(context.Background())
						}
						require.ErrorAs(t, err, &failed)
					})
					returns(t, "a new command", func() {
						_, err = run(context.Background(), client, "c")
						require.ErrorIs(t, err, qmp.ErrNotSent)
						require.ErrorAs(t, err, &failed)
					})
					if f.name == "Goexit" && len(pending) == 0 {
						return // its caller may have read for others: then its goroutine has ended
					}
					returns(t, "the pending command", func() {
						err = <-pending
						require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
						require.True(t, qmp.MayHaveExecuted(err))
					})
				})
			}
		}
	}
}

// TestCallbacksBeforeTheGreeting: NewClient fails.
func TestCallbacksBeforeTheGreeting(t *testing.T) {
	for _, armed := range []string{"SetDeadline", "Read", "received"} {
		for _, f := range failures() {
			t.Run(armed+"/"+f.name, func(t *testing.T) {
				s := &saboteur{fail: f.fail}
				server, conn := net.Pipe()
				p := &peer{server, t}
				defer p.Close()
				go p.write(greeting)
				s.arm(armed)
				returns(t, "NewClient", func() {
					_, err := qmp.NewClient(context.Background(), sabotagedConn{conn, s}, s.options())
					require.ErrorContains(t, err, f.text)
				})
				_, err := conn.Write([]byte("x"))
				require.ErrorIs(t, err, io.ErrClosedPipe, "the connection was left open")
			})
		}
	}
}

// TestWriteThatPanics may have sent everything.
func TestWriteThatPanics(t *testing.T) {
	s := &saboteur{fail: func() { panic("late") }}
	server, conn := net.Pipe()
	p := &peer{server, t}
	go func() {
		p.negotiate()
		_, _ = io.Copy(io.Discard, p)
	}()
	c, err := qmp.NewClient(limit(t), sabotagedConn{conn, s}, nil)
	require.NoError(t, err)
	s.arm("Write")
	_, err = run(limit(t), c, "a")
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "net.Conn.Write panicked: late")
	require.NoError(t, c.Close())
	require.NoError(t, p.Close())
}

// TestOwnFunctionsThatPanic: functions of one command run on the goroutine of its caller. A panic
// reaches the caller, and the connection stays usable.
func TestOwnFunctionsThatPanic(t *testing.T) {
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			c, p := connectPeer(t, nil)
			call := func(call *qmp.Call) {
				done := make(chan any)
				go func() {
					defer func() { done <- recover() }()
					_ = c.Execute(limit(t), call)
				}()
				require.Equal(t, f.name != "Goexit", <-done != nil)
			}
			call(&qmp.Call{Command: "a", Args: badArgs(f.fail)})
			go func() {
				p.expect(`{"execute":"b","id":1}`)
				p.write(`{"return": {}, "id": 1}`)
				p.expect(`{"execute":"c","id":2}`)
				p.write(`{"return": {}, "id": 2}`)
			}()
			call(&qmp.Call{Command: "b", Result: func(*wire.Decoder) { f.fail() }})
			_, err := run(limit(t), c, "c")
			require.NoError(t, err)
		})
	}
}

type badArgs func()

func (f badArgs) EncodeMembers(*wire.Encoder) { f() }

// TestCallbackOfAGuestClient ends its connection, too.
func TestCallbackOfAGuestClient(t *testing.T) {
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			s := &saboteur{fail: f.fail}
			p, conn := newPeer(t)
			go p.sync("")
			g, err := qmp.NewGuestClient(limit(t), conn, s.options())
			require.NoError(t, err)
			go func() {
				p.until(':')
				p.write(`{"return": {}, "id": 1}`)
			}()
			s.arm("received")
			returns(t, "the command", func() {
				_, err = ask(context.Background(), g, "guest-ping")
				require.ErrorContains(t, err, "Options.Trace"+f.text)
			})
			returns(t, "Close", func() { require.NoError(t, g.Close()) })
			require.ErrorContains(t, g.Err(), "Options.Trace"+f.text)
		})
	}
}
