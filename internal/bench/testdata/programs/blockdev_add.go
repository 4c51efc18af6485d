package main

import (
	"context"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// use sends the command with the largest arguments: their type is a union of 44 others.
func use(ctx context.Context, c *qmp.Client) error {
	return qemu.BlockdevAdd{
		Driver:   qemu.BlockdevDriverFile,
		NodeName: new("data1"),
		Branch:   &qemu.BlockdevOptionsFile{Filename: os.Args[2]},
	}.Do(ctx, c)
}
