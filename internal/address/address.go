// Package address reads the addresses of QMP servers on the command lines of programs, connects to them,
// and says what to do if that fails.
//
//	if a, ok := address.Of(os.Args[1]); ok {
//		client, err := address.Dial(ctx, a, nil)
//		if err != nil {
//			return fmt.Errorf("%w; %s", address.Plain(err), address.Advice("qmpsh", a, err))
//		}
//		…
//	}
package address

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// Help lists the forms of an address, for the help of programs.
const Help = `  unix:PATH         a Unix socket; PATH alone if the socket exists; @NAME for an abstract socket
  tcp:HOST:PORT     HOST is a name or an IP address; an IPv6 address is in brackets
  vsock:CID:PORT    the CID of a virtual machine, or 2 for its host
  pid:PID           the monitor in the command line of a running QEMU (Linux)
  libvirt:NAME      a machine of libvirt on this host
  libvirt:DAEMON/NAME
                    a machine of another daemon: its socket, HOST, HOST:PORT or tls:HOST; USER@ before
                    it logs in, with the password in the file that QMPKIT_PASSWORD_FILE names`

// Of returns the address of a server if name is an address on the command line. It returns false for a
// file, or if nothing has this name.
func Of(name string) (string, bool) {
	for _, prefix := range []string{"unix:", "tcp:", "vsock:", "pid:", "libvirt:", "@"} {
		if strings.HasPrefix(name, prefix) {
			return name, true
		}
	}
	if info, err := os.Stat(name); err == nil {
		return "unix:" + name, info.Mode().Type() == fs.ModeSocket
	}
	_, err := netip.ParseAddrPort(name)
	return "tcp:" + name, err == nil || strings.HasPrefix(name, "localhost:")
}

// greetingLimit is how long a monitor of several may take to greet: 20 ms, unless another client holds it.
const greetingLimit = time.Second

// Dial connects to any address of a QEMU: see [DialMonitor], or a machine of a libvirt daemon.
func Dial(ctx context.Context, address string, opts *qmp.Options) (Server, error) {
	rest, ok := isLibvirt(address)
	if !ok {
		c, err := DialMonitor(ctx, address, opts)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	m, err := dialMachine(ctx, rest, opts)
	if err != nil {
		return nil, err
	}
	if err := m.askVersion(ctx); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// DialMonitor is [qmp.Dial] that also looks up host names and finds the monitors of processes. If a process has
// several monitors, DialMonitor takes the first monitor that greets.
func DialMonitor(ctx context.Context, address string, opts *qmp.Options) (*qmp.Client, error) {
	process, ok := strings.CutPrefix(address, "pid:")
	if !ok {
		return dial(ctx, address, opts, qmp.Dial, qmp.NewClient)
	}
	pid, err := strconv.Atoi(process)
	if err != nil {
		return nil, fmt.Errorf("%s: not the number of a process", address)
	}
	monitors, err := Monitors(pid)
	if err != nil {
		return nil, err
	}
	for i, monitor := range monitors {
		limited, cancel := ctx, context.CancelFunc(func() {})
		if i < len(monitors)-1 {
			limited, cancel = context.WithTimeout(ctx, greetingLimit)
		}
		var c *qmp.Client
		c, err = dial(limited, monitor, opts, qmp.Dial, qmp.NewClient)
		cancel()
		if err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return nil, err
}

// DialGuest is [qmp.DialGuest] that also looks up host names, and that takes the guest of a machine of a libvirt daemon.
func DialGuest(ctx context.Context, address string, opts *qmp.Options) (Guest, error) {
	if rest, ok := isLibvirt(address); ok {
		m, err := dialMachine(ctx, rest, opts)
		if err != nil {
			return nil, err
		}
		return &GuestOfMachine{m.Guest(), m}, nil
	}
	c, err := dial(ctx, address, opts, qmp.DialGuest, qmp.NewGuestClient)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// dial connects by byAddress or, if the address has the name of a host, with package net and byConn.
func dial[C any](ctx context.Context, address string, opts *qmp.Options,
	byAddress func(context.Context, string, *qmp.Options) (C, error),
	byConn func(context.Context, net.Conn, *qmp.Options) (C, error),
) (C, error) {
	hostPort, tcp := strings.CutPrefix(address, "tcp:")
	if _, err := netip.ParseAddrPort(hostPort); !tcp || err == nil {
		return whileFull(ctx, func() (C, error) { return byAddress(ctx, address, opts) })
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", hostPort)
	if err != nil {
		var none C
		return none, err
	}
	return byConn(ctx, conn, opts)
}

// fullPause is the time between two attempts to connect to a socket whose queue of clients is full.
const fullPause = 100 * time.Millisecond

// whileFull calls connect until the queue of the socket has a place or ctx ends. A UNIX socket refuses at once a client for
// which the queue has no place, while it lets those in the queue wait.
func whileFull[C any](ctx context.Context, connect func() (C, error)) (C, error) {
	for {
		c, err := connect()
		if !errors.Is(err, syscall.EAGAIN) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, err
		case <-time.After(fullPause):
		}
	}
}

// Plain returns an error of Dial with a text for users, who know no names of Go: a monitor that does not greet and a queue
// that is full have one sentence each. Other errors stay as they are.
func Plain(err error) error {
	_, garbage := errors.AsType[*qmp.ProtocolError](err)
	switch {
	case isSilent(err) && !garbage:
		return &plainError{"no greeting: another client holds this monitor, or the server is stopped", err}
	case errors.Is(err, syscall.EAGAIN):
		return &plainError{"the server is stopped or very busy: it has not accepted the clients that came before", err}
	}
	return err
}

// isSilent reports whether the time was over before the greeting came.
func isSilent(err error) bool { return errors.Is(err, context.DeadlineExceeded) && !IsDial(err) }

// A plainError has a text for users in place of that of its reason.
type plainError struct {
	text   string
	reason error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.reason }

// Advice says what the user of a program can do if Dial failed with err. It returns "" if it has no advice.
func Advice(program, address string, err error) string {
	if _, ok := isLibvirt(address); ok {
		return libvirtAdvice(program, address, err)
	}
	_, garbage := errors.AsType[*qmp.ProtocolError](err)
	_, unreachable := errors.AsType[net.Error](err)
	switch {
	case strings.TrimPrefix(address, "unix:") == "":
		return "write the path of the socket after unix:"
	case garbage, errors.Is(err, io.EOF):
		return "this is not a QMP monitor; perhaps it is a human monitor (-monitor): give the socket of -qmp, or of -mon with mode=control"
	case errors.Is(err, fs.ErrPermission):
		return "run " + program + " as the user that the server runs as"
	case strings.HasPrefix(address, "pid:") && IsDial(err), errors.Is(err, ErrNoMonitor):
		return ""
	case strings.HasPrefix(address, "vsock:") && IsDial(err):
		return "check the CID and the port, and that a QMP server listens there"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no server listens there: start QEMU with -qmp %s,server=on,wait=off, or give the address that it was started with", option(address))
	case errors.Is(err, syscall.EAGAIN):
		return "try again, or start QEMU with one more -qmp"
	case isSilent(err):
		return "end the other client, or start QEMU with one more -qmp; a guest agent does not greet"
	case unreachable:
		return "an address is unix:PATH, tcp:HOST:PORT or vsock:CID:PORT"
	}
	return ""
}

// IsDial reports whether an error is about connecting, and not about the answers.
func IsDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// option returns an address in the form of QEMU's options.
func option(address string) string {
	if name, ok := strings.CutPrefix(address, "@"); ok {
		return "unix:" + name + ",abstract=on"
	}
	return address
}

// Connect is the part of Dial before the protocol begins: it returns the connection, for a program that looks at what
// passes. It does not take addresses of vsock and libvirt.
func Connect(ctx context.Context, address string) (net.Conn, error) {
	if process, ok := strings.CutPrefix(address, "pid:"); ok {
		pid, err := strconv.Atoi(process)
		if err != nil {
			return nil, fmt.Errorf("%s: not the number of a process", address)
		}
		monitors, err := Monitors(pid)
		if err != nil {
			return nil, err
		}
		address = monitors[0]
	}
	network, where, ok := strings.Cut(address, ":")
	if strings.HasPrefix(address, "@") {
		network, where, ok = "unix", address, true
	}
	if !ok || network != "unix" && network != "tcp" {
		return nil, fmt.Errorf("%s: only connections to UNIX sockets and TCP can be recorded", address)
	}
	var d net.Dialer
	return whileFull(ctx, func() (net.Conn, error) { return d.DialContext(ctx, network, where) })
}
