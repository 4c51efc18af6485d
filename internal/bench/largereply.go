package main

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const (
	undecodedLimit = 5   // × reading the reply, for qom-list-types
	schemaLimit    = 350 // MB/s at least, for query-qmp-schema
)

// measureLargeReplies measures commands with long replies through the client, decoded.
func measureLargeReplies(ctx context.Context, b *bench) ([]result, error) {
	rows, note, err := b.pinned(ctx, "replies")
	if err != nil || note == "" {
		return rows, err
	}
	rows, err = measureLargeRepliesHere(ctx, b)
	for i := range rows {
		rows[i].Detail += note
	}
	return rows, err
}

// measureLargeRepliesHere does it in this process.
func measureLargeRepliesHere(ctx context.Context, b *bench) ([]result, error) {
	c, err := newContestants(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.close()
	types, err := measureReply(ctx, b, c, qomListTypes, 50, qemu.QOMListTypes{}.Do)
	if err != nil {
		return nil, err
	}
	types.Judged = &judged{Value: ratio(types.times[0], types.times[1]), Unit: "×",
		Of: "reading it undecoded", Limit: undecodedLimit}
	schema, err := measureReply(ctx, b, c, queryQMPSchema, 10, qemu.QueryQMPSchema{}.Do)
	if err != nil {
		return nil, err
	}
	schema.Judged = &judged{Value: float64(schema.size) / median(schema.times[0]) / 1e6, Unit: "MB/s",
		Of: "through the client, decoded", Limit: schemaLimit, AtLeast: true}
	return []result{types.result, schema.result}, nil
}

// measuredReply is a row with what it is made of.
type measuredReply struct {
	result
	size  int
	times [][]float64 // of the client and of the floor
}

// measureReply measures a command whose Do method is do, n times for a median.
func measureReply[T any](ctx context.Context, b *bench, c *contestants, command string, n int,
	do func(context.Context, qmp.Executor, ...qmp.CallOption) ([]T, error)) (r measuredReply, err error) {
	text, err := reply(command)
	if err != nil {
		return r, err
	}
	floor, err := c.floor.trip(command)
	if err != nil {
		return r, err
	}
	background := context.WithoutCancel(ctx)
	n = b.often(n)
	r.size = len(text)
	r.times, err = inTurn(b.turns(),
		trips(n, func() error {
			v, err := do(background, c.client)
			if err == nil && len(v) < 100 {
				err = fmt.Errorf("%s: a wrong result", command)
			}
			return err
		}),
		onThread(trips(n, floor)))
	if err != nil {
		return r, err
	}
	r.What = fmt.Sprintf("%s, %s, a round trip", command, byteCount(r.size))
	r.Value, r.Unit = inUnit(median(r.times[0]))
	r.Detail = "undecoded: " + duration(median(r.times[1]))
	return r, nil
}
