package qmp

import (
	"net"
	"syscall"
)

// A sender writes to a connection. It is used by one goroutine at a time.
type sender struct {
	conn net.Conn

	// raw is set for the sockets of package net, and our own, where the platform's are known
	// here.
	raw        syscall.RawConn
	takesFiles bool

	// The arguments of attempt. A closure for each call would be allocated.
	attempt func(fd uintptr) bool
	text    []byte
	files   *rights
	wait    bool
	n       int
	err     error
}

func (s *sender) init(conn net.Conn) {
	s.conn = conn
	if !socketsKnown {
		return
	}
	// Not any syscall.Conn: a type that embeds a *net.UnixConn may have its own Write.
	switch conn := conn.(type) {
	case *net.UnixConn:
		s.raw, _ = conn.SyscallConn() // nil when it is closed: then Write fails
		s.takesFiles = s.raw != nil
	case *net.TCPConn:
		s.raw, _ = conn.SyscallConn()
	case *fileConn:
		s.raw, _ = conn.SyscallConn()
	}
	s.attempt = s.sendOnce
}

// try writes as much of a batch as the connection takes at once, the files with the first
// byte. When that is not everything the error is errBlocked.
func (s *sender) try(b *batch) (n int, err error) {
	if s.raw == nil {
		return 0, errBlocked
	}
	n, err = s.send(b.text.b, b.files, false)
	if err == nil && n < len(b.text.b) {
		err = errBlocked
	}
	return n, err
}

// write writes a batch of which the first n bytes have been sent, the files with the first
// one. It returns how many have been then.
func (s *sender) write(b *batch, n int) (int, error) {
	if b.files != nil && n == 0 {
		var err error
		if n, err = s.send(b.text.b, b.files, true); err != nil {
			return n, err
		}
	}
	m, err := s.conn.Write(b.text.b[n:])
	return n + m, err
}

// send makes one attempt to write to a socket; with wait it is made when the socket takes
// something.
func (s *sender) send(b []byte, files *rights, wait bool) (int, error) {
	s.text, s.files, s.wait = b, files, wait
	s.n, s.err = 0, nil
	err := s.raw.Write(s.attempt)
	if err == nil {
		err = s.err
	}
	s.text, s.files = nil, nil
	return s.n, err
}

// sendOnce is s.attempt. It returns false to be called again when the socket takes something.
func (s *sender) sendOnce(fd uintptr) bool {
	for {
		n, err := sendmsg(fd, s.text, s.files)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			return !s.wait
		}
		s.n, s.err = max(n, 0), err
		return true
	}
}
