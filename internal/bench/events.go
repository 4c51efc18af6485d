package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// eventsLimit is the least number of million events a second that reach a consumer.
const eventsLimit = 3.5

// measureEvents measures how fast events reach a consumer, as typed values.
func measureEvents(b *bench) {
	s, n := b.standIn(threads), b.few(1e6)
	floor := b.floor(s)
	client := b.dial(s, &qmp.Options{EventQueue: n})
	events := qmp.Subscribe[qemu.BalloonChangeEvent](client)
	all, lost := 0, 0
	times := b.inTurn(slow,
		each(n, func() error {
			missing, err := consume(b.ctx, client, events, n)
			all, lost = all+n, lost+missing
			return err
		}),
		onThread(each(n, func() error { return floor.flood(n) })))
	million := 1 / times[0].median() / 1e6
	b.row("BALLOON_CHANGE to a consumer, a second", number(million)+" million",
		atLeast(million, "million typed, each of them", eventsLimit),
		fmt.Sprintf("%d of %d lost", lost, all),
		"bytes that nobody looks at: "+number(1/times[1].median()/1e6)+" million")
}

// consume makes a stand-in send events to a client, and reads them. It returns how many were lost.
func consume(ctx context.Context, c *qmp.Client, events *qmp.Subscription[qemu.BalloonChangeEvent], count int) (
	lost int, err error) {
	if err := sendEvents(ctx, c, flood, count); err != nil {
		return 0, err
	}
	for n := 0; n < count; n++ {
		_, err := events.Next(ctx)
		if missing, ok := errors.AsType[*qmp.EventsLostError](err); ok {
			n += missing.Count - 1
			lost += missing.Count
		} else if err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// sendEvents executes one of the stand-in's commands for events.
func sendEvents(ctx context.Context, c *qmp.Client, command string, count int) error {
	_, err := qmp.Raw{Command: command, Args: qmp.Args{"count": count}}.Do(ctx, c)
	return err
}
