package qmp

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// How long DialWait waits between two attempts: longer each time.
const (
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond
)

var errProcessEnded = errors.New("the process has ended before its socket could be used")

// DialWait is like [Dial] for a server that was just started. It tries again as long as the socket
// does not exist, nobody listens on it, or its listen queue is full. It gives up when ctx ends.
//
// exited may be nil. Otherwise the caller closes it when the server's process has ended. DialWait then
// stops waiting for the socket or for the greeting. If DialWait has not connected, its error matches
// the error of the last attempt: [os.ErrNotExist] or [syscall.ECONNREFUSED]. If ctx has ended, the
// error also matches the error of ctx.
func DialWait(ctx context.Context, address string, exited <-chan struct{}, opts *Options) (*Client, error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-exited:
			cancel()
		case <-running.Done():
		}
	}()
	ctx = &process{running, ctx}
	conn, err := dialWait(ctx, address)
	if err != nil {
		return nil, wrap("qmp", err)
	}
	return newClientAt(ctx, address, conn, opts)
}

// A process is a context that ends when its parent does, or a process has ended.
type process struct {
	context.Context
	parent context.Context
}

func (p *process) Err() error {
	switch {
	case p.Context.Err() == nil:
		return nil
	case p.parent.Err() != nil:
		return p.parent.Err()
	}
	return errProcessEnded
}

func dialWait(ctx context.Context, address string) (net.Conn, error) {
	var last error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := dial(ctx, address)
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil && last != nil:
			return nil, join(last, wait.Err(ctx))
		case !mayComeYet(err):
			return nil, err
		}
		last = err
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, join(last, wait.Err(ctx))
		}
	}
}

// mayComeYet reports whether an attempt to connect failed for a reason that time can mend.
func mayComeYet(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EAGAIN)
}
