package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// throughputLimit is how many times the commands of one goroutine with a reader are at least to
// be done for 64 goroutines.
const throughputLimit = 5

// manyCallers are the numbers of goroutines that share a connection.
var manyCallers = []int{1, 8, 64}

// measureThroughput measures how many commands a connection does in a second for several
// goroutines.
func measureThroughput(ctx context.Context, b *bench) ([]result, error) {
	c, err := newContestants(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.close()
	background := context.WithoutCancel(ctx)
	n := b.often(10000)
	var samples []sample
	for _, callers := range manyCallers {
		samples = append(samples,
			sharedBy(callers, n, status(background, c.client)),
			sharedBy(callers, n, status(background, c.reader)))
	}
	times, err := medians(b.rounds(), samples...)
	if err != nil {
		return nil, err
	}
	one := times[1] // the reader's
	var rows []result
	for i, callers := range manyCallers {
		ours, readers := times[2*i], times[2*i+1]
		row := result{
			What:   fmt.Sprintf("query-status, a second, goroutines: %d", callers),
			Value:  1 / ours / 1000,
			Unit:   "thousand",
			Detail: fmt.Sprintf("the reader: %s thousand", number(1/readers/1000)),
			Judged: &judged{Value: one / ours, Unit: "×", Of: "what a reader does for one"},
		}
		if callers == manyCallers[len(manyCallers)-1] {
			row.Judged.Limit, row.Judged.AtLeast = throughputLimit, true
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// sharedBy returns a sample of the time per operation when some goroutines do n of them.
func sharedBy(goroutines, n int, op operation) sample {
	return func() (float64, error) {
		var left atomic.Int64
		left.Store(int64(n))
		errs := make(chan error, goroutines)
		begin := time.Now()
		for range goroutines {
			go func() {
				for left.Add(-1) >= 0 {
					if err := op(); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		var first error
		for range goroutines {
			if err := <-errs; first == nil {
				first = err
			}
		}
		return time.Since(begin).Seconds() / float64(n), first
	}
}
