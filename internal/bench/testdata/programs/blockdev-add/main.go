// Blockdev-add sends the command with the largest arguments: its type is a union of 44 others.
package main

import (
	"context"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, socket, image string) error {
	c, err := qmp.Dial(ctx, socket, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	return qemu.BlockdevAdd{
		Driver:   qemu.BlockdevDriverFile,
		NodeName: new("data1"),
		Branch:   &qemu.BlockdevOptionsFile{Filename: image},
	}.Do(ctx, c)
}
