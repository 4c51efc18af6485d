package qmplibvirt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

func runtimeGoexit() { runtime.Goexit() }

func TestDial(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			daemonOn(t, conn).serve()
		}
	}()
	for _, address := range []string{path, "unix:" + path} {
		c, err := qmplibvirt.Dial(limit(t), address, nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
		<-c.Done()
		require.ErrorIs(t, c.Err(), qmp.ErrClosed)
	}
	require.NoError(t, l.Close())
	_, err = qmplibvirt.Dial(limit(t), path, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualError(t, err, "qmplibvirt: dial unix "+path+": connect: no such file or directory")
	_, err = qmplibvirt.Dial(limit(t), "tcp:host.example", nil)
	require.Error(t, err)
}

// TestEveryCallOfOpenFails: each call that NewConn makes fails, or is never answered.
func TestEveryCallOfOpenFails(t *testing.T) {
	for _, procedure := range []libvirt.Procedure{libvirt.AuthList, libvirt.AuthPolkit, libvirt.SupportsFeature,
		libvirt.ConnectOpen, libvirt.RegisterLifecycle} {
		d, client := newDaemon(t)
		d.auth = []libvirt.IntBody{{Value: 2}}
		d.override = func(h libvirt.Header, _ []byte) bool {
			if h.Procedure == procedure {
				d.reply(h, nil, failure(88, "no"))
			}
			return h.Procedure == procedure
		}
		d.serve()
		_, err := qmplibvirt.NewConn(limit(t), client, nil)
		require.ErrorIs(t, err, os.ErrPermission, procedure)

		synctest.Test(t, func(t *testing.T) {
			d, client := newDaemon(t)
			d.auth = []libvirt.IntBody{{Value: 2}}
			d.override = func(h libvirt.Header, _ []byte) bool { return h.Procedure == procedure }
			d.serve()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := qmplibvirt.NewConn(ctx, client, nil)
			require.ErrorIs(t, err, context.DeadlineExceeded, procedure)
		})
	}
}

// A handshaking connection is one of TLS, as far as NewConn knows.
type handshaking struct {
	net.Conn
	err error
}

func (c handshaking) HandshakeContext(context.Context) error { return c.err }

func TestTLSWelcome(t *testing.T) {
	try := func(first []byte, handshake error) error {
		d, client := newDaemon(t)
		go func() {
			if first == nil {
				_ = d.conn.Close()
				return
			}
			_, _ = d.conn.Write(first)
			d.serve()
		}()
		c, err := qmplibvirt.NewConn(limit(t), handshaking{client, handshake}, nil)
		if err == nil {
			require.NoError(t, c.Close())
		}
		return err
	}
	require.NoError(t, try([]byte{1}, nil))
	require.EqualError(t, try([]byte{0}, nil), "qmplibvirt: TLS: the daemon refused the client's certificate")
	require.ErrorIs(t, try(nil, nil), io.EOF)
	bad := errors.New("bad certificate")
	require.ErrorIs(t, try([]byte{1}, bad), bad)
	synctest.Test(t, func(t *testing.T) {
		_, client := newDaemon(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := qmplibvirt.NewConn(ctx, handshaking{client, nil}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := newDaemon(t)
		c := connect(t, d, client, nil)
		d.send(libvirt.Header{Procedure: libvirt.Ping, Type: libvirt.Event}, nil)
		synctest.Wait()
		d.mu.Lock()
		require.Equal(t, 1, d.pongs)
		d.mu.Unlock()
		time.Sleep(time.Hour)
		require.NoError(t, c.Err())
		require.NotZero(t, d.came(libvirt.Ping))

		d.mu.Lock()
		d.override = func(libvirt.Header, []byte) bool { return true } // silent from now on
		d.mu.Unlock()
		begin := time.Now()
		<-c.Done()
		require.ErrorIs(t, c.Err(), os.ErrDeadlineExceeded)
		require.EqualError(t, c.Err(), "qmplibvirt: the daemon does not answer pings")
		require.Less(t, time.Since(begin), time.Minute)
	})
}

// TestClose: Close tells the daemon. The error is that of Close even if the daemon closes first, and Close does not wait for
// a daemon that is silent.
func TestClose(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, nil)
	vm := web1(t, c)
	var closes sync.WaitGroup
	for range 3 {
		closes.Go(func() { _ = c.Close() })
	}
	closes.Wait()
	require.Equal(t, 1, d.came(libvirt.ConnectClose))
	for _, err := range []error{c.Err(), vm.Err(), c.Close(), qemu.Stop{}.Do(t.Context(), vm)} {
		require.True(t, err == nil || errors.Is(err, qmp.ErrClosed), err)
	}
	require.ErrorIs(t, c.Err(), qmp.ErrClosed)

	for name, silent := range map[string]func(d *daemon, slow *slowConn){
		"does not answer": func(d *daemon, _ *slowConn) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.override = func(h libvirt.Header, _ []byte) bool { return h.Procedure == libvirt.ConnectClose }
		},
		"does not read": func(_ *daemon, slow *slowConn) { slow.slow = true },
	} {
		synctest.Test(t, func(t *testing.T) {
			d, client := newDaemon(t)
			slow := &slowConn{Conn: client, block: make(chan struct{})}
			c := connect(t, d, slow, nil)
			silent(d, slow)
			time.AfterFunc(time.Second, func() { close(slow.block) }) // as closing a socket ends a write
			begin := time.Now()
			require.NoError(t, c.Close(), name)
			require.LessOrEqual(t, time.Since(begin), time.Second, name)
			require.ErrorIs(t, c.Err(), qmp.ErrClosed)
		})
	}
}

// conversation does a little of everything and returns its first error.
func conversation(ctx context.Context, client net.Conn) error {
	c, err := qmplibvirt.NewConn(ctx, client, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	vm, err := c.Domain(ctx, "web1")
	if err != nil {
		return err
	}
	if err := (qemu.Stop{}).Do(ctx, vm); err != nil {
		return err
	}
	for _, err := range c.Domains(ctx) {
		if err != nil {
			return err
		}
	}
	return nil
}

// A cutConn ends after some bytes were written, or read.
type cutConn struct {
	net.Conn
	write, read int
}

func (c *cutConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.write)])
	if c.write -= n; c.write == 0 {
		_ = c.Conn.Close()
	}
	return n, err
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.read == 0 {
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(len(b), c.read)])
	c.read -= n
	return n, err
}

// TestCutAtEveryByte ends the connection after each byte that the daemon writes or reads. Every call returns.
func TestCutAtEveryByte(t *testing.T) {
	const all = 1 << 30
	for _, cut := range []func(c *cutConn, n int){
		func(c *cutConn, n int) { c.write, c.read = n, all },
		func(c *cutConn, n int) { c.write, c.read = all, n },
	} {
		n := 1
		for ; ; n++ {
			server, client := net.Pipe()
			conn := &cutConn{Conn: server}
			cut(conn, n)
			d := daemonOn(t, conn)
			d.serve()
			err := conversation(limit(t), client)
			_ = conn.Close()
			if err == nil {
				break
			}
			require.NotErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Greater(t, n, 300)
	}
}

// TestBytesOneByOne: packets come in the smallest pieces.
func TestBytesOneByOne(t *testing.T) {
	d, client := newDaemon(t)
	d.wire = func(packet []byte) (pieces [][]byte) {
		for i := range packet {
			pieces = append(pieces, packet[i:i+1])
		}
		return pieces
	}
	d.serve()
	require.NoError(t, conversation(limit(t), client))
}

// TestBrokenProtocol: the connection ends, and commands in flight have an unknown outcome.
func TestBrokenProtocol(t *testing.T) {
	head := func(edit func(b []byte)) func([]byte) [][]byte {
		return func(packet []byte) [][]byte { edit(packet); return [][]byte{packet} }
	}
	word := binary.BigEndian.PutUint32
	for name, wire := range map[string]func(packet []byte) [][]byte{
		"doubled":     func(packet []byte) [][]byte { return [][]byte{packet, packet} },
		"huge":        head(func(b []byte) { word(b, 0xffffffff) }),
		"short":       head(func(b []byte) { word(b, 27) }),
		"version":     head(func(b []byte) { word(b[8:], 2) }),
		"procedure":   head(func(b []byte) { word(b[12:], 99) }),
		"type":        head(func(b []byte) { word(b[16:], 3) }),
		"call":        head(func(b []byte) { word(b[16:], 0) }),
		"serial":      head(func(b []byte) { word(b[20:], 12345) }),
		"status":      head(func(b []byte) { word(b[24:], 2) }),
		"other error": head(func(b []byte) { word(b[24:], 1) }),
		"event": func(packet []byte) [][]byte {
			event, _ := libvirt.AppendPacket(nil, libvirt.Header{Procedure: libvirt.MonitorEvent, Type: libvirt.Event}, &libvirt.IntBody{}, 0)
			return [][]byte{event, packet}
		},
		"lifecycle": func(packet []byte) [][]byte {
			event, _ := libvirt.AppendPacket(nil, libvirt.Header{Procedure: libvirt.LifecycleEvent, Type: libvirt.Event}, nil, 0)
			return [][]byte{event, packet}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, client := newDaemon(t)
			c := connect(t, d, client, nil)
			vm := web1(t, c)
			d.write.Lock()
			d.wire = wire
			d.write.Unlock()
			err := qemu.Stop{}.Do(limit(t), vm)
			<-c.Done()
			require.ErrorIs(t, c.Err(), qmplibvirt.ErrProtocol)
			if name != "doubled" {
				require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
			}
		})
	}
}

// TestUnknownEvents: a newer daemon may send events that nobody asked for.
func TestUnknownEvents(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, nil)
	vm := web1(t, c)
	d.send(libvirt.Header{Procedure: libvirt.Procedure{Program: libvirt.Remote, Number: 999}, Type: libvirt.Event}, &libvirt.IntBody{})
	d.event(libvirt.Domain{UUID: libvirt.UUID{77}}, "X", nil)
	require.NoError(t, qemu.Stop{}.Do(limit(t), vm))
}

// TestImports: the package links what package qmp does, and nothing that makes programs larger.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(limit(t), "go", "list", "-deps", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for dependency := range strings.Lines(string(out)) {
		switch strings.TrimSpace(dependency) {
		case "fmt", "log", "log/slog", "net/url", "encoding/json", "os/exec", "crypto", "text/template":
			t.Errorf("qmplibvirt imports %s", dependency)
		}
	}
}
