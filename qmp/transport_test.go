package qmp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
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
	require.ErrorContains(t, err, "no IP address and port", "waiting does not mend it")
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
