package qmptest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// The client's context ends before the answer comes. In a bubble the hour passes at once.
func ExampleDelay() {
	testTimeout := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := qmptest.NewServer(t, nil)
			s.Handle("stop", qmptest.Delay(time.Hour, qmptest.Return(nil)))
			c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := (qmp.Raw{Command: "stop"}).Do(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	_ = testTimeout
}

// The connection ends at each byte of a program's session. The program may fail, but must not
// take this for an answer.
func ExampleCut() {
	program := func(context.Context, string) error { return nil } // dials, asks, returns
	testCut := func(t *testing.T) {
		for n := 0; ; n++ {
			s := qmptest.NewServer(t, &qmptest.Options{Faults: []qmptest.Fault{qmptest.Cut(n)}})
			s.Handle("query-status", qmptest.Return(map[string]any{"running": true, "status": "running"}))
			err := program(t.Context(), s.Addr())
			if err == nil {
				return // n is behind what it needs
			}
			if errors.As(err, new(*qmp.Error)) {
				t.Errorf("byte %d: %v", n, err)
			}
		}
	}
	_ = testCut
}
