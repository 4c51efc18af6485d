package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

const (
	decodingLimit = 4     // × faster than encoding/json, for what is
	smallReply    = 10000 // bytes
)

// decoder is a reply that is decoded in two ways.
type decoder struct {
	command     string
	size        int
	typed, json operation
	values      func() (typed, json any) // what the two made of it
}

// decoders returns the replies, from short to long.
//
// Received types have tags, so encoding/json is given the same ones: it then does a little
// less, since it leaves out the branches of unions. query-qmp-schema, which is little else, is
// decoded into a struct of all branches' members.
func decoders() ([]decoder, error) {
	status, err1 := decoding[qemu.StatusInfo, qemu.StatusInfo]("query-status", readObject[qemu.StatusInfo])
	block, err2 := decoding[[]qemu.BlockInfo, []qemu.BlockInfo]("query-block", readArray[qemu.BlockInfo])
	types, err3 := decoding[[]qemu.ObjectTypeInfo, []qemu.ObjectTypeInfo]("qom-list-types", readArray[qemu.ObjectTypeInfo])
	schema, err4 := decoding[[]qemu.SchemaInfo, []flatSchemaInfo]("query-qmp-schema", readArray[qemu.SchemaInfo])
	return []decoder{status, block, types, schema}, errors.Join(err1, err2, err3, err4)
}

// decoding returns the decoder for a command's reply, which read reads, for encoding/json into a J.
func decoding[T, J any](command string, read func(*wire.Decoder) T) (decoder, error) {
	text, err := reply(command)
	var typed T
	var plain J
	d := wire.NewDecoder(nil) // a call has one already
	return decoder{
		command: command,
		size:    len(text),
		typed: func() error {
			d.Reset(text)
			typed = read(d)
			return d.End()
		},
		json: func() error {
			plain = *new(J)
			return json.Unmarshal(text, &plain)
		},
		values: func() (any, any) { return typed, plain },
	}, err
}

// received is a pointer to a generated type.
type received[T any] interface {
	*T
	wire.MemberDecoder
}

// readObject reads a result as a request's Do method does.
func readObject[T any, P received[T]](d *wire.Decoder) (v T) {
	d.Object(P(&v))
	return v
}

// readArray does so for a list of objects.
func readArray[T any, P received[T]](d *wire.Decoder) []T {
	v := make([]T, 0, d.Room())
	for ok := d.Array(); ok; ok = d.More() {
		v = append(v, *new(T))
		d.Object(P(&v[len(v)-1]))
	}
	return v
}

// flatSchemaInfo is qemu.SchemaInfo without unions.
type flatSchemaInfo struct {
	Name        string              `json:"name"`
	MetaType    qemu.SchemaMetaType `json:"meta-type"`
	Features    []string            `json:"features"`
	JSONType    qemu.JSONType       `json:"json-type"`
	ElementType string              `json:"element-type"`
	Values      []string            `json:"values"`
	Members     []struct {
		Name     string           `json:"name"`
		Type     string           `json:"type"`
		Default  *json.RawMessage `json:"default"`
		Features []string         `json:"features"`
	} `json:"members"`
	Tag      *string `json:"tag"`
	Variants []struct {
		Case string `json:"case"`
		Type string `json:"type"`
	} `json:"variants"`
	ArgType  string `json:"arg-type"`
	RetType  string `json:"ret-type"`
	AllowOOB *bool  `json:"allow-oob"`
}

// measureDecoding compares decoding replies through the generated types with encoding/json.
func measureDecoding(_ context.Context, b *bench) ([]result, error) {
	replies, err := decoders()
	if err != nil {
		return nil, err
	}
	var rows []result
	for _, r := range replies {
		var typed testing.BenchmarkResult
		times, err := medians(b.rounds(),
			func() (seconds float64, err error) {
				typed, err = b.benchmark(r.typed)
				return perOperation(typed), err
			},
			func() (float64, error) {
				r, err := b.benchmark(r.json)
				return perOperation(r), err
			})
		if err != nil {
			return nil, err
		}
		row := result{
			What: fmt.Sprintf("decode %s, %s", r.command, byteCount(r.size)),
			Detail: fmt.Sprintf("%s MB/s, %d allocations; encoding/json: %s",
				number(float64(r.size)/times[0]/1e6), typed.AllocsPerOp(), duration(times[1])),
			Judged: &judged{Value: times[1] / times[0], Unit: "×", Of: "faster than encoding/json"},
		}
		if r.size < smallReply {
			row.Judged.Limit, row.Judged.AtLeast = decodingLimit, true
		}
		row.Value, row.Unit = inUnit(times[0])
		rows = append(rows, row)
	}
	return rows, nil
}

// byteCount returns a size as "207 KB" or "59 bytes".
func byteCount(n int) string {
	if n < kilobyte {
		return fmt.Sprintf("%d bytes", n)
	}
	return number(float64(n)/kilobyte) + " KB"
}

// duration returns a time given in seconds as "1.50 ms".
func duration(seconds float64) string {
	value, unit := inUnit(seconds)
	return number(value) + " " + unit
}
