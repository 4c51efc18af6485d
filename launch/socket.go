package launch

import (
	"errors"
	"net"
	"os"
)

// A Socket is a character device whose other end is a connection of this program: a serial line, the channel of a guest
// agent, another monitor. A pointer to it is an [Option]. Others refer to it by its ID:
//
//	console := &launch.Socket{ID: "console"}
//	… launch.Args{console, "-serial", "chardev:console"} …
//	conn, err := console.Conn()
//
// Use a Socket for one Start.
type Socket struct {
	// ID is the name of the character device.
	ID string

	// Path, if not empty, is where QEMU listens instead, for other programs. Start treats it like Config.Monitor, and
	// Conn returns an error.
	Path string

	file *os.File
}

// AppendTo adds -chardev.
func (s *Socket) AppendTo(line *Line) (err error) {
	var fd, server string
	switch {
	case s.ID == "":
		return errors.New("Socket needs an ID")
	case s.file != nil:
		return errors.New("Socket is used twice")
	case s.Path != "":
		server = ",server=on,wait=off"
		fd, err = line.listen(s.Path)
	default:
		s.file, fd, err = line.socketPair()
		line.sockets = append(line.sockets, s)
	}
	if err == nil {
		line.Add("-chardev", "socket,id="+escape(s.ID)+",fd="+fd+server)
	}
	return err
}

// Conn returns the connection, after Start has succeeded. It belongs to the caller, who calls Conn once and closes the
// connection. QEMU stops to read from the guest when nobody reads the connection.
func (s *Socket) Conn() (net.Conn, error) {
	if s.file == nil {
		return nil, errors.New("launch: socket " + s.ID + ": no connection: Start has not succeeded, Path is set, or Conn was called before")
	}
	conn, err := net.FileConn(s.file)
	if err == nil {
		s.file.Close() // conn has a copy
		s.file = nil
	}
	return conn, err
}

// drop closes the connection of a Start that has failed.
func (s *Socket) drop() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}
