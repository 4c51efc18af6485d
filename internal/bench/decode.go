package main

import (
	"encoding/json"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

const (
	decodingLimit = 4     // × faster than encoding/json, for a small reply
	smallReply    = 10000 // bytes
)

// measureDecoding compares decoding replies through the generated types with encoding/json. These types have tags, so
// encoding/json decodes into the same ones. It then does a little less, because it leaves out the branches of unions.
func measureDecoding(b *bench) {
	decode[qemu.StatusInfo](b, queryStatus, reply("query-status.json"), object)
	decode[[]qemu.BlockInfo](b, "query-block", reply("query-block.json"), array)
	decode[[]qemu.ObjectTypeInfo](b, qomListTypes, results[qomListTypes], array)
}

// decode measures decoding the reply to a command by the function read.
func decode[T any](b *bench, command string, text []byte, read func(*wire.Decoder, *T)) {
	d := wire.NewDecoder(nil) // a call has one already
	var v T
	decode := func() error {
		v = *new(T)
		d.Reset(text)
		read(d, &v)
		return d.End()
	}
	times := b.inTurn(slow, b.mean(decode), b.mean(func() error {
		v = *new(T)
		return json.Unmarshal(text, &v)
	}))
	typed, other := times[0], times[1]
	const of = "× faster than encoding/json"
	figure := judged(other.over(typed), of)
	if len(text) < smallReply {
		figure = atLeast(other.over(typed), of, decodingLimit)
	}
	count, _ := allocations(decode)
	b.row(fmt.Sprintf("decode %s, %s", command, byteCount(len(text))), typed.String(), figure,
		fmt.Sprintf("%s MB/s, %d allocations", number(float64(len(text))/typed.median()/1e6), count),
		"encoding/json: "+other.String())
}

// received is a pointer to a generated type.
type received[T any] interface {
	*T
	wire.MemberDecoder
}

// object reads a result as a request's Do method does.
func object[T any, P received[T]](d *wire.Decoder, v *T) { d.Object(P(v)) }

// array reads a result that is a list of objects.
func array[T any, P received[T]](d *wire.Decoder, v *[]T) {
	*v = make([]T, 0, d.Room())
	for ok := d.Array(); ok; ok = d.More() {
		*v = append(*v, *new(T))
		d.Object(P(&(*v)[len(*v)-1]))
	}
}
