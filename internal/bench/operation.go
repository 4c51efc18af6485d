package main

import (
	"errors"
	"flag"
	"sync"
	"testing"
)

// An operation is something short, to be repeated by a Go benchmark.
type operation func() error

// loop returns a benchmark of the operation. fail is called with its first error.
func (op operation) loop(fail func(b *testing.B, err error)) func(*testing.B) {
	return func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := op(); err != nil {
				fail(b, err)
				return
			}
		}
	}
}

// How long a benchmark runs.
const (
	benchTime      = "300ms"
	quickBenchTime = "20ms"
)

var initTesting = sync.OnceFunc(testing.Init)

// benchmark runs an operation for a while.
func (b *bench) benchmark(op operation) (testing.BenchmarkResult, error) {
	initTesting()
	duration := benchTime
	if b.quick {
		duration = quickBenchTime
	}
	if err := flag.Set("test.benchtime", duration); err != nil {
		return testing.BenchmarkResult{}, err
	}
	var failed error
	r := testing.Benchmark(op.loop(func(_ *testing.B, err error) { failed = err }))
	if failed == nil && r.N == 0 {
		failed = errors.New("the benchmark did not run")
	}
	return r, failed
}

// perOperation returns the seconds of one operation.
func perOperation(r testing.BenchmarkResult) float64 {
	return r.T.Seconds() / float64(max(r.N, 1))
}
