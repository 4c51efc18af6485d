package qmp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Dial connects to a QMP server and makes a client of the connection, as [NewClient] does. It gives up when
// ctx ends. Give ctx a deadline: a server greets one client at a time, and others wait without limit.
//
// The address is one of these:
//
//	/run/vm1/qmp.sock, unix:vm1    the path of a UNIX socket, of any length
//	@vm1                           an abstract UNIX socket (Linux)
//	127.0.0.1:4444, tcp:[::1]:4444 TCP; the host is an IP address or localhost
//	vsock:3:1024                   vsock, a CID and a port in decimal (Linux); the host has CID 2
//
// Without a prefix, an address with a slash or without a colon is a path. Dial does not look up host names,
// because that would add 200 KB to every program with this package. To use a name, connect with package net
// and call [NewClient]. Descriptors cannot be sent over TCP and vsock.
//
// Dial returns an error that matches:
//   - [os.ErrNotExist]: the socket does not exist, or there is no machine with this CID.
//   - [syscall.ECONNREFUSED]: nobody listens there. [DialWait] waits for a server that is being started.
//   - [errors.ErrUnsupported]: this platform has no vsock.
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

// Connect connects to an address as [Dial] does, and returns the connection. It is for a transport of your
// own.
func Connect(ctx context.Context, address string) (net.Conn, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, wrap("qmp", err)
	}
	return conn, nil
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

// isTCP reports whether an address without a prefix is one of TCP.
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
		return nil, err // a nil *net.UnixConn is not a nil net.Conn
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
		return nil, wrap("not an IP address and port (to use a host name, connect with package net and call NewClient)", err)
	}
	var d net.Dialer
	conn, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, address)
	if err != nil {
		return nil, err
	}
	return conn, nil
}
