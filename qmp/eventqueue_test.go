package qmp

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestWakeUpIsPassedOn has two goroutines wait for one event, or for the end, just as the context
// of one of them ends: whichever is woken for it, it must not be lost.
func TestWakeUpIsPassedOn(t *testing.T) {
	for name, happen := range map[string]func(h *eventHub, q *eventQueue){
		"event": func(h *eventHub, q *eventQueue) { q.push(RawEvent{Name: "E"}, h.limits) },
		"end":   func(h *eventHub, q *eventQueue) { h.end(ErrClosed) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				synctest.Test(t, func(t *testing.T) {
					h := &eventHub{limits: queueLimits{16, 1 << 20}, topics: map[string]*topic{}, waits: func(int32) {}}
					q := h.add(nil, nil)
					defer q.Close()
					ctx, cancel := context.WithCancel(t.Context())
					gaveUp, patient := make(chan error, 1), make(chan error, 1)
					go func() { _, err := q.Next(ctx); gaveUp <- err }()
					synctest.Wait()
					go func() { _, err := q.Next(context.Background()); patient <- err }()
					synctest.Wait()
					happen(h, q)
					cancel()
					synctest.Wait()
					if err := <-gaveUp; err == context.Canceled {
						require.Len(t, patient, 1, "it waits for ever")
					}
				})
			}
		})
	}
}
