package qmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// unusedPort is one that nobody listens on.
const unusedPort = 1<<32 - 77

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries) - 1 // the folder itself
}

// leavesNoDescriptor runs f, and checks that it leaves no descriptor behind.
func leavesNoDescriptor(t *testing.T, f func()) {
	t.Helper()
	r, w, err := os.Pipe() // the runtime opens, and keeps, what it waits with
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, w.Close())
	before := descriptors(t)
	f()
	require.Eventually(t, func() bool { return descriptors(t) == before }, 10*time.Second, time.Millisecond)
}

// TestVsockRefused asks the real kernel, which may have a device, a loopback, or no vsock.
func TestVsockRefused(t *testing.T) {
	leavesNoDescriptor(t, func() {
		var group sync.WaitGroup
		for _, cid := range []uint32{0, 1, 2, 3, 1<<32 - 2, 1<<32 - 1} {
			address := vsockAddr{cid, unusedPort}
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // the kernel's limit is 2 s
				defer cancel()
				c, err := Dial(ctx, "vsock:"+address.String(), nil)
				if err == nil {
					_ = c.Close()
					t.Errorf("there is a server at %s", address)
					return
				}
				t.Log(err)
				var failed *net.OpError
				if !errors.As(err, &failed) || failed.Addr != address {
					t.Errorf("%v is not a *net.OpError of %s", err, address)
				}
				if !strings.HasPrefix(err.Error(), "qmp: dial vsock "+address.String()+": ") {
					t.Errorf("%v does not begin with the address", err)
				}
			})
		}
		group.Wait()
	})
}

// TestVsockCancelled: where the kernel waits for an answer, the context ends it.
func TestVsockCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dial(ctx, "vsock:1:4294967219", nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "vsock 1:4294967219")
	leavesNoDescriptor(t, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := Dial(ctx, "vsock:1:4294967219", nil)
		require.Error(t, err)
		require.NotErrorIs(t, err, syscall.ETIMEDOUT, "the kernel ends it after 2 s only")
		t.Log(err)
	})
}

// TestDialWaitVsock: DialWait waits for a server that may be starting, and fails for a server
// that cannot exist.
func TestDialWaitVsock(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := DialWait(ctx, "vsock:2:4294967219", nil, nil)
	require.Error(t, err)
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

func TestExplainVsock(t *testing.T) {
	for code, like := range map[syscall.Errno]error{
		syscall.ECONNRESET:   syscall.ECONNREFUSED,
		syscall.ETIMEDOUT:    os.ErrNotExist,
		syscall.ENODEV:       os.ErrNotExist,
		syscall.EAFNOSUPPORT: errors.ErrUnsupported,
	} {
		err := explainVsock(os.NewSyscallError("connect", code))
		require.ErrorIs(t, err, code)
		require.ErrorIs(t, err, like)
		require.Equal(t, like != errors.ErrUnsupported, mayComeYet(err), code)
		require.True(t, strings.HasPrefix(err.Error(), "connect: "+code.Error()+": "), err)
		require.NotContains(t, err.Error(), "\n")
	}
	require.Equal(t, syscall.EACCES, explainVsock(syscall.EACCES))
}

// TestVsockLoopback is a session over vsock itself, where one machine can have both ends.
func TestVsockLoopback(t *testing.T) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Skip("no vsock: ", err)
	}
	l := os.NewFile(uintptr(fd), "listener")
	defer l.Close()
	require.NoError(t, unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: unix.VMADDR_PORT_ANY}))
	require.NoError(t, unix.Listen(fd, 1))
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	address := vsockAddr{unix.VMADDR_CID_LOCAL, name.(*unix.SockaddrVM).Port}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := dial(ctx, "vsock:"+address.String())
	if err != nil {
		t.Skip("no vsock loopback (the kernel's module vsock_loopback): ", err)
	}
	require.Equal(t, address, conn.RemoteAddr())
	server, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	require.NoError(t, err)
	playWithFileConn(t, conn, &fileConn{os.NewFile(uintptr(server), "server"), address})
}

// TestFileConnPair is a session over the connection that vsock has, with another family below it.
func TestFileConnPair(t *testing.T) {
	leavesNoDescriptor(t, func() {
		client, server := fileConnPair(t)
		playWithFileConn(t, client, server)
	})
}

// fileConnPair returns the two ends of a connection.
func fileConnPair(t *testing.T) (client, server *fileConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	client = &fileConn{os.NewFile(uintptr(fds[0]), "client"), vsockAddr{3, 4}}
	server = &fileConn{os.NewFile(uintptr(fds[1]), "server"), vsockAddr{}}
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client, server
}

// playWithFileConn has a session on a connection whose other end is server, and ends both.
func playWithFileConn(t *testing.T, conn, server net.Conn) {
	t.Helper()
	var served sync.WaitGroup
	served.Go(func() { greetAndEcho(server) })
	defer served.Wait()
	defer server.Close()
	c, err := NewClient(turnLimit(t), conn, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NotNil(t, c.in.raw, "callers read")
	require.True(t, c.calls.turn.shared)

	callMany(t, c)
	text := strings.Repeat("x", 900<<10) // more than a UNIX socket takes at once
	require.NoError(t, c.Execute(turnLimit(t), &Call{Command: "large", Args: Args{"x": text}}))
	c.awaitTurn(t, isIdle)

	err = c.Execute(turnLimit(t), &Call{Command: "getfd", Files: []*os.File{os.Stdin}})
	require.ErrorIs(t, err, ErrNotSent)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, c.Err())
	require.NoError(t, c.Close())
}

// greetAndEcho is a server that answers each command with its name.
func greetAndEcho(conn net.Conn) {
	_, _ = io.WriteString(conn, `{"QMP": {"version": {}, "capabilities": []}}`+"\r\n")
	echo(conn)
}

// callMany has many callers, some of whose contexts end; each gets its own reply.
func callMany(t *testing.T, c *Client) {
	t.Helper()
	var group sync.WaitGroup
	for g := range 100 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 5))
			for i := range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if random.IntN(4) == 0 {
					time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, cancel)
				}
				want, got := fmt.Sprintf("%d-%d", g, i), ""
				err := c.Execute(ctx, &Call{Command: want, Result: func(d *wire.Decoder) { got = d.String() }})
				cancel()
				switch {
				case err == nil && got != want:
					t.Errorf("%s has the reply of %s", want, got)
				case err != nil && !errors.Is(err, context.Canceled):
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// TestFileConnCallerGivesUp: a deadline, and Close, end a caller that reads.
func TestFileConnCallerGivesUp(t *testing.T) {
	conn, server := fileConnPair(t)
	go func() {
		_, _ = io.WriteString(server, `{"QMP": {"version": {}, "capabilities": []}}`+"\r\n")
		_, _ = server.Read(make([]byte, 100))
		_, _ = io.WriteString(server, `{"return": {}, "id": 0}`)
		_, _ = io.Copy(io.Discard, server)
	}()
	c, err := NewClient(turnLimit(t), conn, nil)
	require.NoError(t, err)
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err = <-start(ctx, c, "a")
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ErrOutcomeUnknown)
	}
	reading := start(turnLimit(t), c, "b")
	c.awaitTurn(t, func(turn *turn) bool { return turn.taken && len(c.calls.queue) == 0 && !c.calls.writing })
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-reading, ErrClosed)
	require.NoError(t, server.Close())
}

// TestFileConnServerGoes: the end is seen while nobody calls.
func TestFileConnServerGoes(t *testing.T) {
	conn, server := fileConnPair(t)
	ended := make(chan struct{})
	go func() { greetAndEcho(server); close(ended) }()
	c, err := NewClient(turnLimit(t), conn, nil)
	require.NoError(t, err)
	require.NoError(t, <-start(turnLimit(t), c, "a"))
	require.NoError(t, server.Close())
	<-ended
	<-c.Done()
	require.ErrorIs(t, c.Err(), io.EOF)
	require.ErrorIs(t, <-start(turnLimit(t), c, "b"), ErrNotSent)
	require.NoError(t, c.Close())
}

// TestFileConn tests the promises of net.Conn.
func TestFileConn(t *testing.T) {
	var conn net.Conn
	var server *fileConn
	conn, server = fileConnPair(t)
	require.Nil(t, conn.LocalAddr())
	require.Equal(t, vsockAddr{3, 4}, conn.RemoteAddr())
	b := make([]byte, 10)

	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
	_, err := conn.Read(b)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.NoError(t, conn.SetReadDeadline(time.Time{}))

	ended := make(chan error, 1)
	go func() { _, err := conn.Write(make([]byte, 8<<20)); ended <- err }()
	_, err = server.Read(b)
	require.NoError(t, err)
	require.NoError(t, conn.SetWriteDeadline(time.Unix(1, 0)))
	require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetDeadline(time.Time{}))

	_, err = server.Write([]byte("hello"))
	require.NoError(t, err)
	n, err := conn.Read(b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b[:n]))

	go func() { _, err := conn.Read(b); ended <- err }()
	time.Sleep(5 * time.Millisecond) // it reads
	require.NoError(t, conn.Close())
	require.ErrorIs(t, <-ended, os.ErrClosed)
	_, err = io.Copy(io.Discard, server)
	require.NoError(t, err, "the end is io.EOF")
	_, err = server.Write(b)
	require.ErrorIs(t, err, syscall.EPIPE)
}

// dialTCPFamily connects by way of dialFamily: connecting takes a while, as with vsock.
func dialTCPFamily(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return dialFamily(ctx, syscall.AF_INET, net.TCPAddrFromAddrPort(to), func(fd int) error {
		return syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	})
}

// listenTCP listens with a queue of its own length.
func listenTCP(t *testing.T, backlog int) (fd int, address netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: ip.As4()}))
	require.NoError(t, unix.Listen(fd, backlog))
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	return fd, netip.AddrPortFrom(ip, uint16(name.(*unix.SockaddrInet4).Port))
}

func TestDialFamilyTCP(t *testing.T) {
	fd, address := listenTCP(t, 1)
	leavesNoDescriptor(t, func() {
		conn, err := dialTCPFamily(turnLimit(t), address)
		require.NoError(t, err)
		server, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		require.NoError(t, err)
		playWithFileConn(t, conn, &fileConn{os.NewFile(uintptr(server), "server"), nil})
	})
}

func TestDialFamilyRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().(*net.TCPAddr).AddrPort()
	require.NoError(t, l.Close())
	leavesNoDescriptor(t, func() {
		_, err := dialTCPFamily(turnLimit(t), address)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "connect: connection refused")
	})
	_, err = dialFamily(turnLimit(t), 12345, nil, nil)
	require.ErrorIs(t, err, syscall.EAFNOSUPPORT)
	require.ErrorContains(t, err, "socket: ")
}

// TestDialFamilyWaits: a listener whose queue is full does not answer, until it has taken one.
func TestDialFamilyWaits(t *testing.T) {
	fd, address := listenTCP(t, 0)
	var queued []net.Conn
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		conn, err := dialTCPFamily(ctx, address)
		cancel()
		if err != nil {
			require.Equal(t, context.DeadlineExceeded, err)
			break
		}
		queued = append(queued, conn)
		require.Less(t, len(queued), 10, "the listen queue has no limit")
	}
	leavesNoDescriptor(t, func() {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		begin := time.Now()
		_, err := dialTCPFamily(ctx, address)
		require.Equal(t, context.Canceled, err)
		require.Less(t, time.Since(begin), 5*time.Second)
	})
	connected := make(chan error, 1)
	go func() {
		conn, err := dialTCPFamily(turnLimit(t), address)
		if err == nil {
			err = conn.Close()
		}
		connected <- err
	}()
	time.Sleep(20 * time.Millisecond) // it waits
	for range queued {
		server, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		require.NoError(t, err)
		require.NoError(t, unix.Close(server))
	}
	require.NoError(t, <-connected, "the system asks again after a second")
	for _, conn := range queued {
		require.NoError(t, conn.Close())
	}
}

// TestDialFamilyCancelledAnyTime: whatever comes first, there is a connection or an error, and no
// descriptor is left.
func TestDialFamilyCancelledAnyTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	connect := func(fd int) error { return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}) }
	leavesNoDescriptor(t, func() {
		for i := range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Microsecond)
			conn, err := dialFamily(ctx, syscall.AF_UNIX, l.Addr(), connect)
			if err == nil {
				require.NoError(t, conn.SetDeadline(time.Time{}))
				_, err = conn.Read(make([]byte, 1))
				require.Equal(t, io.EOF, err, "no deadline is left")
				require.NoError(t, conn.Close())
			} else if !errors.Is(err, syscall.EAGAIN) { // the listener's queue is full
				require.Equal(t, context.DeadlineExceeded, err)
			}
			cancel()
		}
	})
}
