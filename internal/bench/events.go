package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// eventsLimit is how many million events a second are at least to come to a consumer.
const eventsLimit = 3.5

// manyEvents is how many a stand-in sends as fast as it can.
const manyEvents = 1e6

// measureEvents measures how fast events come to a consumer, as typed values.
func measureEvents(ctx context.Context, b *bench) ([]result, error) {
	s, err := startStandIn(ctx, b, false)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	n := b.often(manyEvents)
	var rows []result
	for _, measure := range []func(context.Context, *bench, *standIn, int) (result, error){
		measureEvent[qemu.BalloonChangeEvent],
		measureEvent[qemu.DeviceDeletedEvent],
	} {
		row, err := measure(ctx, b, s, n)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	rows[0].Judged.Limit, rows[0].Judged.AtLeast = eventsLimit, true
	return rows, nil
}

// measureEvent measures the events whose data is a T.
func measureEvent[T any, P interface {
	*T
	qmp.EventData
}](ctx context.Context, b *bench, s *standIn, n int) (row result, err error) {
	f, err := newFloor(s)
	if err != nil {
		return row, err
	}
	defer f.close()
	c, err := s.dial(ctx, &qmp.Options{EventQueue: n})
	if err != nil {
		return row, err
	}
	defer c.Close()
	events := qmp.Subscribe[T, P](c)
	defer events.Close()

	args := floodArgs{P(new(T)).EventName(), n}
	lost := 0
	times, err := medians(b.rounds(),
		func() (float64, error) {
			begin := time.Now()
			missed, err := consume(ctx, c, events, args)
			lost += missed
			return time.Since(begin).Seconds() / float64(n), err
		},
		onThread(func() (float64, error) {
			begin := time.Now()
			err := f.flood(args)
			return time.Since(begin).Seconds() / float64(n), err
		}))
	if err != nil {
		return row, err
	}
	million := 1 / times[0] / 1e6
	return result{
		What: args.Event + " to a consumer, a second", Value: million, Unit: "million",
		Detail: fmt.Sprintf("%d of %d lost; bytes that nobody looks at: %s million", lost, n*b.rounds(),
			number(1/times[1]/1e6)),
		Judged: &judged{Value: million, Unit: "million", Of: "typed, each of them"},
	}, nil
}

// consume lets a client be flooded, and reads the events. It returns how many were lost.
func consume[T any](ctx context.Context, c *qmp.Client, events *qmp.Subscription[T], args floodArgs) (lost int, err error) {
	if err := command(ctx, c, floodCommand, args); err != nil {
		return 0, err
	}
	for n := 0; n < args.Count; {
		_, err := events.Next(ctx)
		var missing *qmp.EventsLostError
		switch {
		case err == nil:
			n++
		case errors.As(err, &missing):
			n += missing.Count
			lost += missing.Count
		default:
			return lost, err
		}
	}
	return lost, nil
}

// command executes a command of the stand-in that takes floodArgs.
func command(ctx context.Context, c *qmp.Client, name string, args floodArgs) error {
	_, err := qmp.Raw{Command: name, Args: qmp.Args{"event": args.Event, "count": args.Count}}.Do(ctx, c)
	return err
}

// flood lets the floor be flooded, and reads the events' bytes.
func (f *floor) flood(args floodArgs) error {
	_, err := fmt.Fprintf(f.conn, `{"execute":"%s","arguments":{"event":"%s","count":%d}}`,
		floodCommand, args.Event, args.Count)
	if err != nil {
		return err
	}
	return f.drain(len(appendReply(nil, nil, nil)) + args.Count*len(appendEvents(nil, args.Event, 1)))
}
