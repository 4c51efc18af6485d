package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestOf(t *testing.T) {
	file := t.TempDir() + "/x"
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	for name, want := range map[string]string{
		"unix:x": "unix:x", "@x": "@x", "vsock:3:1": "vsock:3:1", "pid:1": "pid:1", "libvirt:web1": "libvirt:web1",
		"127.0.0.1:1": "tcp:127.0.0.1:1", "localhost:1": "tcp:localhost:1", "[::1]:1": "tcp:[::1]:1",
		"nowhere": "", "vm1:1": "", file: "",
	} {
		got, ok := Of(name)
		require.Equal(t, want != "", ok, name)
		if ok {
			require.Equal(t, want, got)
		}
	}
	s := qmptest.NewServer(t, nil)
	got, ok := Of(s.Addr())
	require.True(t, ok)
	require.Equal(t, "unix:"+s.Addr(), got)
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		address string
		err     error
		want    string
	}{
		{"unix:", errors.New("x"), "write the path of the socket after unix:"},
		{"unix:/run/qmp", os.ErrPermission, "run tool as the user that the server runs as"},
		{"unix:/run/qmp", context.DeadlineExceeded, "end the other client, or start QEMU with one more -qmp; a guest agent does not greet"},
		{"vsock:3:5", &net.OpError{Op: "dial", Err: os.ErrNotExist}, "check the CID and the port, and that a QMP server listens there"},
		{"@vm", os.ErrNotExist, "no server listens there: start QEMU with -qmp unix:vm,abstract=on,server=on,wait=off, or give the address that it was started with"},
		{"tcp:10.0.0.1:1", &net.OpError{Op: "dial", Err: context.DeadlineExceeded}, "an address is unix:PATH, tcp:HOST:PORT or vsock:CID:PORT"},
		{"unix:/run/qmp", errors.New("other"), ""},
		{"unix:/run/qmp", &net.OpError{Op: "dial", Err: syscall.EAGAIN}, "try again, or start QEMU with one more -qmp"},
		{"pid:1", fmt.Errorf("x: %w", ErrNoMonitor), ""},
		{"libvirt:web1", &qmplibvirt.Error{Code: 42}, ""},
		{"libvirt:host1/web1", qmplibvirt.ErrStopped, ""},
		{"libvirt:web1", os.ErrPermission, "run tool as root or as a member of the group libvirt"},
		{"libvirt:web1", os.ErrNotExist, "no libvirt daemon runs on this host; write libvirt:SOCKET/NAME or libvirt:HOST/NAME for another one"},
		{"libvirt:host1/web1", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "check that a libvirt daemon listens there; on a host, it needs listen_tcp or listen_tls of libvirtd.conf"},
		{"libvirt:web1", errors.New("other"), ""},
	} {
		require.Equal(t, c.want, Advice("tool", c.address, c.err))
	}
}

// TestPlain: users read one sentence, and programs find the reason.
func TestPlain(t *testing.T) {
	for text, err := range map[string]error{
		"no greeting: another client holds this monitor, or the server is stopped":             fmt.Errorf("qmp: x: %w", context.DeadlineExceeded),
		"the server is stopped or very busy: it has not accepted the clients that came before": &net.OpError{Op: "dial", Err: syscall.EAGAIN},
		"other": errors.New("other"),
	} {
		plain := Plain(err)
		require.EqualError(t, plain, text)
		require.ErrorIs(t, plain, err)
	}
	require.NoError(t, Plain(nil))
}

// TestHeldMonitor dials a monitor that another client holds.
func TestHeldMonitor(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Dial(ctx, "unix:"+l.Addr().String(), nil)
	require.EqualError(t, Plain(err), "no greeting: another client holds this monitor, or the server is stopped")
}

// TestWhileFull waits for a place in the queue of a socket, and gives up when the context ends.
func TestWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c, err := whileFull(t.Context(), func() (int, error) {
			if n++; n < 5 {
				return 0, &net.OpError{Op: "dial", Err: syscall.EAGAIN}
			}
			return n, nil
		})
		require.NoError(t, err)
		require.Equal(t, 5, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = whileFull(ctx, func() (int, error) { return 0, syscall.EAGAIN })
		require.ErrorIs(t, err, syscall.EAGAIN)
		require.Error(t, ctx.Err())
	})
}

// TestDialProcess connects to QEMUs by their process IDs. The first of two monitors is in use.
func TestDialProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Monitors: 2, Args: []string{"-name", "vm,process=vm"}})
		held := vm.Dial(t)
		defer held.Close()
		c, err := Dial(ctx, fmt.Sprintf("pid:%d", vm.Pid()), nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	})
	_, err := Dial(ctx, "pid:x", nil)
	require.EqualError(t, err, "pid:x: not the number of a process")
	_, err = Dial(ctx, "pid:0", nil)
	require.ErrorIs(t, err, os.ErrProcessDone)
	require.EqualError(t, err, "there is no process 0")
}
