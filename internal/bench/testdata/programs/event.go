package main

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// use waits for an event.
func use(ctx context.Context, c *qmp.Client) error {
	gone := qmp.Subscribe[qemu.DeviceDeletedEvent](c)
	defer gone.Close()
	event, err := gone.Next(ctx)
	if err != nil {
		return err
	}
	println(event.Data.Path)
	return nil
}
