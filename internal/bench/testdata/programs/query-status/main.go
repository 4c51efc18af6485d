// Query-status sends a command and prints what came back.
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
	status, err := qemu.QueryStatus{}.Do(ctx, c)
	if err != nil {
		return err
	}
	println(string(status.Status))
	return nil
}
