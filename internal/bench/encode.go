package main

import (
	"encoding/json"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// measureEncoding compares encoding arguments through the generated types with encoding/json.
func measureEncoding(b *bench) {
	call := &qmp.Call{Command: "blockdev-add", Args: blockdevAdd()}
	var text []byte
	typed := func() (err error) {
		text, err = call.AppendArgs(text[:0])
		return err
	}
	check(typed())
	var plain plainThrottle
	check(json.Unmarshal(text, &plain))
	times := b.inTurn(slow, b.mean(typed), b.mean(func() error {
		_, err := json.Marshal(&plain)
		return err
	}))
	count := allocations(typed)
	b.row("encode a nested blockdev-add, "+byteCount(len(text)), times[0].String(),
		judged(times[1].over(times[0]), "× faster than encoding/json"), "encoding/json: "+times[1].String())
	b.row("the same, allocations", number(float64(count)), atMost(float64(count), "allocations beyond the buffer", 0))
}

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
