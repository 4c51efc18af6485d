package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// What a round trip of query-status may take.
const (
	floorLimit  = 1.35 // × the floor, on one CPU
	directLimit = 1.05 // × direct, on one CPU
	readerLimit = 2    // × faster than reader
)

// requestLimit is the length in bytes of query-status as a client sends it that has nothing
// else in flight. QEMU reads a byte at a time, so that each counts.
const requestLimit = 34

// manyTrips is how often a round trip is measured for a median.
const manyTrips = 300

// measureRoundTrip compares the time of a command with that of other ways to send one: on one
// CPU, for the client's own work, and as users run it, where waking other threads counts most.
func measureRoundTrip(ctx context.Context, b *bench) ([]result, error) {
	rows, note, err := b.pinned(ctx, "roundtrip")
	if err != nil {
		return nil, err
	}
	c, floor, err := newStatusContestants(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.close()
	withDeadline, cancelDeadline := context.WithTimeout(ctx, time.Hour)
	defer cancelDeadline()
	background := context.WithoutCancel(ctx)
	n := b.often(manyTrips)
	times, err := inTurn(b.turns(),
		trips(n, status(background, c.client)),
		trips(n, status(withDeadline, c.client)),
		trips(n, status(background, c.reader)),
		trips(n, status(background, c.direct)),
		onThread(trips(n, floor)))
	if err != nil {
		return nil, err
	}
	plain := result{
		What: "query-status, a round trip",
		Detail: fmt.Sprintf("the reader: %s; one goroutine: %s; the floor: %s%s", duration(median(times[2])),
			duration(median(times[3])), duration(median(times[4])), note),
		Judged: &judged{Value: ratio(times[2], times[0]), Unit: "×", Of: "faster than a goroutine that reads, and a channel",
			Limit: readerLimit, AtLeast: true},
	}
	plain.Value, plain.Unit = inUnit(median(times[0]))
	limited := result{
		What:   "the same with a context that can end",
		Judged: &judged{Value: ratio(times[1], times[0]), Unit: "×", Of: "one that cannot"},
	}
	limited.Value, limited.Unit = inUnit(median(times[1]))
	length, err := requestRow(ctx, c.client)
	return append(rows, plain, limited, length), err
}

// requestRow tells how long the requests were.
func requestRow(ctx context.Context, c *qmp.Client) (result, error) {
	text, err := qmp.Raw{Command: longestCommand}.Do(ctx, c)
	if err != nil {
		return result{}, err
	}
	length, err := strconv.Atoi(string(text))
	return result{
		What: "query-status, its longest request", Value: float64(length), Unit: "bytes",
		Judged: &judged{Value: float64(length), Unit: "bytes", Of: "with nothing else in flight", Limit: requestLimit},
	}, err
}

// measureRoundTripPinned is what of that is done on one CPU.
func measureRoundTripPinned(ctx context.Context, b *bench) ([]result, error) {
	c, floor, err := newStatusContestants(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.close()
	background := context.WithoutCancel(ctx)
	n := b.often(manyTrips)
	times, err := inTurn(b.turns(),
		trips(n, status(background, c.client)),
		onThread(trips(n, floor)),
		trips(n, status(background, c.direct)),
		trips(n, status(background, c.reader)))
	if err != nil {
		return nil, err
	}
	rows := []result{{
		What:   "query-status, a round trip on one CPU",
		Detail: "the floor: " + duration(median(times[1])),
		Judged: &judged{Value: ratio(times[0], times[1]), Unit: "×", Of: "the floor, bare system calls", Limit: floorLimit},
	}, {
		What:   "the same",
		Detail: fmt.Sprintf("one goroutine: %s; the reader: %s", duration(median(times[2])), duration(median(times[3]))),
		Judged: &judged{Value: ratio(times[0], times[2]), Unit: "×", Of: "one goroutine that writes and reads", Limit: directLimit},
	}}
	for i := range rows {
		rows[i].Value, rows[i].Unit = inUnit(median(times[0]))
	}
	return rows, nil
}
