package qemutest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// A program is a process that does not outlive this one.
type program interface {
	Pid() int
	Ended() <-chan struct{}         // closed once the process has ended
	Wait(ctx context.Context) error // until the process has ended by itself; the error says how, unless its status is 0
	Output() string                 // what the process has written to its standard output and error so far
	Kill() error                    // and wait for its end
}

// Server is a running program that serves sockets: a QEMU, a storage daemon, a guest agent.
type Server struct {
	program
	Sockets []string // the paths
	Dir     string   // for files; removed by Close
}

// launchServer starts a program on n new sockets. command gets the server's folder.
func launchServer(path string, n int, command func(dir string) []string) (*Server, error) {
	dir, err := os.MkdirTemp("", "qemu") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	sockets, files, err := listen(dir, "socket", n)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer closeAll(files)
	p, err := startProcess(path, command(dir), files)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{program: p, Sockets: sockets, Dir: dir}, nil
}

// Socket returns the path of the first socket.
func (s *Server) Socket() string { return s.Sockets[0] }

// Close kills the program, waits for its end and removes its folder. Calling it twice is fine.
func (s *Server) Close() error {
	return errors.Join(s.Kill(), os.RemoveAll(s.Dir))
}

// Fds returns the target of each open descriptor of the program, as in /proc/PID/fd, sorted. It works on Linux only.
func (s *Server) Fds() ([]string, error) {
	return descriptors(s.Pid())
}

// HasNoNewFds requires that the program soon has no open descriptor that it did not have before, as [Server.Fds] has said.
// It may have fewer: the program can still close what others have left.
func (s *Server) HasNoNewFds(t testing.TB, before []string) {
	t.Helper()
	var fresh []string
	for range 500 {
		after, err := s.Fds()
		if err != nil {
			t.Fatal(err)
		}
		if fresh = without(after, before); len(fresh) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the program has new descriptors: %q", fresh)
}
