//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package qmp

import (
	"cmp"
	"errors"
	"net"
	"os"
	"syscall"
)

// socketsKnown says that sendmsg works on this platform.
const socketsKnown = true

// rights are duplicates of the descriptors of files, to be sent once: the files may be closed
// while the command still waits to be written.
type rights struct{ fds []int }

// duplicate makes rights of files. It leaves their blocking mode as it is, unlike File.Fd.
func duplicate(files []*os.File) (*rights, error) {
	r := new(rights)
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err == nil {
			err = r.control(raw)
		}
		if err != nil {
			r.close()
			return nil, wrap("file "+nameOf(f), err)
		}
	}
	return r, nil
}

// nameOf returns the name of a file, which may be nil by mistake.
func nameOf(f *os.File) string {
	if f == nil {
		return "nil"
	}
	return f.Name()
}

// control duplicates the descriptor of raw.
func (r *rights) control(raw syscall.RawConn) (err error) {
	controlErr := raw.Control(func(fd uintptr) { err = r.add(int(fd)) })
	return cmp.Or(controlErr, err)
}

// add duplicates a descriptor. Child processes do not inherit it.
func (r *rights) add(fd int) error {
	syscall.ForkLock.RLock()
	fd, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(fd)
		r.fds = append(r.fds, fd)
	}
	syscall.ForkLock.RUnlock()
	return os.NewSyscallError("dup", err)
}

// duplicateListener returns another listener on the socket of l, if l is one of package net. The error
// matches errors.ErrUnsupported if it is not.
func duplicateListener(l net.Listener) (deadlineListener, error) {
	// Not any syscall.Conn: a type that embeds a *net.UnixListener may have its own Accept.
	switch l.(type) {
	case *net.UnixListener, *net.TCPListener:
	default:
		return nil, errors.ErrUnsupported
	}
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	r := new(rights)
	if err := r.control(raw); err != nil {
		return nil, err
	}
	// Not File of the listener: package net would have the socket block for a moment.
	f := os.NewFile(uintptr(r.fds[0]), l.Addr().String())
	defer f.Close()
	own, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return own.(deadlineListener), nil
}

// close closes the duplicates; r may be nil.
func (r *rights) close() {
	if r == nil {
		return
	}
	for _, fd := range r.fds {
		_ = syscall.Close(fd) // there is nothing to be done about it
	}
	r.fds = nil
}

// readSocket reads once.
func readSocket(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// sendmsg sends b, or its beginning, and the rights with it.
func sendmsg(fd uintptr, b []byte, r *rights) (int, error) {
	if r == nil {
		return syscall.Write(int(fd), b)
	}
	return syscall.SendmsgN(int(fd), b, syscall.UnixRights(r.fds...), nil, 0)
}
