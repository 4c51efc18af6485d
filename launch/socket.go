package launch

import (
	"errors"
	"io"
	"net"
	"os"
)

// A Socket is a character device whose other end is a connection of this program: a serial line, the channel of a guest
// agent, another monitor. A pointer to it is an [Option]. Others refer to it by its ID:
//
//	console := &launch.Socket{ID: "console", Output: os.Stdout}
//	… launch.Args{console, "-serial", "chardev:console"} …
//
// A guest waits if nobody reads what it writes to a serial line. Some devices make all of QEMU wait: with an isa-debugcon,
// not even the monitor answers after a few hundred bytes, and Start does not return. Set Output for a device that writes
// early or much.
//
// Use a Socket for one Start.
type Socket struct {
	// ID is the name of the character device.
	ID string

	// Output, if not nil, gets what QEMU writes, from the beginning. A Writer that blocks makes QEMU wait, as above. The last
	// bytes can come after the end of QEMU.
	Output io.Writer

	// Path, if not empty, is where QEMU listens instead, for other programs. Start treats it like Config.Monitor, and
	// Conn returns an error. Output has no effect.
	Path string

	file   *os.File
	output net.Conn
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
		if err == nil && s.Output != nil {
			err = s.copyOutput()
		}
	}
	if err == nil {
		line.Add("-chardev", "socket,id="+escape(s.ID)+",fd="+fd+server)
	}
	return err
}

// copyOutput passes the output on until QEMU or drop closes the connection.
func (s *Socket) copyOutput() (err error) {
	if s.output, err = net.FileConn(s.file); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(s.Output, s.output) // without a Writer, QEMU waits
		_ = s.output.Close()
	}()
	return nil
}

// Conn returns the connection, after Start has succeeded. It belongs to the caller, who calls Conn once and closes the
// connection. With Output, the caller can only write to it.
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
	if s.output != nil {
		s.output.Close()
	}
}
