package qmp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Accept waits until a server connects to l, and makes a client of the connection, as [NewClient]
// does; both until ctx ends. It is for a QEMU that is told to connect to a socket (server=off)
// instead of listening on one. l stays open, for further servers.
//
// When ctx ends before a server has come, a listener on a UNIX or TCP socket can be used again;
// any other one is closed.
func Accept(ctx context.Context, l net.Listener, opts *Options) (*Client, error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); !ok || d.SetDeadline(time.Unix(1, 0)) != nil {
			_ = l.Close()
		}
	})
	conn, err := l.Accept()
	if !stop() {
		<-interrupted
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
			_ = d.SetDeadline(time.Time{})
		}
		if err != nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		return nil, wrap("qmp: nobody has connected", err)
	}
	return NewClient(ctx, conn, opts)
}

// NewFileClient makes a client of a socket that was inherited, or is one end of a socketpair, as
// [NewClient] does. It duplicates the descriptor: f is the caller's, to be closed.
func NewFileClient(ctx context.Context, f *os.File, opts *Options) (*Client, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, wrap("qmp", err)
	}
	return NewClient(ctx, conn, opts)
}

// Pipes makes a connection, for [NewClient], of two streams: the standard output and input of a
// process, say, whose monitor is there (-qmp stdio). To close the connection closes both. Other
// than on a socket, descriptors cannot be sent, and each reply wakes a goroutine.
func Pipes(from io.ReadCloser, to io.WriteCloser) net.Conn { return &pipes{from, to} }

// pipes is a connection over two streams.
type pipes struct {
	from io.ReadCloser
	to   io.WriteCloser
}

func (p *pipes) Read(b []byte) (int, error)  { return p.from.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.to.Write(b) }
func (p *pipes) Close() error                { return errors.Join(p.to.Close(), p.from.Close()) }

func (p *pipes) LocalAddr() net.Addr  { return pipesAddr{} }
func (p *pipes) RemoteAddr() net.Addr { return pipesAddr{} }

// A client sets no deadlines on such a connection.
func (p *pipes) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (p *pipes) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (p *pipes) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

type pipesAddr struct{}

func (pipesAddr) Network() string { return "pipes" }
func (pipesAddr) String() string  { return "pipes" }
