package main

import (
	"context"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// The limits for a round trip of query-status.
const (
	floorLimit  = 1.35 // × the floor, on one CPU
	directLimit = 1.05 // × direct, on one CPU
	readerLimit = 2    // × faster than reader
)

// requestLimit is the length in bytes of query-status, as a client sends it that has nothing else in
// flight. QEMU reads byte by byte, so each one counts.
const requestLimit = 34

// measureOneCPU compares the time of a command with that of other ways to send one, on one CPU. This shows
// the client's own work.
func measureOneCPU(b *bench) {
	client, _, reader, direct, floor := b.roundTrips(b.peers())
	b.row("query-status, a round trip on one CPU", client.String(),
		atMost(client.over(floor), "× the floor, bare system calls", floorLimit),
		"the floor: "+floor.String())
	b.row("the same", client.String(),
		atMost(client.over(direct), "× one goroutine that writes and reads", directLimit),
		"one goroutine: "+direct.String(), "the reader: "+reader.String())
}

// measureRoundTrip compares the same on all CPUs, as users run a client. There, waking other threads takes most of the
// time.
func measureRoundTrip(b *bench) {
	p := b.peers()
	client, deadline, reader, direct, floor := b.roundTrips(p)
	b.row("query-status, a round trip", client.String(),
		atLeast(reader.over(client), "× faster than a goroutine that reads, and a channel", readerLimit),
		"the reader: "+reader.String(), "one goroutine: "+direct.String(), "the floor: "+floor.String())
	b.row("the same with a context that can end", deadline.String(),
		judged(deadline.over(client), "× one that cannot"))

	length := must(strconv.Atoi(string(must(qmp.Raw{Command: longest}.Do(b.ctx, p.client)))))
	b.row("query-status, its longest request", byteCount(length),
		atMost(float64(length), "bytes with nothing else in flight", requestLimit))
}

// roundTrips takes the times of the peers, and of the client with a context that can end.
func (b *bench) roundTrips(p *peers) (client, deadline, reader, direct, floor sampled) {
	ctx := context.Background()
	withDeadline, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	n := b.few(trips)
	times := b.inTurn(short,
		single(n, status(ctx, p.client)),
		single(n, status(withDeadline, p.client)),
		single(n, status(ctx, p.reader)),
		single(n, status(ctx, p.direct)),
		onThread(single(n, p.floor.trip(queryStatus))))
	return times[0], times[1], times[2], times[3], times[4]
}
