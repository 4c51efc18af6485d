package main

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// use sends a command whose arguments are open in the schema.
func use(ctx context.Context, c *qmp.Client) error {
	return qemu.DeviceAdd{
		Driver: "virtio-blk-pci",
		ID:     new("data1"),
		Props:  qmp.Args{"drive": "data1", "num-queues": 4},
	}.Do(ctx, c)
}
