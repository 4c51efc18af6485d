package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

const (
	manyConnections = 9000
	idleLimit       = 4.5 // KB for each
)

// measureConnections measures what many clients take, in a process that has nothing else.
func measureConnections(ctx context.Context, b *bench) ([]result, error) {
	return b.alone(ctx, "connections", startNow)
}

func measureConnectionsAlone(ctx context.Context, b *bench) ([]result, error) {
	n, note := manyConnections, ""
	if b.quick {
		n = 500
	}
	const others = 100 // files
	if limit := maxFiles(); limit < n+others {
		n, note = max(limit-others, 1), fmt.Sprintf("the system allows %d files", limit)
	}
	s, err := startStandIn(ctx, b, true)
	if err != nil {
		return nil, err
	}
	defer s.stop()

	clients := make([]*qmp.Client, n)
	defer func() {
		for _, c := range clients {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	before := takenNow()
	for i := range clients {
		if clients[i], err = s.dial(ctx, nil); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	time.Sleep(settling)
	idle := takenNow()
	if err := useAll(ctx, clients); err != nil {
		return nil, err
	}
	used := takenNow()
	return []result{
		idle.memory(fmt.Sprintf("%d idle connections, memory of each", n), before, n, note),
		idle.routines("the same, goroutines", before, n),
		used.memory("in use now and then, memory of each", before, n, ""),
		used.routines("the same, goroutines", before, n),
	}, nil
}

// settling is how long clients that were just made are left alone before they are idle.
const settling = time.Second

// useAll has some goroutines use all clients, one after the other and twice.
func useAll(ctx context.Context, clients []*qmp.Client) error {
	const goroutines = 4
	turn := make(chan *qmp.Client)
	errs := make(chan error, goroutines)
	for range goroutines {
		go func() {
			var first error
			for c := range turn {
				if err := status(ctx, c)(); first == nil {
					first = err
				}
			}
			errs <- first
		}()
	}
	for range 2 {
		for _, c := range clients {
			turn <- c
		}
	}
	close(turn)
	var first error
	for range goroutines {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// taken is what a program has taken of the system.
type taken struct {
	bytes      uint64 // of heap and stacks
	goroutines int
}

func takenNow() taken {
	runtime.GC()
	runtime.GC() // what is in pools is let go by two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return taken{m.HeapInuse + m.StackInuse, runtime.NumGoroutine()}
}

// memory makes the row of what each of n connections has taken of it.
func (t taken) memory(what string, before taken, n int, note string) result {
	each := (float64(t.bytes) - float64(before.bytes)) / float64(n) / 1024
	return result{
		What: what, Value: each, Unit: "KB", Detail: note,
		Judged: &judged{Value: each, Unit: "KB", Of: "heap and stacks", Limit: idleLimit},
	}
}

// routines makes the row of goroutines. A few that all connections share do not count.
func (t taken) routines(what string, before taken, n int) result {
	each := math.Round(float64(t.goroutines-before.goroutines)/float64(n)*100) / 100
	return result{
		What: what, Value: each,
		Judged: &judged{Value: each, Unit: "goroutines", Of: "each", Limit: 1},
	}
}
