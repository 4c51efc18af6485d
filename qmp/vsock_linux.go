package qmp

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// afVsock is AF_VSOCK, which package syscall does not have.
const afVsock = 40

// sockaddrVM is struct sockaddr_vm of vsock(7).
type sockaddrVM struct {
	family uint16
	_      uint16
	port   uint32
	cid    uint32
	_      [4]byte
}

// dialVsock connects to a socket between a virtual machine and its host.
func dialVsock(ctx context.Context, address vsockAddr) (net.Conn, error) {
	conn, err := dialFamily(ctx, afVsock, address, func(fd int) error { return connectVsock(fd, address) })
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: address.Network(), Addr: address, Err: explainVsock(err)}
	}
	return conn, nil
}

// connectVsock begins to connect. syscall.Connect takes addresses of package syscall only.
func connectVsock(fd int, address vsockAddr) error {
	to := sockaddrVM{family: afVsock, port: address.port, cid: address.cid}
	_, _, err := syscall.Syscall(sysConnect, uintptr(fd), uintptr(unsafe.Pointer(&to)), unsafe.Sizeof(to))
	if err != 0 {
		return err
	}
	return nil
}

// explainVsock says what an error means here, and makes it match an error that [DialWait] waits
// for when the server, or the machine that it is in, may be starting.
func explainVsock(err error) error {
	text, like := "", error(nil)
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		text, like = "nobody listens there", syscall.ECONNREFUSED
	case errors.Is(err, syscall.ETIMEDOUT):
		text, like = "no machine with this CID has answered", os.ErrNotExist
	case errors.Is(err, syscall.ENODEV):
		text, like = "no machine with this CID can be reached", os.ErrNotExist
	case errors.Is(err, syscall.EAFNOSUPPORT):
		text, like = "this kernel has no vsock, or its module is not loaded", errors.ErrUnsupported
	default:
		return err
	}
	return &wrappedError{err.Error() + ": " + text, errors.Join(err, like)}
}

// dialFamily connects a new socket of a family that package net does not know, with a function
// that begins to.
func dialFamily(ctx context.Context, family int, remote net.Addr, connect func(fd int) error) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, wait.Err(ctx)
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = connect(fd)
	if err != nil && err != syscall.EINPROGRESS && err != syscall.EINTR {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	// The runtime watches the socket from here on, and not before: one that does not connect yet
	// counts as hung up.
	f := os.NewFile(uintptr(fd), remote.Network()+":"+remote.String())
	if err = awaitConnected(ctx, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &fileConn{f, remote}, nil
}

// awaitConnected waits until a socket that connects has, or cannot, or ctx ends.
func awaitConnected(ctx context.Context, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = f.SetWriteDeadline(time.Unix(1, 0)) // fails when f is closed only
	})
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		done, failed = isConnected(int(fd))
		return done
	})
	if !stop() {
		return wait.Err(ctx) // the deadline is set, or will be: the socket is of no use
	}
	if err == nil {
		err = failed
	}
	return err
}

// isConnected reports whether a socket has connected, or why it cannot. The runtime may wake a
// waiter too early.
func isConnected(fd int) (done bool, err error) {
	code, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err != nil {
		return true, os.NewSyscallError("getsockopt", err)
	}
	if code != 0 {
		return true, os.NewSyscallError("connect", syscall.Errno(code))
	}
	// For an address that package syscall does not know it is EAFNOSUPPORT.
	_, err = syscall.Getpeername(fd)
	return err != syscall.ENOTCONN, nil
}
