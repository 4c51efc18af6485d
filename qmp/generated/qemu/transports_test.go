//go:build linux

package qemu_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestTransports reaches a real QEMU in the ways that are no socket on which it listens from the
// begin. It ends with quit.
func TestTransports(t *testing.T) {
	for name, connect := range map[string]func(t *testing.T, cmd *exec.Cmd) *qmp.Client{
		"stdio": func(t *testing.T, cmd *exec.Cmd) *qmp.Client {
			cmd.Args = append(cmd.Args, "-qmp", "stdio")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			in, err := cmd.StdinPipe()
			require.NoError(t, err)
			start(t, cmd)
			return client(t)(qmp.NewClient(limit(t), qmp.Pipes(out, in), nil))
		},
		"QEMU dials": func(t *testing.T, cmd *exec.Cmd) *qmp.Client {
			path := socketPath(t)
			l, err := net.Listen("unix", path)
			require.NoError(t, err)
			t.Cleanup(func() { _ = l.Close() })
			cmd.Args = append(cmd.Args, "-qmp", "unix:"+path+",server=off")
			start(t, cmd)
			return client(t)(qmp.Accept(limit(t), l, nil))
		},
		"it is waited for": func(t *testing.T, cmd *exec.Cmd) *qmp.Client {
			path := socketPath(t)
			cmd.Args = append(cmd.Args, "-qmp", "unix:"+path+",server=on,wait=off")
			exited := start(t, cmd)
			return client(t)(qmp.DialWait(limit(t), path, exited, nil))
		},
		"one end of a socketpair": func(t *testing.T, cmd *exec.Cmd) *qmp.Client {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
			defer ours.Close()
			cmd.ExtraFiles = []*os.File{theirs}
			cmd.Args = append(cmd.Args, "-chardev", "socket,id=m,fd=3", "-mon", "chardev=m,mode=control")
			start(t, cmd)
			require.NoError(t, theirs.Close())
			return client(t)(qmp.NewFileClient(limit(t), ours, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := qemutest.Get(t, "10.0")
			c := connect(t, exec.Command(q.Path, "-machine", "none", "-nodefaults", "-display", "none"))
			status, err := qemu.QueryStatus{}.Do(limit(t), c)
			require.NoError(t, err)
			require.NotEmpty(t, status.Status)
			require.NoError(t, qemu.Quit{}.Do(limit(t), c))
			<-c.Done()
		})
	}
}

// TestProcessThatEndsInstead: QEMU does not come to where it listens.
func TestProcessThatEndsInstead(t *testing.T) {
	q := qemutest.Get(t, "10.0")
	cmd := exec.Command(q.Path, "-machine", "no-such-machine")
	exited := start(t, cmd)
	_, err := qmp.DialWait(limit(t), socketPath(t), exited, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "the process has ended")
}

// start starts a QEMU that is gone when the test ends. The channel is closed when it is.
func start(t *testing.T, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() { _, _ = cmd.Process.Wait(); close(exited) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-exited })
	return exited
}

// client returns a client that is closed when the test ends.
func client(t *testing.T) func(*qmp.Client, error) *qmp.Client {
	return func(c *qmp.Client, err error) *qmp.Client {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		return c
	}
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qmp") // short: a socket's path has at most 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
