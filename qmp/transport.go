package qmp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// Accept waits until a server connects to l and makes a client of the connection, as [NewClient] does. It
// gives up when ctx ends. Use it for a QEMU that connects to a socket (server=off) instead of listening on
// one. If you start that QEMU, cancel ctx when its process ends: it may end before it connects.
//
// l stays open for further servers. If l is a UNIX or TCP listener of package net, several goroutines can call
// Accept at once. Accept then returns soon after l is closed. It does not change the deadlines of l, and
// ignores them if ctx can end.
//
// On any other listener, only one Accept can wait at a time. If ctx ends first, Accept interrupts the listener with
// SetDeadline and then clears the deadline. If the listener has no SetDeadline, Accept closes it.
func Accept(ctx context.Context, l net.Listener, opts *Options) (*Client, error) {
	conn, err := accept(ctx, l)
	if err != nil {
		return nil, wrap("qmp: accept"+onListener(l)+": no server has connected", err)
	}
	return NewClient(ctx, conn, opts)
}

// onListener says where l listens, if that is known.
func onListener(l net.Listener) string {
	if address := l.Addr(); address != nil {
		return " on " + address.Network() + ":" + address.String()
	}
	return ""
}

func accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	if ctx.Done() == nil {
		return l.Accept()
	}
	own, err := duplicateListener(l)
	if errors.Is(err, errors.ErrUnsupported) {
		return interruptAccept(ctx, l)
	}
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return acceptUntil(ctx, own, l.(syscall.Conn))
}

// A deadlineListener is a listener that can be interrupted.
type deadlineListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// closedAfter is the time after which Accept sees that its listener was closed.
const closedAfter = 50 * time.Millisecond

// acceptUntil accepts a connection on own, a duplicate of l with its own deadlines, until ctx ends or
// l is closed, which own would outlive.
func acceptUntil(ctx context.Context, own deadlineListener, l syscall.Conn) (net.Conn, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = own.SetDeadline(time.Unix(1, 0)) })()
	for {
		_ = own.SetDeadline(time.Now().Add(closedAfter))
		conn, err := own.Accept()
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		if ctx.Err() != nil {
			return nil, wait.Err(ctx)
		}
		if err := raw.Control(func(uintptr) {}); err != nil {
			return nil, err
		}
	}
}

// interruptAccept accepts a connection on a listener that has no duplicate.
func interruptAccept(ctx context.Context, l net.Listener) (net.Conn, error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		if d, ok := l.(deadlineListener); !ok || d.SetDeadline(time.Unix(1, 0)) != nil {
			_ = l.Close()
		}
	})
	defer stop() // also if the listener panics
	conn, err := l.Accept()
	if !stop() {
		<-interrupted
		if d, ok := l.(deadlineListener); ok {
			_ = d.SetDeadline(time.Time{})
		}
		if err != nil {
			err = wait.Err(ctx)
		}
	}
	return conn, err
}

// NewFileClient makes a client of a socket that was inherited or is one end of a socketpair, as
// [NewClient] does. It duplicates the descriptor: the caller closes f.
func NewFileClient(ctx context.Context, f *os.File, opts *Options) (*Client, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, wrap("qmp: file "+f.Name()+" cannot be a connection", err)
	}
	return NewClient(ctx, conn, opts)
}

// Pipes returns a connection over two streams, for [NewClient]: for example the standard output and input
// of a QEMU that was started with -qmp stdio. Closing the connection closes both streams. Such a
// connection cannot send descriptors, and each reply wakes a goroutine, which costs time.
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
