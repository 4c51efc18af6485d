//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fdconn

import (
	"cmp"
	"io"
	"net"
	"os"
	"syscall"
)

// New returns a Conn of c. Descriptors pass if c is a [*net.UnixConn].
func New(c net.Conn) Conn {
	if u, ok := c.(*net.UnixConn); ok {
		return &socket{conn: u}
	}
	return plain{c}
}

// A socket is a UNIX socket. It reads byte by byte, as QEMU does: the system merges bytes that came without descriptors
// with later ones that came with them.
type socket struct {
	conn *net.UnixConn
	next []byte // a byte that was read and not returned
	with []*os.File
}

func (s *socket) Read(b []byte) (n int, files []*os.File, err error) {
	if len(b) == 0 {
		return 0, nil, nil
	}
	n, files = copy(b, s.next), s.with
	s.next, s.with = nil, nil
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return n, files, err
	}
	waitErr := raw.Read(func(fd uintptr) bool {
		for n < len(b) {
			got, with, readErr := receive(int(fd), b[n:n+1])
			switch {
			case readErr == syscall.EINTR:
			case readErr == syscall.EAGAIN:
				return n > 0
			case readErr != nil:
				err = os.NewSyscallError("recvmsg", readErr)
				return true
			case got == 0:
				err = io.EOF
				return true
			case len(with) > 0 && n > 0:
				s.next, s.with = []byte{b[n]}, with
				return true
			default:
				n++
				files = append(files, with...)
			}
		}
		return true
	})
	if err == nil {
		err = waitErr
	}
	return n, files, err
}

// receive reads once, without waiting. Child processes do not inherit the descriptors.
func receive(fd int, b []byte) (n int, files []*os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var oob [512]byte // more than 16 descriptors need
	n, oobn, _, _, err := syscall.Recvmsg(fd, b, oob[:], 0)
	if err != nil || oobn == 0 {
		return n, nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, nil, nil // the bytes have come all the same
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "descriptor from the client"))
		}
	}
	return n, files, nil
}

func (s *socket) Write(b []byte, files []*os.File) error {
	if len(files) > 0 && len(b) > 0 {
		n, err := s.send(b, files)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	_, err := s.conn.Write(b)
	return err
}

// send writes some bytes of b with the descriptors. It does not change the blocking mode of the files, as File.Fd would.
func (s *socket) send(b []byte, files []*os.File) (n int, err error) {
	fds := make([]int, 0, len(files))
	var hold func(rest []*os.File) error // the descriptors are valid while their Control runs
	hold = func(rest []*os.File) (err error) {
		if len(rest) == 0 {
			n, _, err = s.conn.WriteMsgUnix(b, syscall.UnixRights(fds...), nil)
			return err
		}
		raw, err := rest[0].SyscallConn()
		if err != nil {
			return err
		}
		controlErr := raw.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			err = hold(rest[1:])
		})
		return cmp.Or(controlErr, err)
	}
	err = hold(files)
	return n, err
}

// Pair returns the two ends of a connection. Child processes do not inherit them.
func Pair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	return os.NewFile(uintptr(fds[0]), "socketpair"), os.NewFile(uintptr(fds[1]), "socketpair"), nil
}

// Duplicate returns duplicates of files, which the caller closes. It leaves the blocking mode of the files as it is,
// unlike File.Fd. Child processes do not inherit the duplicates.
func Duplicate(files []*os.File) (own []*os.File, err error) {
	for _, f := range files {
		duplicate, err := duplicate(f)
		if err != nil {
			for _, f := range own {
				_ = f.Close()
			}
			return nil, err
		}
		own = append(own, duplicate)
	}
	return own, nil
}

func duplicate(f *os.File) (own *os.File, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		var to int
		if to, err = syscall.Dup(int(fd)); err != nil {
			err = os.NewSyscallError("dup", err)
			return
		}
		syscall.CloseOnExec(to)
		own = os.NewFile(uintptr(to), f.Name())
	})
	return own, cmp.Or(controlErr, err)
}
