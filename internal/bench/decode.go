package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
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
	status, err1 := decoding[qemu.StatusInfo, qemu.StatusInfo]("query-status", qemu.QueryStatus{}.Do)
	block, err2 := decoding[[]qemu.BlockInfo, []qemu.BlockInfo]("query-block", qemu.QueryBlock{}.Do)
	types, err3 := decoding[[]qemu.ObjectTypeInfo, []qemu.ObjectTypeInfo]("qom-list-types", qemu.QOMListTypes{}.Do)
	schema, err4 := decoding[[]qemu.SchemaInfo, []flatSchemaInfo]("query-qmp-schema", qemu.QueryQMPSchema{}.Do)
	return []decoder{status, block, types, schema}, errors.Join(err1, err2, err3, err4)
}

// decoding returns the decoder for a command whose Do method is do, for encoding/json into a J.
func decoding[T, J any](command string,
	do func(context.Context, qmp.Executor, ...qmp.CallOption) (T, error)) (decoder, error) {
	text, err := reply(command)
	var typed T
	var plain J
	return decoder{
		command: command,
		size:    len(text),
		typed: func() (err error) {
			typed, err = do(context.Background(), replay(text))
			return err
		},
		json: func() error {
			plain = *new(J)
			return json.Unmarshal(text, &plain)
		},
		values: func() (any, any) { return typed, plain },
	}, err
}

// replay answers each command with the same result, as a client does that has just received it.
type replay []byte

func (r replay) Execute(_ context.Context, call *qmp.Call) error { return call.Decode(r) }

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
