// Package fdconn reads and writes connections on which descriptors may pass, as a server or a proxy of the protocol
// does. Descriptors pass on UNIX sockets.
package fdconn

import (
	"net"
	"os"
)

// A Conn reads and writes a connection. One goroutine can read while another one writes.
type Conn interface {
	// Read reads what has come, up to len(b) bytes. The files came with the first byte: Read ends before a byte with
	// other files. The caller closes the files.
	Read(b []byte) (n int, files []*os.File, err error)
	// Write writes all of b, and the descriptors of files with its first byte. Where no descriptors pass, it writes b
	// alone. The caller closes the files.
	Write(b []byte, files []*os.File) error
}

// Plain returns a Conn of c on which no descriptors pass. It reads a socket faster than New's.
func Plain(c net.Conn) Conn { return plain{c} }

// plain is a connection on which no descriptors pass.
type plain struct{ net.Conn }

func (c plain) Read(b []byte) (int, []*os.File, error) {
	n, err := c.Conn.Read(b)
	return n, nil, err
}

func (c plain) Write(b []byte, _ []*os.File) error {
	_, err := c.Conn.Write(b)
	return err
}
