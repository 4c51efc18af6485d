package main

import (
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// measureEncoding measures encoding arguments into a buffer that is large enough.
func measureEncoding(b *bench) {
	call := &qmp.Call{Command: "blockdev-add", Args: blockdevAdd()}
	var text []byte
	encode := func() (err error) {
		text, err = call.AppendArgs(text[:0])
		return err
	}
	times := b.inTurn(slow, b.mean(encode))[0]
	count, _ := allocations(encode)
	b.row("encode a nested blockdev-add, "+byteCount(len(text)), times.String(),
		atMost(float64(count), "allocations beyond the buffer", 0), number(float64(len(text))/times.median()/1e6)+" MB/s")
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
