package main

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// unreadLimit is how much longer a command may take because a consumer of events has stopped reading. It has
// room for how much runs differ.
const unreadLimit = 1.1

// eventsBeforeEach is how many events come before each reply in a flood.
const eventsBeforeEach = 10

// measureUnread compares round trips in a flood of events: with a consumer that has stopped reading, with one
// that reads, and with none.
func measureUnread(b *bench) {
	s := b.standIn(threads)
	var clients [5]*qmp.Client
	for i := range clients {
		clients[i] = b.dial(s, nil)
	}
	unread, read, ignored, full := clients[0], clients[1], clients[2], clients[3]
	for _, c := range []*qmp.Client{unread, full} {
		_ = qmp.Subscribe[qemu.BalloonChangeEvent](c)
		check(sendEvents(b.ctx, c, flood, 2000)) // more than it keeps
	}
	events := qmp.Subscribe[qemu.BalloonChangeEvent](read)
	go func() {
		for range events.All(b.ctx) {
		}
	}()
	var samples []sample
	for _, c := range clients {
		if c == unread || c == read || c == ignored {
			check(sendEvents(b.ctx, c, beforeEach, eventsBeforeEach))
		}
		samples = append(samples, single(b.few(trips), status(context.Background(), c)))
	}
	times := b.inTurn(short, samples...)
	b.row(fmt.Sprintf("query-status, %d events with each, that nobody reads", eventsBeforeEach), times[0].String(),
		atMost(times[0].over(times[1]), "× with a consumer that reads", unreadLimit), "no subscription: "+times[2].String())
	b.row("query-status, beside a full queue of events", times[3].String(),
		atMost(times[3].over(times[4]), "× without a subscription", unreadLimit))
}
