package qmptest

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"time"
)

// A Fault changes the output of the server. It takes the writer to the client and returns the writer to use
// instead. The server calls it once for each connection. Each call of the writer's Write gets one message,
// the bytes of one [Server.Write], or several messages that [Server.Merge] has joined. Closing the writer
// ends the connection. Close can be called during a write, and more than once.
//
// [Split], [SplitAt], [Insert], [Cut] and [Lag] are faults, and a test can have its own. They work on sockets
// and on pipes alike.
type Fault func(toClient io.WriteCloser) io.WriteCloser

// throughFaults returns a writer whose bytes go through the faults, the first one first.
func throughFaults(out io.WriteCloser, faults []Fault) io.WriteCloser {
	for _, f := range slices.Backward(faults) {
		out = f(out)
	}
	return out
}

// lineEnd is the writer after the last fault.
type lineEnd struct{ c *conn }

func (l lineEnd) Write(b []byte) (int, error) { return l.c.net.Write(b) }
func (l lineEnd) Close() error                { l.c.shut(); return nil }

// onWrite is a fault that only writes.
type onWrite struct {
	io.WriteCloser
	write func(b []byte) error
}

func (w onWrite) Write(b []byte) (int, error) {
	if err := w.write(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Split writes n bytes at a time.
func Split(n int) Fault {
	return func(out io.WriteCloser) io.WriteCloser {
		return onWrite{out, func(b []byte) error {
			for piece := range slices.Chunk(b, n) {
				if _, err := out.Write(piece); err != nil {
					return err
				}
			}
			return nil
		}}
	}
}

// SplitAt splits the output at these offsets, in bytes from the beginning of the connection.
func SplitAt(offsets ...int) Fault {
	return func(out io.WriteCloser) io.WriteCloser {
		written := 0
		return onWrite{out, func(b []byte) error {
			from := 0
			for i := range b {
				if i > from && slices.Contains(offsets, written+i) {
					if _, err := out.Write(b[from:i]); err != nil {
						return err
					}
					from = i
				}
			}
			written += len(b)
			_, err := out.Write(b[from:])
			return err
		}}
	}
}

// Insert adds bytes, such as garbage or an event before the greeting, at an offset in bytes from the
// beginning of the connection. It writes them together with the byte that follows.
func Insert(offset int, other []byte) Fault {
	return func(out io.WriteCloser) io.WriteCloser {
		written := 0
		return onWrite{out, func(b []byte) error {
			at := offset - written
			written += len(b)
			if 0 <= at && at < len(b) {
				b = bytes.Join([][]byte{b[:at], other, b[at:]}, nil)
			}
			_, err := out.Write(b)
			return err
		}}
	}
}

// Cut ends the connection when n bytes have been written. To end it at every byte of a session, call it with n
// from 0 on until the session succeeds.
func Cut(n int) Fault {
	return func(out io.WriteCloser) io.WriteCloser {
		left := n
		return onWrite{out, func(b []byte) error {
			if len(b) < left {
				left -= len(b)
				_, err := out.Write(b)
				return err
			}
			defer out.Close()
			if b = b[:left]; len(b) > 0 {
				left = 0
				_, err := out.Write(b)
				return err
			}
			return io.ErrClosedPipe
		}}
	}
}

// Lag waits before each write. In a testing/synctest bubble that takes no time.
func Lag(d time.Duration) Fault {
	return func(out io.WriteCloser) io.WriteCloser {
		return &lag{WriteCloser: out, d: d, closed: make(chan struct{})}
	}
}

type lag struct {
	io.WriteCloser
	d      time.Duration
	once   sync.Once
	closed chan struct{}
}

func (l *lag) Write(b []byte) (int, error) {
	timer := time.NewTimer(l.d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return l.WriteCloser.Write(b)
	case <-l.closed:
		return 0, io.ErrClosedPipe
	}
}

func (l *lag) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.WriteCloser.Close()
}
