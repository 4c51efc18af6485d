package qmp_test

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// exampleQEMU calls f with a client of a server that f can tell how to answer.
func exampleQEMU(f func(ctx context.Context, c *qmp.Client, s *qmptest.Server)) {
	var p qmptest.Program
	defer func() {
		if err := p.Close(); err != nil {
			fmt.Println(err)
		}
	}()
	s := qmptest.NewServer(&p, nil)
	f(context.Background(), s.Dial(), s)
}
