//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package qmptest

import (
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// newFileReader makes a reader of a connection, which takes descriptors when that is a UNIX
// socket.
func newFileReader(nc net.Conn) fileReader {
	if uc, ok := nc.(*net.UnixConn); ok {
		return &unixReader{conn: uc}
	}
	return noFiles{nc}
}

// A unixReader reads a UNIX socket as QEMU does, byte by byte, so that the descriptors that
// have come are those of the command whose last byte has been read.
type unixReader struct {
	conn  *net.UnixConn
	files []*os.File
	new   bool
}

func (r *unixReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	oob := make([]byte, 512) // more than 16 descriptors need
	n, oobn, _, _, err := r.conn.ReadMsgUnix(b[:1], oob)
	if oobn > 0 {
		r.take(oob[:oobn])
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err // it is -1 with some errors
}

// take keeps the descriptors of control messages.
func (r *unixReader) take(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		closeFiles(r.files)
		r.files, r.new = nil, true
		for _, fd := range fds {
			r.files = append(r.files, os.NewFile(uintptr(fd), "descriptor from the client"))
		}
	}
}

func (r *unixReader) takeFiles() (files []*os.File, new bool) {
	files, new = r.files, r.new
	r.files, r.new = nil, false
	return files, new
}
