package qmp_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestGreeting(t *testing.T) {
	c, _ := connectPeer(t, nil)
	require.Equal(t, qmp.Version{Major: 7, Minor: 2, Micro: 22, Package: "Debian 1:7.2+dfsg-7"}, c.Version())
	require.Equal(t, []string{"oob"}, c.Capabilities())
	require.False(t, c.OOB())
	require.NoError(t, c.Err())
}

func TestEventsAndAnotherGreetingBeforeTheReply(t *testing.T) {
	p, conn := newPeer(t)
	go func() {
		p.write("\r\n" + `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}` + "\r\n")
		p.write(`{"return": {}, "id": 0}{"return": {}}{"something": "else"}` + "\r\n") // of whom?
		p.write(greeting)
		p.expect(`{"execute":"qmp_capabilities","id":0}`)
		p.write(greeting + `{"event": "STOP"}` + greeting)
		p.write(negotiated)
		p.write(greeting)
		p.expect(`{"execute":"query-status","id":1}`)
		p.write(`{"return": 7, "id": 1}`)
	}()
	c, err := qmp.NewClient(limit(t), conn, nil)
	require.NoError(t, err)
	defer c.Close()
	v, err := run(limit(t), c, "query-status")
	require.NoError(t, err)
	require.Equal(t, "7", v)
}

func TestOOBIsEnabledWhereItIsOffered(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	c := connect(t, s, &qmp.Options{OOB: true})
	require.True(t, c.OOB())

	s = qmptest.NewServer(t, &qmptest.Options{Capabilities: []string{}})
	c = connect(t, s, &qmp.Options{OOB: true})
	require.False(t, c.OOB())
	require.Empty(t, c.Capabilities())
}

func TestOptionsAreCopied(t *testing.T) {
	opts := &qmp.Options{EventQueue: 1}
	s := qmptest.NewServer(t, nil)
	c := connect(t, s, opts)
	opts.EventQueue = 1000
	events := c.Events()
	s.Event("A", nil)
	s.Event("B", nil)
	s.Disconnect()
	<-c.Done()
	_, err := events.Next(limit(t))
	require.ErrorIs(t, err, qmp.ErrEventsLost)
}

func TestAnotherClientHoldsTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, &qmptest.Options{NoGreeting: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn := s.Pipe()
		begin := time.Now()
		_, err := qmp.NewClient(ctx, conn, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "another client holds this monitor")
		require.Equal(t, time.Minute, time.Since(begin))
		_, err = conn.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe, "the connection was left open")
	})
}

func TestNegotiationIsNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, conn := newPeer(t)
		go func() {
			p.write(greeting)
			p.expect(`{"execute":"qmp_capabilities","id":0}`)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := qmp.NewClient(ctx, conn, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "negotiation failed")
		require.NotContains(t, err.Error(), "another client")
	})
}

func TestContextThatHasEnded(t *testing.T) {
	_, conn := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := qmp.NewClient(ctx, conn, nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = qmp.Dial(ctx, filepath.Join(t.TempDir(), "none"), nil)
	require.Error(t, err)
}

func TestGreetingsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"QEMU 7.2.0 monitor - type 'help' for more information\r\n": "a message does not begin with {",
		"":                                     "the server closed the connection",
		`{"QMP": {"version"`:                   "the connection ended inside a message",
		greeting + `{"return": {}, "id": "0"}`: "the server closed the connection",
		greeting + `{"error": {"class": "CommandNotFound", "desc": "no"}, "id": 0}`: "negotiation failed: qmp_capabilities: no",
		greeting + `{"error": {"class": "GenericError", "desc": "JSON"}}`:           "negotiation failed: qmp_capabilities: JSON",
	} {
		p, conn := newPeer(t)
		go func() {
			defer p.Close()
			first, rest, both := strings.Cut(text, greeting)
			p.write(first)
			if both {
				p.write(greeting)
				p.expect(`{"execute":"qmp_capabilities","id":0}`)
				p.write(rest)
			}
		}()
		_, err := qmp.NewClient(limit(t), conn, nil)
		require.ErrorContains(t, err, want, text)
	}
}

// TestGreetingThatCannotBeRead: commands work all the same.
func TestGreetingThatCannotBeRead(t *testing.T) {
	for _, value := range []string{`7`, `{"version": inf}`, `{"capabilities": {}}`, `{"version": {"qemu": [1]}}`, ``} {
		p, conn := newPeer(t)
		go func() {
			p.write(`{"QMP": ` + value + `}`)
			p.expect(`{"execute":"qmp_capabilities","id":0}`)
			p.write(negotiated)
		}()
		c, err := qmp.NewClient(limit(t), conn, nil)
		require.NoError(t, err)
		require.Zero(t, c.Version())
		require.Empty(t, c.Capabilities())
		require.NoError(t, c.Close())
	}
}

func TestDial(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	for _, address := range []string{s.Addr(), "unix:" + s.Addr()} {
		c, err := qmp.Dial(limit(t), address, nil)
		require.NoError(t, err)
		require.Equal(t, qmp.Version{Major: 10, Minor: 2}, c.Version())
		require.NoError(t, c.Close())
	}
	_, err := qmp.Dial(limit(t), filepath.Join(t.TempDir(), "none.sock"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = qmp.Dial(limit(t), "none", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestDialTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			(&peer{conn, t}).negotiate()
			_ = conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	for _, address := range []string{"127.0.0.1:" + port, "tcp:127.0.0.1:" + port, "localhost:" + port} {
		c, err := qmp.Dial(limit(t), address, nil)
		require.NoError(t, err)
		<-c.Done()
		require.ErrorIs(t, c.Err(), io.EOF)
		require.NoError(t, c.Close())
	}
	for _, address := range []string{"somewhere.example:4444", "tcp:none", "127.0.0.1:port", ":4444"} {
		_, err = qmp.Dial(limit(t), address, nil)
		require.ErrorContains(t, err, "qmp: no IP address and port", address)
	}
	require.NoError(t, l.Close())
	_, err = qmp.Dial(limit(t), "localhost:"+port, nil)
	require.Error(t, err)
}

func TestDialLongPathsAndAbstractOnes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a way")
	}
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	require.NoError(t, os.Mkdir(folder, 0o700))
	t.Chdir(folder)
	for listen, dial := range map[string]string{
		"qmp.sock":                          filepath.Join(folder, "qmp.sock"),
		"@qmpkit" + filepath.Base(t.Name()): "@qmpkit" + filepath.Base(t.Name()),
	} {
		l, err := net.Listen("unix", listen)
		require.NoError(t, err)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				(&peer{conn, t}).negotiate()
				_ = conn.Close()
			}
		}()
		c, err := qmp.Dial(limit(t), dial, nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
	}
	_, err := qmp.Dial(limit(t), filepath.Join(folder, "none", "qmp.sock"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = qmp.Dial(limit(t), filepath.Join(folder, "none"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = qmp.Dial(limit(t), strings.Repeat("long", 30), nil)
	require.ErrorContains(t, err, "file name too long")

	l, err := net.Listen("unix", "qmp.sock")
	require.NoError(t, err)
	t.Chdir("..")
	go func() {
		conn, err := l.Accept()
		if err == nil {
			(&peer{conn, t}).negotiate()
			_ = conn.Close()
		}
	}()
	c, err := qmp.Dial(limit(t), filepath.Join(filepath.Base(folder), "qmp.sock"), nil)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.NoError(t, l.Close())
}

func TestVersion(t *testing.T) {
	v := qmp.Version{Major: 7, Minor: 2, Micro: 22, Package: "Debian"}
	require.Equal(t, "7.2.22 (Debian)", v.String())
	require.Equal(t, "10.0.0", qmp.Version{Major: 10}.String())
	require.Equal(t, -1, v.Compare(qmp.Version{Major: 10}))
	require.Equal(t, 1, v.Compare(qmp.Version{Major: 7, Minor: 2, Micro: 9}))
	require.Equal(t, 0, v.Compare(qmp.Version{Major: 7, Minor: 2, Micro: 22}))
}
