package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"time"
)

// A floor is the least that commands can take: fixed requests and replies that nobody looks at,
// and system calls on a thread of its own.
type floor struct {
	conn io.ReadWriteCloser
	in   []byte
}

// patience is how long a floor waits for a stand-in, which answers at once or has come to harm.
const patience = 10 * time.Second

// newFloor makes the floor's connection to a stand-in.
func newFloor(s *standIn) (*floor, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	if err := negotiate(conn); err != nil {
		return nil, err
	}
	raw, err := newRawConn(conn, patience)
	return &floor{raw, make([]byte, 1<<18)}, err
}

func (f *floor) close() { _ = f.conn.Close() }

// trip returns the operation of sending a command and reading its reply.
func (f *floor) trip(command string) (operation, error) {
	results, err := standInResults()
	if err != nil {
		return nil, err
	}
	request := appendRequest(nil, command, 1)
	length := len(appendReply(nil, results[command], []byte("1")))
	return func() error {
		if _, err := f.conn.Write(request); err != nil {
			return err
		}
		return f.drain(length)
	}, nil
}

// drain reads that many bytes.
func (f *floor) drain(length int) error {
	for n := 0; n < length; {
		m, err := f.conn.Read(f.in)
		if err != nil {
			return err
		}
		n += m
	}
	return nil
}

// onThread returns a sample that is taken on a thread of its own.
func onThread(take sample) sample {
	return func() (float64, error) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return take()
	}
}

// negotiate does on a connection what a client does first.
func negotiate(conn net.Conn) error {
	if _, err := readLine(conn, nil); err != nil { // the greeting
		return err
	}
	if _, err := conn.Write(appendRequest(nil, "qmp_capabilities", 1)); err != nil {
		return err
	}
	_, err := readLine(conn, nil)
	return err
}

// readLine reads a line, behind which nothing more may have been sent, into b's memory.
func readLine(from io.Reader, b []byte) ([]byte, error) {
	b = b[:0]
	for !bytes.HasSuffix(b, []byte("\n")) {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(4096, len(b)))...)[:len(b)]
		}
		n, err := from.Read(b[len(b):cap(b)])
		if err != nil {
			return nil, errors.Join(err, errors.New("the stand-in has ended"))
		}
		b = b[:len(b)+n]
	}
	return b, nil
}
