package qemutest

import (
	"errors"
	"os"
)

// Server is a running program that serves sockets: a QEMU, a storage daemon, a guest agent.
type Server struct {
	*process
	Sockets []string // the paths
	Dir     string   // for files; removed by Close
}

// launch starts a program on n new sockets. command gets the server's folder.
func launch(path string, n int, command func(dir string) []string) (*Server, error) {
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
	return &Server{process: p, Sockets: sockets, Dir: dir}, nil
}

// Socket returns the path of the first socket.
func (s *Server) Socket() string { return s.Sockets[0] }

// Close kills the program, waits for its end and removes its folder. Calling it twice is fine.
func (s *Server) Close() error {
	s.kill()
	return os.RemoveAll(s.Dir)
}

// Fds returns the target of each open descriptor of the program, as in /proc/PID/fd, sorted. If the results
// before and after an operation are equal, the operation left no descriptor open. It works on Linux only.
func (s *Server) Fds() ([]string, error) {
	return descriptors(s.Pid())
}
