//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package qmp

import (
	"os"
	"syscall"
)

// socketsKnown tells that sendmsg works on this platform.
const socketsKnown = true

// rights are duplicates of the descriptors of files, to be sent once: the files may be closed
// while the command still waits to be written.
type rights struct{ fds []int }

// duplicate makes rights of files. It leaves their blocking mode as it is, unlike File.Fd.
func duplicate(files []*os.File) (*rights, error) {
	r := new(rights)
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			r.close()
			return nil, err
		}
		var dupErr error
		err = raw.Control(func(fd uintptr) { dupErr = r.add(int(fd)) })
		if err == nil {
			err = dupErr
		}
		if err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// add duplicates a descriptor. No program that is started meanwhile inherits it.
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
