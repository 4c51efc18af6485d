package qmp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// socketPath is short enough for a socket whatever the test is called.
func socketPath(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "qmp")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// serve negotiates with the next client of l.
func serve(t *testing.T, l net.Listener) {
	conn, err := l.Accept()
	if err == nil {
		(&peer{conn, t}).negotiate()
		_ = conn.Close()
	}
}

func TestDialWait(t *testing.T) {
	path := socketPath(t)
	go func() {
		time.Sleep(20 * time.Millisecond)
		l, err := net.Listen("unix", path)
		if err == nil {
			serve(t, l)
			_ = l.Close()
		}
	}()
	c, err := qmp.DialWait(limit(t), path, nil, nil)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestDialWaitEnds(t *testing.T) {
	path := socketPath(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // a slow machine has tried once
	defer cancel()
	_, err := qmp.DialWait(ctx, path, nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, os.ErrNotExist)

	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	exited := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(exited) })
	_, err = qmp.DialWait(limit(t), path, exited, nil)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "the process has ended before its socket could be used")

	_, err = qmp.DialWait(limit(t), "somewhere.example:1", nil, nil)
	require.ErrorContains(t, err, "not an IP address and port", "waiting does not mend it")
}

// TestDialWaitEndsWithTheProcess also if something has accepted the connection: the manager, which
// holds the listening socket, or a process that has inherited the server's.
func TestDialWaitEndsWithTheProcess(t *testing.T) {
	l, err := net.Listen("unix", socketPath(t))
	require.NoError(t, err)
	defer l.Close()
	for name, begin := range map[string]func(p *peer, exit func()){
		"before greeting": func(_ *peer, exit func()) { exit() },
		"while greeting":  func(p *peer, exit func()) { p.write(`{"QMP": `); exit() },
		"after greeting":  func(p *peer, exit func()) { p.write(greeting); p.expect(`{"execute":"qmp_cap`); exit() },
	} {
		t.Run(name, func(t *testing.T) {
			exited := make(chan struct{})
			ended := make(chan struct{})
			defer close(ended)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					begin(&peer{conn, t}, func() { close(exited) })
					<-ended // it is not closed before
					_ = conn.Close()
				}
			}()
			ctx := limit(t)
			_, err := qmp.DialWait(ctx, l.Addr().String(), exited, nil)
			require.ErrorContains(t, err, "the process has ended before its socket could be used")
			require.ErrorContains(t, err, l.Addr().String()+": ")
			require.NotErrorIs(t, err, context.Canceled)
			require.NoError(t, ctx.Err())
		})
	}

	exited := make(chan struct{})
	close(exited)
	_, err = qmp.DialWait(limit(t), l.Addr().String(), exited, nil) // it may be in the socket's queue
	require.ErrorContains(t, err, "the process has ended before its socket could be used")
	_, err = qmp.DialWait(limit(t), "127.0.0.1:1", exited, nil)
	require.ErrorContains(t, err, "the process has ended before its socket could be used")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = qmp.DialWait(ctx, l.Addr().String(), exited, nil)
	require.ErrorIs(t, err, context.Canceled, "the caller's context counts first")
}

func TestAccept(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	_, err = qmp.Accept(ctx, l, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	go func() {
		conn, err := net.Dial("unix", path)
		if err == nil {
			(&peer{conn, t}).negotiate()
			_ = conn.Close()
		}
	}()
	c, err := qmp.Accept(limit(t), l, nil)
	require.NoError(t, err, "the listener can be used again")
	require.NoError(t, c.Close())
	require.NoError(t, l.Close())
	_, err = qmp.Accept(limit(t), l, nil)
	require.ErrorIs(t, err, net.ErrClosed)
}

// listeners are the listeners that Accept can duplicate.
func listeners(t *testing.T) map[string]net.Listener {
	t.Helper()
	unix, err := net.Listen("unix", socketPath(t))
	require.NoError(t, err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(); _ = tcp.Close() })
	return map[string]net.Listener{"unix": unix, "tcp": tcp}
}

// connectTo is a server that dials.
func connectTo(t *testing.T, l net.Listener) {
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err == nil {
		(&peer{conn, t}).negotiate()
		_ = conn.Close()
	}
}

// TestAcceptKeepsADeadline that the listener has, whether ctx ends or a server comes.
func TestAcceptKeepsADeadline(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot duplicate a listener")
	}
	for name, l := range listeners(t) {
		t.Run(name, func(t *testing.T) {
			deadline := l.(interface{ SetDeadline(time.Time) error }).SetDeadline
			require.NoError(t, deadline(time.Unix(1, 0)))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(5*time.Millisecond, cancel)
			_, err := qmp.Accept(ctx, l, nil)
			require.Equal(t, context.Canceled, errors.Unwrap(err))
			require.ErrorContains(t, err, "qmp: accept on "+l.Addr().Network()+":"+l.Addr().String()+": no server has connected: ")
			go connectTo(t, l)
			c, err := qmp.Accept(limit(t), l, nil)
			require.NoError(t, err, "the limit is that of ctx")
			require.NoError(t, c.Close())
			_, err = l.Accept()
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			_, err = qmp.Accept(context.Background(), l, nil)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, "a context that cannot end is no limit")

			require.NoError(t, deadline(time.Time{}))
			go connectTo(t, l)
			c, err = qmp.Accept(context.Background(), l, nil)
			require.NoError(t, err)
			require.NoError(t, c.Close())
		})
	}
}

// TestAcceptTwice: each of several Accepts has its own context, and each server goes to one
// Accept.
func TestAcceptTwice(t *testing.T) {
	for name, l := range listeners(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(limit(t))
			impatient, patient := make(chan error, 8), make(chan error, 3)
			for range cap(impatient) {
				go func() {
					_, err := qmp.Accept(ctx, l, nil)
					impatient <- err
				}()
			}
			for range cap(patient) {
				go func() {
					c, err := qmp.Accept(limit(t), l, nil)
					if err == nil {
						err = c.Close()
					}
					patient <- err
				}()
			}
			time.Sleep(10 * time.Millisecond) // most of them wait by now
			cancel()
			for range cap(impatient) {
				require.ErrorIs(t, <-impatient, context.Canceled)
			}
			for range cap(patient) {
				require.Empty(t, patient, "the context of another Accept has ended this one")
				connectTo(t, l)
				require.NoError(t, <-patient)
			}
		})
	}
}

// TestAcceptOnListenerThatIsClosed ends, before and while it waits.
func TestAcceptOnListenerThatIsClosed(t *testing.T) {
	for name, l := range listeners(t) {
		t.Run(name, func(t *testing.T) {
			time.AfterFunc(10*time.Millisecond, func() { _ = l.Close() })
			for range 2 {
				_, err := qmp.Accept(limit(t), l, nil)
				require.ErrorIs(t, err, net.ErrClosed)
			}
			conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
			if err == nil {
				_ = conn.Close()
			}
			require.Error(t, err, "the socket is still there")
		})
	}
}

// wrapped is a listener with an Accept of its own, which is not passed over.
type wrapped struct {
	*net.UnixListener
	accepted int
}

func (w *wrapped) Accept() (net.Conn, error) { w.accepted++; return w.UnixListener.Accept() }

func TestAcceptOnAnyListener(t *testing.T) {
	l, err := net.Listen("unix", socketPath(t))
	require.NoError(t, err)
	w := &wrapped{UnixListener: l.(*net.UnixListener)}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err = qmp.Accept(ctx, w, nil)
	require.ErrorIs(t, err, context.Canceled)
	go connectTo(t, l)
	c, err := qmp.Accept(limit(t), w, nil)
	require.NoError(t, err, "it can be used again")
	require.NoError(t, c.Close())
	require.Equal(t, 2, w.accepted)
}

// deaf is a listener that has no deadline.
type deaf struct{ closed chan struct{} }

func (d *deaf) Accept() (net.Conn, error) { <-d.closed; return nil, net.ErrClosed }
func (d *deaf) Close() error              { close(d.closed); return nil }
func (d *deaf) Addr() net.Addr            { return nil }

func TestAcceptWithoutDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	_, err := qmp.Accept(ctx, &deaf{make(chan struct{})}, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestPipes(t *testing.T) {
	fromServer, toClient, err := os.Pipe()
	require.NoError(t, err)
	fromClient, toServer, err := os.Pipe()
	require.NoError(t, err)
	server := &peer{qmp.Pipes(fromClient, toClient), t}
	go func() {
		server.negotiate()
		server.expect(`{"execute":"a","id":1}`)
		server.write(`{"return": {}, "id": 1}`)
	}()
	conn := qmp.Pipes(fromServer, toServer)
	require.Equal(t, "pipes", conn.LocalAddr().String()+conn.RemoteAddr().Network()[5:])
	for _, set := range []func(time.Time) error{conn.SetDeadline, conn.SetReadDeadline, conn.SetWriteDeadline} {
		require.ErrorIs(t, set(time.Time{}), os.ErrNoDeadline)
	}
	c, err := qmp.NewClient(limit(t), conn, nil)
	require.NoError(t, err)
	_, err = run(limit(t), c, "a")
	require.NoError(t, err)
	_, err = run(limit(t), c, "b", qmp.WithFile(fromServer))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, c.Close())
	require.ErrorIs(t, fromServer.Close(), os.ErrClosed)
	require.ErrorIs(t, toServer.Close(), os.ErrClosed)
	require.NoError(t, server.Close())
}

func TestNewFileClient(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	go serve(t, l)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	f, err := conn.(*net.UnixConn).File()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, f.SetDeadline(time.Unix(1, 0))) // it is the file's, and not the client's
	c, err := qmp.NewFileClient(limit(t), f, nil)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	<-c.Done()
	require.NoError(t, c.Close())

	f, err = os.Open(t.TempDir())
	require.NoError(t, err)
	defer f.Close()
	_, err = qmp.NewFileClient(limit(t), f, nil)
	require.ErrorContains(t, err, "qmp: ")
}
