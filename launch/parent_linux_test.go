package launch_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// beParent starts a QEMU that outlives this process if there is a path for its monitor, prints its ID, and waits to be
// killed.
func beParent(binary, monitor string) {
	p, err := launch.Start(context.Background(), launch.Config{Binary: binary, Args: plain, Monitor: monitor, Outlive: monitor != ""})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.Pid())
	select {}
}

// startParent has another process start a QEMU. It returns that process and the ID of QEMU.
func startParent(t *testing.T, q *qemutest.QEMU, monitor string) (parent *exec.Cmd, pid int) {
	t.Helper()
	parent = exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"="+q.Path, asParentMonitor+"="+monitor)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.Greater(t, pid, 1)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // it has ended
	return parent, pid
}

func kill(t *testing.T, parent *exec.Cmd) {
	t.Helper()
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait() // says that it was killed
}

// gone reports whether a process has ended, though init may not have noticed yet.
func gone(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(status), ") Z ")
}

func TestParentKilled(t *testing.T) {
	onEach(t, func(t *testing.T, _ context.Context, q *qemutest.QEMU) {
		parent, pid := startParent(t, q, "")
		require.False(t, gone(pid))
		kill(t, parent)
		require.Eventually(t, func() bool { return gone(pid) }, time.Minute, 10*time.Millisecond)
	})
}

func TestAttach(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		monitor := filepath.Join(t.TempDir(), "m")
		parent, pid := startParent(t, q, monitor)
		kill(t, parent)
		require.False(t, gone(pid))

		p, err := launch.Attach(ctx, monitor, nil)
		require.NoError(t, err)
		require.Equal(t, pid, p.Pid())
		require.NoError(t, p.Client().Close())
		p, err = launch.Attach(ctx, monitor, nil) // again
		require.NoError(t, err)
		_, err = qemu.QueryStatus{}.Do(ctx, p.Client())
		require.NoError(t, err)
		require.Empty(t, p.Stderr())
		exit, err := p.Shutdown(ctx, &launch.ShutdownOptions{PowerButton: -1})
		require.NoError(t, err)
		require.Equal(t, launch.Exit{Reason: launch.ReasonQuit, Status: -1, Stage: launch.StageQuit}, exit)
		require.NoFileExists(t, monitor)
		require.True(t, gone(pid))
		entries, err := os.ReadDir(filepath.Dir(monitor))
		require.NoError(t, err)
		require.Empty(t, entries)

		_, err = launch.Attach(ctx, monitor, nil)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestAttachAndKill(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		monitor := filepath.Join(t.TempDir(), "m")
		parent, pid := startParent(t, q, monitor)
		kill(t, parent)
		p, err := launch.Attach(ctx, monitor, nil)
		require.NoError(t, err)
		require.NoError(t, p.Kill())
		require.NoError(t, p.Kill())
		exit, ended := p.Exit()
		require.True(t, ended)
		require.Equal(t, launch.Exit{Reason: launch.ReasonUnknown, Status: -1}, exit)
		require.True(t, gone(pid))

		_, err = launch.Attach(ctx, monitor, nil)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: monitor}) // replaces the socket that is left
	})
}

// TestAttachToOwnProxy has this process pass a monitor on. Kill must not reach this process.
func TestAttachToOwnProxy(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		dir := t.TempDir()
		started := startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: filepath.Join(dir, "m")})
		l, err := net.Listen("unix", filepath.Join(dir, "proxy"))
		require.NoError(t, err)
		defer l.Close()
		go func() {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(dir, "m"))
			if err == nil {
				go func() {
					_, _ = io.Copy(server, client) // until one of them ends
					server.Close()
				}()
				_, _ = io.Copy(client, server) // until QEMU ends
			}
			client.Close()
		}()
		p, err := launch.Attach(ctx, l.Addr().String(), nil)
		require.NoError(t, err)
		require.Equal(t, started.Pid(), p.Pid())
		require.NoError(t, p.Kill())
	})
}

// TestAttachLongPath has a monitor whose path has the longest length: 107 bytes.
func TestAttachLongPath(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		parent, err := os.MkdirTemp("", "launch") // T.TempDir can be too long
		require.NoError(t, err)
		defer os.RemoveAll(parent)
		dir := filepath.Join(parent, strings.Repeat("d", 107-len(parent)-len("//m")))
		require.NoError(t, os.Mkdir(dir, 0o700))
		started := startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: filepath.Join(dir, "m")})
		p, err := launch.Attach(ctx, filepath.Join(dir, "m"), nil)
		require.NoError(t, err)
		require.Equal(t, started.Pid(), p.Pid())
		require.NoError(t, p.Kill())
	})
}
