package main

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// rawConn is a connection that is read and written by blocking system calls with nothing around
// them: neither Go's poller, nor what tells its scheduler that a thread is blocked. On a
// goroutine with a thread of its own that is as fast as a program can be. For as long as a call
// takes it keeps one of the scheduler's processors, and holds up garbage collection.
type rawConn uintptr

// newRawConn takes over a connection. With a patience that is not 0, reading fails after that
// time.
func newRawConn(conn *net.UnixConn, patience time.Duration) (io.ReadWriteCloser, error) {
	defer conn.Close() // which also takes it away from the poller
	control, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var dupErr error
	err = control.Control(func(original uintptr) { fd, dupErr = syscall.Dup(int(original)) })
	if err = errors.Join(err, dupErr); err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	limit := syscall.NsecToTimeval(int64(patience))
	err = errors.Join(
		syscall.SetNonblock(fd, false),
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit))
	if err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return rawConn(fd), nil
}

func (c rawConn) Read(b []byte) (int, error) {
	n, err := c.call(syscall.SYS_READ, b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (c rawConn) Write(b []byte) (written int, err error) {
	for written < len(b) && err == nil {
		var n int
		n, err = c.call(syscall.SYS_WRITE, b[written:])
		written += n
	}
	return written, err
}

// call makes a system call, as often as a signal interrupts it.
func (c rawConn) call(number uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(number, uintptr(c), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

func (c rawConn) Close() error { return syscall.Close(int(c)) }
