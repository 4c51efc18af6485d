package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A bench runs measurements. A measurement returns no error: like a test, it ends where check or must finds one.
type bench struct {
	ctx   context.Context
	quick bool
	root  string    // the module's folder
	temp  string    // for files; the run removes it
	out   io.Writer // for rows

	interpreter string // python's path; "" until a measurement needs it
	sockets     int    // the number of sockets so far
	cleanups    []func()
}

func newBench(ctx context.Context, quick bool) (*bench, error) {
	mod, err := output(goTool(ctx, ".", "env", "GOMOD"))
	if err != nil {
		return nil, err
	}
	if filepath.Base(mod) != "go.mod" {
		return nil, errors.New("run it inside the module")
	}
	temp, err := os.MkdirTemp("", "bench")
	return &bench{ctx: ctx, quick: quick, root: filepath.Dir(mod), temp: temp}, err
}

// A failure is the value with which check panics.
type failure struct{ error }

// check ends a measurement if there is an error.
func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// must returns a value, or ends a measurement.
func must[T any](v T, err error) T {
	check(err)
	return v
}

// measure runs a measurement, and then its cleanups.
func (b *bench) measure(measurement func(*bench)) (err error) {
	defer func() {
		for _, f := range slices.Backward(b.cleanups) {
			f()
		}
		b.cleanups = nil
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	measurement(b)
	return nil
}

// cleanup makes f run when the measurement ends. The function of the last call runs first.
func (b *bench) cleanup(f func()) { b.cleanups = append(b.cleanups, f) }

// file returns the path of a file that is removed after the run.
func (b *bench) file(name string) string { return filepath.Join(b.temp, name) }

// The numbers of rounds and repetitions.
const (
	slow  = 7   // rounds of samples that take seconds
	short = 75  // rounds of samples that take milliseconds
	trips = 300 // round trips for a median
)

// few returns n, or a small part of it in a quick run.
func (b *bench) few(n int) int {
	if b.quick {
		return max(n/50, min(n, 5))
	}
	return n
}

// An operation is something short that a sample repeats.
type operation func() error

// A sample measures something once, in seconds.
type sample func() float64

// sampled has the values of a sample, one for each round.
type sampled []float64

// inTurn takes all samples in turn and returns the values of each. A machine that is slow for a while is
// then slow for all of them.
func (b *bench) inTurn(rounds int, samples ...sample) []sampled {
	if b.quick {
		rounds = min(rounds/slow, 3)
	}
	values := make([]sampled, len(samples))
	for range rounds {
		for i, take := range samples {
			values[i] = append(values[i], take())
		}
	}
	return values
}

// over returns the median of the ratios of values that were taken in turn. It differs less from run to
// run than the ratio of the medians.
func (s sampled) over(anchors sampled) float64 {
	var ratios sampled
	for i, v := range s {
		ratios = append(ratios, v/anchors[i])
	}
	return ratios.median()
}

// median returns the middle one of the values, or the mean of the two in the middle.
func (s sampled) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (s sampled) String() string { return duration(s.median()) }

// single returns a sample of the time of one operation: the median of n.
func single(n int, op operation) sample {
	times := make(sampled, n)
	return func() float64 {
		for i := range times {
			begin := time.Now()
			check(op())
			times[i] = time.Since(begin).Seconds()
		}
		return times.median()
	}
}

// mean returns a sample of the mean time of an operation that is too short to be timed alone.
func (b *bench) mean(op operation) sample {
	least := 300 * time.Millisecond
	if b.quick {
		least /= 20
	}
	return func() float64 {
		runtime.GC()
		n, begin := 0, time.Now()
		for time.Since(begin) < least {
			for range n + 1 {
				check(op())
				n++
			}
		}
		return time.Since(begin).Seconds() / float64(n)
	}
}

// each returns a sample of the mean time of n operations, all of which one call does.
func each(n int, all func() error) sample {
	return func() float64 {
		begin := time.Now()
		check(all())
		return time.Since(begin).Seconds() / float64(n)
	}
}

// cpuTime returns a sample of the CPU time of a command: the user time, and with system also the system time.
func cpuTime(system bool, command func() *exec.Cmd) sample {
	return func() float64 {
		cmd := command()
		check(execute(cmd))
		d := cmd.ProcessState.UserTime()
		if system {
			d += cmd.ProcessState.SystemTime()
		}
		return d.Seconds()
	}
}

// onThread returns a sample that is taken on its own thread.
func onThread(take sample) sample {
	return func() float64 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return take()
	}
}

// allocations returns the number of allocations of an operation, and their bytes.
func allocations(op operation) (count int, bytes float64) {
	const n = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		check(op())
	}
	runtime.ReadMemStats(&after)
	return int(after.Mallocs-before.Mallocs) / n, float64(after.TotalAlloc-before.TotalAlloc) / n
}

// row adds a row to the table: what was measured, its figure on this machine, a figure that can be compared between
// machines, and others beside it.
func (b *bench) row(what, figure, judged string, beside ...string) {
	fmt.Fprintf(b.out, "%s\t%s\t%s\t%s\n", what, figure, judged, strings.Join(beside, "; "))
}

// judged says what a value is, "1.20 × the floor" for instance.
func judged(value float64, of string) string { return number(value) + " " + of }

// atMost is judged with the highest value that is good.
func atMost(value float64, of string, limit float64) string {
	return judged(value, of) + " (limit " + number(limit) + ")" + missed(value > limit)
}

// atLeast is judged with the lowest value that is good.
func atLeast(value float64, of string, limit float64) string {
	return judged(value, of) + " (at least " + number(limit) + ")" + missed(value < limit)
}

func missed(is bool) string {
	if is {
		return " MISSED"
	}
	return ""
}

// number prints a value with three digits, or with more when it is large.
func number(v float64) string {
	decimals := 0
	switch {
	case v == float64(int64(v)):
	case v < 10:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// duration returns a time given in seconds as "1.50 ms".
func duration(seconds float64) string {
	for _, unit := range []string{" s", " ms", " µs"} {
		if seconds >= 0.1 {
			return number(seconds) + unit
		}
		seconds *= 1000
	}
	return number(seconds) + " ns"
}

// byteCount returns a size as "207 KB" or "59 bytes".
func byteCount(n int) string {
	if n < kilobyte {
		return fmt.Sprintf("%d bytes", n)
	}
	return number(float64(n)/kilobyte) + " KB"
}

const kilobyte = 1000 // bytes
