package main

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// turns is how often something is measured that takes some milliseconds.
func (b *bench) turns() int {
	if b.quick {
		return 3
	}
	return 75
}

// often returns how often something short is repeated: n times, or fewer in a quick run.
func (b *bench) often(n int) int {
	if b.quick {
		return max(n/50, 5)
	}
	return n
}

// trips returns a sample of one operation's time: the median of n, since one that was
// interrupted tells nothing.
func trips(n int, op operation) sample {
	times := make([]float64, n)
	return func() (float64, error) {
		for i := range times {
			begin := time.Now()
			if err := op(); err != nil {
				return 0, err
			}
			times[i] = time.Since(begin).Seconds()
		}
		return median(times), nil
	}
}

// status returns the operation of asking for the status, through an executor.
func status(ctx context.Context, x qmp.Executor) operation {
	return func() error {
		v, err := qemu.QueryStatus{}.Do(ctx, x)
		if err == nil && !v.Running {
			err = errors.New("query-status: a wrong result")
		}
		return err
	}
}

// contestants are a client, and what it is compared with, on connections of their own to one
// stand-in.
type contestants struct {
	standIn *standIn
	floor   *floor
	direct  *direct
	reader  *reader
	client  *qmp.Client
}

func newContestants(ctx context.Context, b *bench) (_ *contestants, err error) {
	c := new(contestants)
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.standIn, err = startStandIn(ctx, b, false); err != nil {
		return nil, err
	}
	if c.floor, err = newFloor(c.standIn); err != nil {
		return nil, err
	}
	if c.direct, err = newDirect(c.standIn); err != nil {
		return nil, err
	}
	if c.reader, err = newReader(c.standIn); err != nil {
		return nil, err
	}
	c.client, err = c.standIn.dial(ctx, nil)
	return c, err
}

// newStatusContestants returns contestants, and the floor's round trip of query-status.
func newStatusContestants(ctx context.Context, b *bench) (*contestants, operation, error) {
	c, err := newContestants(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	floor, err := c.floor.trip(queryStatus)
	if err != nil {
		c.close()
		return nil, nil, err
	}
	return c, floor, nil
}

func (c *contestants) close() {
	if c.client != nil {
		_ = c.client.Close()
	}
	if c.reader != nil {
		c.reader.close()
	}
	if c.direct != nil {
		c.direct.close()
	}
	if c.floor != nil {
		c.floor.close()
	}
	if c.standIn != nil {
		c.standIn.stop()
	}
}
