//go:build !linux

package qmp

import (
	"context"
	"errors"
	"net"
)

var errNoVsock = wrap("vsock needs Linux", errors.ErrUnsupported)

func dialVsock(_ context.Context, address vsockAddr) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: address.Network(), Addr: address, Err: errNoVsock}
}
