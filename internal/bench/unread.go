package main

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// unreadLimit is how much longer a command may take because a consumer of events has stopped
// reading. It has room for what one run differs from the next.
const unreadLimit = 1.1

// eventsBeforeEach is how many events come before each reply in a flood.
const eventsBeforeEach = 10

// measureUnread compares round trips in a flood of events: with a consumer that has stopped
// reading, one that reads, and none.
func measureUnread(ctx context.Context, b *bench) ([]result, error) {
	s, err := startStandIn(ctx, b, false)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	n := b.often(manyTrips)
	var samples []sample
	for _, flooded := range []flooding{
		{events: true, unread: true},
		{events: true, read: true},
		{events: true},
		{unread: true},
		{},
	} {
		c, err := flooded.client(ctx, s)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		samples = append(samples, trips(n, status(context.WithoutCancel(ctx), c)))
	}
	times, err := inTurn(b.turns(), samples...)
	if err != nil {
		return nil, err
	}
	flood := result{
		What:   fmt.Sprintf("query-status, %d events with each, that nobody reads", eventsBeforeEach),
		Detail: "no subscription: " + duration(median(times[2])),
		Judged: &judged{Value: ratio(times[0], times[1]), Unit: "×", Of: "with a consumer that reads", Limit: unreadLimit},
	}
	flood.Value, flood.Unit = inUnit(median(times[0]))
	full := result{
		What:   "query-status, beside a full queue of events",
		Judged: &judged{Value: ratio(times[3], times[4]), Unit: "×", Of: "without a subscription", Limit: unreadLimit},
	}
	full.Value, full.Unit = inUnit(median(times[3]))
	return []result{flood, full}, nil
}

// flooding is what befalls a client.
type flooding struct {
	events bool // come with each reply
	unread bool // there is a subscription that nobody reads, and that is full
	read   bool // there is one that somebody reads
}

func (f flooding) client(ctx context.Context, s *standIn) (c *qmp.Client, err error) {
	if c, err = s.dial(ctx, nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	if f.unread {
		_ = qmp.Subscribe[qemu.BalloonChangeEvent](c)
		const full = 2000 // more than it keeps
		if err := command(ctx, c, floodCommand, floodArgs{balloonChange, full}); err != nil {
			return nil, err
		}
	}
	if f.read {
		events := qmp.Subscribe[qemu.BalloonChangeEvent](c)
		go func() {
			for range events.All(ctx) {
			}
		}()
	}
	if f.events {
		err = command(ctx, c, beforeEachCommand, floodArgs{balloonChange, eventsBeforeEach})
	}
	return c, err
}
