// Event waits for an event.
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
	gone := qmp.Subscribe[qemu.DeviceDeletedEvent](c)
	defer gone.Close()
	event, err := gone.Next(ctx)
	if err != nil {
		return err
	}
	println(event.Data.Path)
	return nil
}
