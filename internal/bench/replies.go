package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const (
	undecodedLimit = 5   // × reading the reply, for qom-list-types
	schemaLimit    = 350 // MB/s at least, for query-qmp-schema
)

// measureLargeReplies measures commands with long replies through the client, decoded.
func measureLargeReplies(b *bench) {
	p := b.peers()
	times := b.inTurn(short,
		single(b.few(50), decodedReply(p, qemu.QOMListTypes{}.Do)),
		onThread(single(b.few(50), p.floor.trip(qomListTypes))))
	b.replyRow(qomListTypes, times, atMost(times[0].over(times[1]), "× reading it undecoded", undecodedLimit))

	times = b.inTurn(short,
		single(b.few(10), decodedReply(p, qemu.QueryQMPSchema{}.Do)),
		onThread(single(b.few(10), p.floor.trip(queryQMPSchema))))
	speed := float64(len(results[queryQMPSchema])) / times[0].median() / 1e6
	b.replyRow(queryQMPSchema, times, atLeast(speed, "MB/s through the client, decoded", schemaLimit))
}

func (b *bench) replyRow(command string, times []sampled, judged string) {
	b.row(fmt.Sprintf("%s, %s, a round trip", command, byteCount(len(results[command]))), times[0].String(), judged,
		"undecoded: "+times[1].String())
}

// decodedReply returns the operation of a command whose Do method is do.
func decodedReply[T any](p *peers, do func(context.Context, qmp.Executor, ...qmp.CallOption) ([]T, error)) operation {
	return func() error {
		v, err := do(context.Background(), p.client)
		if err == nil && len(v) < 100 {
			err = errors.New("a wrong result")
		}
		return err
	}
}
