package main

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// use sends a command and prints the result.
func use(ctx context.Context, c *qmp.Client) error {
	status, err := qemu.QueryStatus{}.Do(ctx, c)
	if err != nil {
		return err
	}
	println(string(status.Status))
	return nil
}
