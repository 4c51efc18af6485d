package launch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Attach takes up a running QEMU, for example after a restart of the program that has started it with Config.Outlive.
// monitor is the path of Config.Monitor, or of any other UNIX socket that QEMU listens on with -qmp. opts
// configures the client and may be nil.
//
// Wait, Kill, Shutdown and the other methods work as after Start, with three exceptions: Exit has no status and no signal,
// Stderr is empty, and a QEMU that was started by this process must be waited for by its [Process]. Attach asks the
// kernel for the process at the other end of the socket, which must not be a proxy, and holds the process by a descriptor, so Kill never reaches
// another process that got the same ID later. Nothing is removed when QEMU ends; QEMU removes the socket if it ends by
// itself.
//
// If the error matches [os.ErrNotExist] or syscall.ECONNREFUSED, QEMU does not run. A monitor has one client at a time:
// give ctx a deadline. Attach works on Linux only; elsewhere the error matches [errors.ErrUnsupported].
//
// Source: query-status; before QEMU 7.0 also chardev-add and chardev-remove.
func Attach(ctx context.Context, monitor string, opts *qmp.Options) (*Process, error) {
	p, err := attach(ctx, monitor, opts)
	if err != nil {
		return nil, fmt.Errorf("launch: attach to %s: %w", monitor, err)
	}
	return p, nil
}

func attach(ctx context.Context, monitor string, opts *qmp.Options) (*Process, error) {
	if !canAttach {
		return nil, because(errors.ErrUnsupported, "this platform does not tell which process listens")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", monitor)
	if err != nil {
		return nil, err
	}
	pid, pidErr := peerOf(conn)
	client, err := qmp.NewClient(ctx, conn, opts) // which closes the connection if it fails
	if err != nil {
		return nil, err
	}
	process, err := findProcess(ctx, client, monitor, pid, pidErr)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	p := newProcess(nil)
	p.process = process.Process
	p.pid = process.Pid // Release removes it
	p.setClient(client)
	go func() {
		process.wait()
		p.mu.Lock()
		close(p.ended)
		_ = process.Release() // returns nil
		p.mu.Unlock()
		p.finish(Exit{Status: -1})
	}()
	return p, nil
}

// listens is the first version that listens itself on a socket that it has inherited: the kernel then names QEMU, and before
// that the process that has made the socket.
var listens = qmp.Version{Major: 7}

// findProcess returns the process of a client's QEMU. pid is what the kernel says about the listener.
func findProcess(ctx context.Context, client *qmp.Client, monitor string, pid int, err error) (*foundProcess, error) {
	if client.Version().Compare(listens) < 0 || pid == os.Getpid() { // this program is not QEMU, but a proxy
		pid, err = askPid(ctx, client, monitor)
	}
	if err != nil {
		return nil, err
	}
	process, err := openProcess(pid)
	if err != nil {
		return nil, err
	}
	// QEMU runs, so the process with its ID is QEMU, and was when it was opened.
	if _, err := (qemu.QueryStatus{}).Do(ctx, client); err != nil {
		process.close()
		return nil, err
	}
	return process, nil
}

// askPid makes QEMU connect to a socket beside its monitor, for a moment, and asks the kernel who did.
func askPid(ctx context.Context, client *qmp.Client, monitor string) (pid int, err error) {
	id := "qmpkit-pid-" + rand.Text()[:8]
	path := filepath.Join(filepath.Dir(monitor), "."+id)
	if path, err = filepath.Abs(path); err != nil {
		return 0, err
	}
	there := &qemu.UnixSocketAddress{Path: path}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if errors.Is(err, syscall.EINVAL) { // the path is too long
		there = &qemu.UnixSocketAddress{Path: id, Abstract: new(true)}
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: "@" + id})
	}
	if err != nil {
		return 0, err
	}
	defer l.Close() // which removes the path
	add := qemu.ChardevAdd{ID: id, Backend: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
		Addr:   qemu.SocketAddressLegacy{Branch: there},
		Server: new(false),
	}}}
	if _, err := add.Do(ctx, client); err != nil {
		if !qmp.MayHaveExecuted(err) {
			return 0, err
		}
		return 0, errors.Join(err, removeChardev(ctx, client, id))
	}
	_ = l.SetDeadline(time.Now().Add(answerLimit)) // QEMU has connected
	conn, err := l.AcceptUnix()
	if err == nil {
		pid, err = peerOf(conn)
		conn.Close()
	}
	return pid, errors.Join(err, removeChardev(ctx, client, id))
}

func removeChardev(ctx context.Context, client *qmp.Client, id string) error {
	ctx, cancel := wait.Detach(ctx, answerLimit)
	defer cancel()
	return qemu.ChardevRemove{ID: id}.Do(ctx, client)
}

// openProcess returns the process with an ID.
func openProcess(pid int) (*foundProcess, error) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	return newFoundProcess(process)
}
