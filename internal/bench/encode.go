package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// blockdevAdd is a nested blockdev-add: a file below qcow2 below a filter.
func blockdevAdd() *qemu.BlockdevOptions {
	file := &qemu.BlockdevOptions{
		Driver:   qemu.BlockdevDriverFile,
		NodeName: new("data1-file"),
		Cache:    &qemu.BlockdevCacheOptions{Direct: new(true)},
		Branch: &qemu.BlockdevOptionsFile{
			Filename: "/srv/images/data1.qcow2",
			AIO:      new(qemu.BlockdevAIOOptionsNative),
		},
	}
	format := &qemu.BlockdevOptions{
		Driver:  qemu.BlockdevDriverQcow2,
		Discard: new(qemu.BlockdevDiscardOptionsUnmap),
		Branch: &qemu.BlockdevOptionsQcow2{
			File:        qemu.BlockdevRef{Definition: file},
			L2CacheSize: new(int64(4 << 20)),
		},
	}
	return &qemu.BlockdevOptions{
		Driver:   qemu.BlockdevDriverThrottle,
		NodeName: new("data1"),
		Branch: &qemu.BlockdevOptionsThrottle{
			ThrottleGroup: "slow",
			File:          qemu.BlockdevRef{Definition: format},
		},
	}
}

// The same as structs for encoding/json: each with the members of its branch.
type (
	plainThrottle struct {
		Driver        string     `json:"driver"`
		NodeName      *string    `json:"node-name,omitempty"`
		ThrottleGroup string     `json:"throttle-group"`
		File          plainQcow2 `json:"file"`
	}
	plainQcow2 struct {
		Driver      string    `json:"driver"`
		NodeName    *string   `json:"node-name,omitempty"`
		Discard     *string   `json:"discard,omitempty"`
		File        plainFile `json:"file"`
		L2CacheSize *int64    `json:"l2-cache-size,omitempty"`
	}
	plainFile struct {
		Driver   string      `json:"driver"`
		NodeName *string     `json:"node-name,omitempty"`
		Cache    *plainCache `json:"cache,omitempty"`
		Filename string      `json:"filename"`
		AIO      *string     `json:"aio,omitempty"`
	}
	plainCache struct {
		Direct  *bool `json:"direct,omitempty"`
		NoFlush *bool `json:"no-flush,omitempty"`
	}
)

func plainBlockdevAdd() *plainThrottle {
	return &plainThrottle{
		Driver:        "throttle",
		NodeName:      new("data1"),
		ThrottleGroup: "slow",
		File: plainQcow2{
			Driver:      "qcow2",
			Discard:     new("unmap"),
			L2CacheSize: new(int64(4 << 20)),
			File: plainFile{
				Driver:   "file",
				NodeName: new("data1-file"),
				Cache:    &plainCache{Direct: new(true)},
				Filename: "/srv/images/data1.qcow2",
				AIO:      new("native"),
			},
		},
	}
}

// encoder is a value that is encoded in two ways; the texts are in what they return last.
type encoder struct {
	typed, json operation
	texts       func() (typed, json []byte)
}

func newEncoder() encoder {
	call := &qmp.Call{Command: "blockdev-add", Args: blockdevAdd()}
	plain := plainBlockdevAdd()
	var typed, other []byte
	return encoder{
		typed: func() (err error) {
			typed, err = call.AppendArgs(typed[:0])
			return err
		},
		json: func() (err error) {
			other, err = json.Marshal(plain)
			return err
		},
		texts: func() ([]byte, []byte) { return typed, other },
	}
}

// measureEncoding compares encoding arguments through the generated types with encoding/json.
func measureEncoding(_ context.Context, b *bench) ([]result, error) {
	e := newEncoder()
	var typed testing.BenchmarkResult
	times, err := medians(b.rounds(),
		func() (seconds float64, err error) {
			typed, err = b.benchmark(e.typed)
			return perOperation(typed), err
		},
		func() (float64, error) {
			r, err := b.benchmark(e.json)
			return perOperation(r), err
		})
	if err != nil {
		return nil, err
	}
	text, _ := e.texts()
	row := result{
		What:   fmt.Sprintf("encode a nested blockdev-add, %s", byteCount(len(text))),
		Detail: "encoding/json: " + duration(times[1]),
		Judged: &judged{Value: times[1] / times[0], Unit: "×", Of: "faster than encoding/json"},
	}
	row.Value, row.Unit = inUnit(times[0])
	allocations := float64(typed.AllocsPerOp())
	return []result{row, {
		What: "the same, allocations", Value: allocations,
		Judged: &judged{Value: allocations, Unit: "allocations", Of: "beyond the buffer", None: true},
	}}, nil
}
