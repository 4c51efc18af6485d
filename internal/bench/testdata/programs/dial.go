// The programs beside bare.go are this file and one of those that have a function use.
package main

import (
	"context"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
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
	return use(ctx, c)
}
