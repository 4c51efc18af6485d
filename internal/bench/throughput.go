package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/qmpkit/qmpkit/qmp"
)

// throughputLimit is how many times as many commands 64 goroutines do at least as one goroutine with a
// reader.
const throughputLimit = 5

// measureThroughput measures how many commands a connection does in a second for several goroutines.
func measureThroughput(b *bench) {
	p, n := b.peers(), b.few(10000)
	callers := []int{1, 8, 64}
	var samples []sample
	for _, goroutines := range callers {
		for _, x := range []qmp.Executor{p.client, p.reader} {
			samples = append(samples, each(n, shared(goroutines, n, status(context.Background(), x))))
		}
	}
	times := b.inTurn(slow, samples...)
	one := times[1] // the reader's
	for i, goroutines := range callers {
		client, reader := times[2*i], times[2*i+1]
		const of = "× what a reader does for one"
		figure := judged(one.over(client), of)
		if goroutines == 64 {
			figure = atLeast(one.over(client), of, throughputLimit)
		}
		b.row(fmt.Sprintf("query-status, a second, goroutines: %d", goroutines), thousands(client), figure,
			"the reader: "+thousands(reader))
	}
}

// thousands returns how many operations fit into a second.
func thousands(each sampled) string { return number(1/each.median()/1000) + " thousand" }

// shared has some goroutines do n operations.
func shared(goroutines, n int, op operation) operation {
	return func() error {
		var left atomic.Int64
		left.Store(int64(n))
		var group errgroup.Group
		for range goroutines {
			group.Go(func() error {
				for left.Add(-1) >= 0 {
					if err := op(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return group.Wait()
	}
}
