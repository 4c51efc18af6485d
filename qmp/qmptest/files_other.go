//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package qmptest

import "net"

// newFileReader makes a reader of a connection. There are no descriptors here.
func newFileReader(nc net.Conn) fileReader { return noFiles{nc} }
