package qmp

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
)

// A vsockAddr is the address of a socket between a virtual machine and its host.
type vsockAddr struct{ cid, port uint32 }

var errVsockAddress = errors.New(`not a vsock address: write "vsock:CID:PORT", with two decimal numbers below 2^32`)

// parseVsock reads the text after the prefix "vsock:".
func parseVsock(text string) (vsockAddr, error) {
	cid, port, _ := strings.Cut(text, ":")
	c, cidErr := strconv.ParseUint(cid, 10, 32)
	p, portErr := strconv.ParseUint(port, 10, 32)
	if cidErr != nil || portErr != nil {
		return vsockAddr{}, wrap("vsock:"+text, errVsockAddress)
	}
	return vsockAddr{uint32(c), uint32(p)}, nil
}

func (vsockAddr) Network() string { return "vsock" }

// String returns the address without the prefix, as in an error net puts the network before it.
func (a vsockAddr) String() string {
	return strconv.FormatUint(uint64(a.cid), 10) + ":" + strconv.FormatUint(uint64(a.port), 10)
}

// A fileConn is a connection over a socket that package net does not know.
type fileConn struct {
	*os.File // non-blocking, so it has deadlines
	remote   net.Addr
}

// LocalAddr returns nil: the address is not known.
func (*fileConn) LocalAddr() net.Addr    { return nil }
func (c *fileConn) RemoteAddr() net.Addr { return c.remote }
