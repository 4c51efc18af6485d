//go:build !linux

package main

import (
	"io"
	"net"
)

// newRawConn returns the connection as it is: bare system calls are for Linux only.
func newRawConn(conn *net.UnixConn) io.ReadWriteCloser { return conn }
