// Device-add sends a command whose arguments the schema leaves open.
package main

import (
	"context"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, socket string) error {
	c, err := qmp.Dial(ctx, socket, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	return qemu.DeviceAdd{
		Driver: "virtio-blk-pci",
		ID:     new("data1"),
		Props:  qmp.Args{"drive": "data1", "num-queues": 4},
	}.Do(ctx, c)
}
