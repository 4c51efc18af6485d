package main

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// rawConn is a connection that is read and written by bare blocking system calls, without Go's
// poller and without the calls that announce a blocked thread to Go's scheduler. On a goroutine
// with its own thread, nothing is faster. While a call waits, it keeps one of the scheduler's
// processors and delays garbage collection.
type rawConn int

// newRawConn takes over a connection.
func newRawConn(conn *net.UnixConn) io.ReadWriteCloser {
	defer conn.Close() // which also takes it away from the poller
	var fd int
	var err error
	check(must(conn.SyscallConn()).Control(func(original uintptr) { fd, err = syscall.Dup(int(original)) }))
	check(err)
	check(syscall.SetNonblock(fd, false))
	return rawConn(fd)
}

func (c rawConn) Read(b []byte) (int, error) {
	n, err := c.call(syscall.SYS_READ, b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (c rawConn) Write(b []byte) (int, error) {
	n, err := c.call(syscall.SYS_WRITE, b)
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}

// call makes a system call, again if a signal interrupts it.
func (c rawConn) call(number uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(number, uintptr(c), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if errno == 0 {
			return int(n), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

func (c rawConn) Close() error { return syscall.Close(int(c)) }
