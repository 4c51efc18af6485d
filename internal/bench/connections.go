package main

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

const (
	manyConnections = 9000
	idleLimit       = 4.5 // KB for each
)

// measureConnections measures the memory and the goroutines of many clients.
func measureConnections(b *bench) {
	n := manyConnections
	if b.quick {
		n = 500
	}
	s := b.standIn(polled)
	clients := make([]*qmp.Client, n)
	before := takenNow()
	for i := range clients {
		// Not b.dial, whose cleanup would count. The clients end with the process.
		c, err := qmp.Dial(b.ctx, string(s), nil)
		if err != nil {
			check(fmt.Errorf("connection %d (see ulimit -n): %w", i, err))
		}
		clients[i] = c
	}
	time.Sleep(time.Second) // so that they are idle
	takenNow().rows(b, fmt.Sprintf("%d idle connections, memory of each", n), before, n)

	var turn atomic.Int64
	check(shared(4, 2*n, func() error {
		return status(b.ctx, clients[turn.Add(1)%int64(n)])()
	})())
	takenNow().rows(b, "in use now and then, memory of each", before, n)
}

// taken is the memory and the goroutines of this process.
type taken struct {
	bytes      uint64 // of heap and stacks
	goroutines int
}

func takenNow() taken {
	runtime.GC()
	runtime.GC() // pools release their contents at the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return taken{m.HeapInuse + m.StackInuse, runtime.NumGoroutine()}
}

// rows adds the rows of what each of n connections has taken since before. It rounds the goroutines, so that the few
// that all connections share do not count.
func (t taken) rows(b *bench, what string, before taken, n int) {
	memory := (float64(t.bytes) - float64(before.bytes)) / float64(n) / 1024
	b.row(what, number(memory)+" KB", atMost(memory, "KB heap and stacks", idleLimit))
	each := math.Round(float64(t.goroutines-before.goroutines)/float64(n)*100) / 100
	b.row("the same, goroutines", number(each), atMost(each, "goroutines each", 1))
}
