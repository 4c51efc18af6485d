package qmp_test

import (
	"context"
	"errors"
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
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, &qmp.Options{OOB: true})
	require.True(t, c.OOB())

	s = qmptest.NewServer(t, &qmptest.Options{Unchecked: true, Capabilities: []string{}})
	c = connect(t, s, &qmp.Options{OOB: true})
	require.False(t, c.OOB())
	require.Empty(t, c.Capabilities())
}

func TestOptionsAreCopied(t *testing.T) {
	opts := &qmp.Options{EventQueue: 1}
	s := qmptest.NewServer(t, unchecked)
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
		s := qmptest.NewServer(t, &qmptest.Options{Unchecked: true, NoGreeting: true})
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

func TestInvalidGreetings(t *testing.T) {
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

// TestNoGreetingShowsReceivedBytes: the error also names the kind of server if that is certain.
func TestNoGreetingShowsReceivedBytes(t *testing.T) {
	const people = "this is QEMU's human monitor, HMP"
	for sent, want := range map[string][]string{
		"QEMU 10.0.2 monitor - type 'help' for more information\r\n(qemu) ": {people,
			`offset 0: a message does not begin with {: "QEMU 10.0.2 monitor`},
		"\r\n(qemu) ":                           {people, `"\r\n(qemu) "`},
		`{"return": {}, "id": 7}` + "\n":        {"this is a guest agent's channel (use DialGuest), or a monitor", `the server has sent "{\"return\": {}, \"id\": 7}\n": context deadline exceeded`},
		`{"error": {}}`:                         {"this is a guest agent's channel"},
		"\xff" + `{"return": 1}`:                {"this is a guest agent's channel", `"\xff{\"return`},
		"HTTP/1.1 400 Bad Request\r\n":          {"no greeting: this is an HTTP server", `"HTTP/1.1 400`},
		"RFB 003.008\n":                         {"this is a VNC server"},
		"SSH-2.0-OpenSSH_9.2\r\n":               {"this is an SSH server"},
		"\xff\xfb\x01\xff\xfb\x03":              {"this is a telnet server", "telnet=on"},
		"\xff\xfd\x01" + greeting:               {"this is a telnet server"},
		`{"QMP": {"version": {"qemu": {`:        {"no greeting: the server has sent"},
		"\r\n\r\n":                              {`no greeting: the server has sent "\r\n\r\n": context deadline exceeded`},
		`{"hello": "` + strings.Repeat("x", 99): {`no greeting: the server has sent "{\"hello\": \"xxx`, `xx" and more: context deadline exceeded`},
		`{"event": "STOP"}`:                     {`the server has sent "{\"event\": \"STOP\"}"`},
		"":                                      {"no greeting", "another client holds this monitor", "DialGuest"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, conn := newPeer(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go p.write(sent)
			_, err := qmp.NewClient(ctx, conn, nil)
			for _, text := range want {
				require.ErrorContains(t, err, text)
			}
			require.Equal(t, strings.Contains(err.Error(), "deadline"), errors.Is(err, context.DeadlineExceeded))
			require.LessOrEqual(t, len(err.Error()), 400)
		})
	}
}

// TestNoGreetingOfASlowSocket: the client waits for a socket by reading one byte of it.
func TestNoGreetingOfASlowSocket(t *testing.T) {
	l, err := net.Listen("unix", socketPath(t))
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			time.Sleep(50 * time.Millisecond) // most clients wait by now
			(&peer{conn, t}).write("QEMU 10.0.2 monitor - type 'help' for more information\r\n(qemu) ")
		}
	}()
	_, err = qmp.Dial(limit(t), l.Addr().String(), nil)
	require.ErrorContains(t, err, "this is QEMU's human monitor, HMP")
	require.ErrorContains(t, err, `"QEMU 10.0.2 monitor`)
}

// TestNoGuestAgentShowsReceivedBytes does the same for DialGuest.
func TestNoGuestAgentShowsReceivedBytes(t *testing.T) {
	for sent, want := range map[string][]string{
		greeting: {"this is a QMP monitor (use Dial)", `"{\"QMP\"`},
		"QEMU 10.0.2 monitor - type 'help' for more information\r\n(qemu) ": {"this is QEMU's human monitor, HMP"},
		"\r\nDebian login: ": {`the server has sent "\r\nDebian login: "`},
		`{"return": 1}`:      {`no guest agent has answered: the server has sent "{\"return\": 1}"`},
		"":                   {"qmp: the guest agent does not answer (it is not running in the guest, or another client holds its channel): context deadline exceeded"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, conn := newPeer(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				p.write(sent)
				_, _ = io.Copy(io.Discard, p)
			}()
			_, err := qmp.NewGuestClient(ctx, conn, nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			for _, text := range want {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

// TestDialErrorsNameTheAddress as it was given.
func TestDialErrorsNameTheAddress(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	for _, dial := range []func(ctx context.Context, address string) error{
		func(ctx context.Context, address string) error {
			_, err := qmp.Dial(ctx, address, nil)
			return err
		},
		func(ctx context.Context, address string) error {
			_, err := qmp.DialWait(ctx, address, nil, nil)
			return err
		},
		func(ctx context.Context, address string) error {
			_, err := qmp.DialGuest(ctx, address, nil)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := dial(ctx, "unix:"+path)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, path+": ")
		err = dial(ctx, path+"none")
		require.Error(t, err)
		require.ErrorContains(t, err, path+"none")
		require.NotContains(t, err.Error(), "\n")
		cancel()
	}
	if runtime.GOOS != "linux" {
		return
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	require.NoError(t, os.Mkdir(long, 0o700))
	for _, path := range []string{
		filepath.Join(long, "none"), filepath.Join(long, "none", "none"), filepath.Join(long, strings.Repeat("name", 30)),
	} {
		_, err := qmp.Dial(limit(t), path, nil)
		require.ErrorContains(t, err, "qmp: dial unix "+path+": ")
		require.NotContains(t, err.Error(), "/proc")
		op, ok := errors.AsType[*net.OpError](err)
		require.True(t, ok)
		require.Equal(t, path, op.Addr.String())
	}
}

// TestGreetingThatCannotBeRead: commands still work.
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
	version := qmp.Version{Major: 10, Minor: 2}
	s := qmptest.NewServer(t, &qmptest.Options{Version: version, Unchecked: true})
	for _, address := range []string{s.Addr(), "unix:" + s.Addr()} {
		c, err := qmp.Dial(limit(t), address, nil)
		require.NoError(t, err)
		require.Equal(t, version, c.Version())
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
		require.ErrorContains(t, err, "qmp: not an IP address and port", address)
	}
	require.NoError(t, l.Close())
	_, err = qmp.Dial(limit(t), "localhost:"+port, nil)
	require.Error(t, err)
}

func TestDialLongPathsAndAbstractOnes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux connects to long paths and abstract sockets")
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
