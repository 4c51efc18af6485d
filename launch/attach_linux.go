package launch

import (
	"errors"
	"net"
	"os"
	"syscall"
	"unsafe"
)

const canAttach = true

// peerOf returns the ID of the process at the other end of a connection: the server or the client.
func peerOf(conn net.Conn) (pid int, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(controlErr, err); err != nil {
		return 0, err
	}
	if cred.Pid == 0 {
		return 0, errors.New("QEMU is in another PID namespace")
	}
	return int(cred.Pid), nil
}

// A foundProcess is a process that is not a child of this one.
type foundProcess struct {
	*os.Process
	fd *os.File // of the process (pidfd)
}

const sysPidfdOpen = 434 // of pidfd_open, on every architecture

func newFoundProcess(process *os.Process) (*foundProcess, error) {
	const nonblock = syscall.O_NONBLOCK // so that the runtime polls the descriptor
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(process.Pid), nonblock, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("pidfd_open", errno)
	}
	return &foundProcess{process, os.NewFile(fd, "pidfd")}, nil
}

// pollFD is struct pollfd.
type pollFD struct {
	fd      int32
	events  int16
	revents int16
}

const pollIn = 1

// wait waits for the end of the process.
func (p *foundProcess) wait() {
	defer p.close()
	raw, err := p.fd.SyscallConn()
	if err == nil {
		_ = raw.Read(func(fd uintptr) (ended bool) { // fails after close only
			poll := pollFD{fd: int32(fd), events: pollIn}
			var now syscall.Timespec
			n, _, _ := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
			return int(n) == 1
		})
	}
}

func (p *foundProcess) close() { p.fd.Close() }
