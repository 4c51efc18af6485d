package qmp

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// How long DialWait waits between two attempts: longer each time.
const (
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond
)

var errProcessEnded = errors.New("the process has ended before its socket could be used")

// DialWait is like [Dial] for a server that was just started: it waits for a socket that is not
// there yet, that nobody listens on yet, or whose queue is full, until ctx ends.
//
// exited, if it is not nil, is a channel that is closed when the server's process has ended:
// DialWait then stops to wait. The error matches that of the last attempt, [os.ErrNotExist] or
// [syscall.ECONNREFUSED], and that of ctx if that has ended.
func DialWait(ctx context.Context, address string, exited <-chan struct{}, opts *Options) (*Client, error) {
	conn, err := dialWait(ctx, address, exited)
	if err != nil {
		return nil, wrap("qmp", err)
	}
	return NewClient(ctx, conn, opts)
}

func dialWait(ctx context.Context, address string, exited <-chan struct{}) (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := dial(ctx, address)
		if err == nil || !mayComeYet(err) {
			return conn, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
			err = errors.Join(ctx.Err(), err)
		case <-exited:
			err = errors.Join(errProcessEnded, err)
		}
		timer.Stop()
		return nil, err
	}
}

// mayComeYet tells whether an attempt to connect failed for what time can mend.
func mayComeYet(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EAGAIN)
}
