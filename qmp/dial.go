package qmp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Dial connects to a QMP server and makes a client of the connection, as [NewClient] does;
// both until ctx ends.
//
// The address is the path of a UNIX socket, of any length; "@name", an abstract one (Linux);
// or "address:port" for TCP, with an IP address or localhost. "unix:" or "tcp:" before it, as
// QEMU's own options have it, settles doubts: without them what has a slash, or no colon, is
// a path. Host names are not looked up: that would make every program that uses this package
// 200 KB larger. For these, and for other transports, there is NewClient.
//
// "vsock:CID:PORT" is a socket between a virtual machine and its host (Linux; elsewhere the error
// matches [errors.ErrUnsupported]). Both are decimal numbers; the host has the CID 2. Descriptors
// cannot be sent that way. Nobody listening there is ECONNREFUSED too, and a CID that nothing has,
// or that does not answer, is ErrNotExist.
//
// Dial does not wait for a socket that is not there yet, or that nobody listens on, as [DialWait]
// does: it fails with an error that matches [os.ErrNotExist] or [syscall.ECONNREFUSED].
//
// A server has one client at a time. One more can connect but is not greeted, so a context
// without a deadline may wait for a long time.
func Dial(ctx context.Context, address string, opts *Options) (*Client, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, wrap("qmp", err)
	}
	return newClientAt(ctx, address, conn, opts)
}

// newClientAt is NewClient, whose error says where the server is.
func newClientAt(ctx context.Context, address string, conn net.Conn, opts *Options) (*Client, error) {
	c, err := NewClient(ctx, conn, opts)
	if err != nil {
		return nil, wrap("qmp: dial "+address, err)
	}
	return c, nil
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return dialUNIX(ctx, path)
	}
	if text, ok := strings.CutPrefix(address, "vsock:"); ok {
		to, err := parseVsock(text)
		if err != nil {
			return nil, err
		}
		return dialVsock(ctx, to)
	}
	host, tcp := strings.CutPrefix(address, "tcp:")
	if tcp || isTCP(address) {
		return dialTCP(ctx, host)
	}
	return dialUNIX(ctx, address)
}

// isTCP tells whether an address without a prefix is one of TCP.
func isTCP(address string) bool {
	return strings.IndexByte(address, ':') >= 0 && strings.IndexByte(address, '/') < 0 && address[0] != '@'
}

func dialUNIX(ctx context.Context, path string) (net.Conn, error) {
	conn, err := dialPath(ctx, path)
	if errors.Is(err, syscall.EAGAIN) {
		err = wrap("the server does not accept connections (others hold, and wait for, this monitor)", err)
	}
	return conn, err
}

func connectUNIX(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer // DialContext would link what looks up names
	conn, err := d.DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err // conn is no nil net.Conn
	}
	return conn, nil
}

func dialTCP(ctx context.Context, hostPort string) (net.Conn, error) {
	if port, ok := strings.CutPrefix(hostPort, "localhost:"); ok {
		conn, err := dialTCP(ctx, "127.0.0.1:"+port)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return dialTCP(ctx, "[::1]:"+port)
		}
		return conn, err
	}
	address, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return nil, wrap("no IP address and port (to look up a name use package net, and NewClient)", err)
	}
	var d net.Dialer
	conn, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, address)
	if err != nil {
		return nil, err
	}
	return conn, nil
}
