package qmp

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWakeUpIsPassedOn: two goroutines wait for one event, or for the end, when the context of
// one of them ends. Whichever is woken, the event must not be lost.
func TestWakeUpIsPassedOn(t *testing.T) {
	for name, happen := range map[string]func(h *EventHub, q *eventQueue){
		"event": func(h *EventHub, q *eventQueue) { q.push([]RawEvent{RawEvent{Name: "E"}}, h.limits()) },
		"end":   func(h *EventHub, q *eventQueue) { h.End(ErrClosed) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				synctest.Test(t, func(t *testing.T) {
					h := &EventHub{EventQueue: 16, MaxBytes: 1 << 20, waits: func(int32) {}}
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
						require.Len(t, patient, 1, "the consumer waits forever")
					}
				})
			}
		})
	}
}

// TestQueueOfManyConsumers: each event goes to one consumer, and no consumer sleeps while there
// is an event.
func TestQueueOfManyConsumers(t *testing.T) {
	h := &EventHub{EventQueue: 1 << 16, MaxBytes: 1 << 20, waits: func(int32) {}}
	q := h.add(nil, nil)
	const events, consumers = 10_000, 4
	var taken atomic.Int64
	var group sync.WaitGroup
	for range consumers {
		group.Go(func() {
			for {
				if _, err := q.Next(t.Context()); err != nil {
					return
				}
				if taken.Add(1) == events {
					q.Close()
				}
			}
		})
	}
	for i := range events {
		q.push([]RawEvent{RawEvent{Name: "E"}}, h.limits())
		if i%100 == 0 {
			time.Sleep(10 * time.Microsecond)
		}
	}
	group.Wait()
	require.EqualValues(t, events, taken.Load())
}

// TestQueueLeftToOthers: events that one consumer has taken and not returned go to the next one.
func TestQueueLeftToOthers(t *testing.T) {
	for range 500 {
		h := &EventHub{EventQueue: 16, MaxBytes: 1 << 20, waits: func(int32) {}}
		q := h.add(nil, nil)
		second := make(chan error, 1)
		go func() { _, err := q.Next(t.Context()); second <- err }()
		q.push([]RawEvent{RawEvent{Name: "A"}}, h.limits())
		q.push([]RawEvent{RawEvent{Name: "B"}}, h.limits())
		_, err := q.Next(t.Context())
		require.NoError(t, err)
		require.NoError(t, <-second)
	}
}

// TestQueueClosedInTheMiddle: after Close, Next does not return events that were taken before.
func TestQueueClosedInTheMiddle(t *testing.T) {
	h := &EventHub{EventQueue: 16, MaxBytes: 1 << 20, waits: func(int32) {}}
	q := h.add(nil, nil)
	for range 3 {
		q.push([]RawEvent{RawEvent{Name: "A"}}, h.limits())
	}
	_, err := q.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, q.Close())
	_, err = q.Next(t.Context())
	require.Equal(t, ErrClosed, err)
}

// TestQueueLimitCountsTakenEvents: events that were taken and not returned count for the limit.
func TestQueueLimitCountsTakenEvents(t *testing.T) {
	h := &EventHub{EventQueue: 4, MaxBytes: 1 << 20, waits: func(int32) {}}
	q := h.add(nil, nil)
	push := func(names string) {
		for _, name := range names {
			q.push([]RawEvent{RawEvent{Name: string(name)}}, h.limits())
		}
	}
	next := func() string {
		e, err := q.Next(t.Context())
		if err != nil {
			return err.Error()
		}
		return e.Name
	}
	push("abcd")
	require.Equal(t, "a", next())
	push("efg") // there is room for one beside bcd
	for _, want := range []string{"b", "c", "d", "qmp: events lost: 2", "g"} {
		require.Equal(t, want, next())
	}
}

// TestSecondLookBeforeWaiting: a goroutine in Next that has found no event, and does not count as
// waiting yet, is not woken for events that another one takes and leaves. It must look again.
func TestSecondLookBeforeWaiting(t *testing.T) {
	for name, last := range map[string]func(h *EventHub, q *eventQueue){
		"event": func(h *EventHub, q *eventQueue) { q.push([]RawEvent{{Name: "A"}, {Name: "B"}}, h.limits()) },
		"end": func(h *EventHub, q *eventQueue) {
			q.push([]RawEvent{{Name: "A"}}, h.limits())
			h.End(ErrClosed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := &EventHub{EventQueue: 16, MaxBytes: 1 << 20, waits: func(int32) {}}
			q := h.add(nil, nil)
			defer q.Close()
			_, _, ok := q.pop(false) // one goroutine finds nothing
			require.False(t, ok)
			last(h, q)
			<-q.wake // another one is woken, takes all that there is, and leaves the rest
			e, err, ok := q.pop(false)
			require.True(t, ok)
			require.NoError(t, err)
			require.Equal(t, "A", e.Name)
			require.Empty(t, q.wake, "nobody waits")

			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			e, err, ok = q.wait(ctx) // the first one goes on
			require.True(t, ok, "the consumer would wait forever")
			if name == "event" {
				require.NoError(t, err)
				require.Equal(t, "B", e.Name)
			} else {
				require.ErrorIs(t, err, ErrClosed)
			}
		})
	}
}

// TestSecondLookOfNext: Next returns an event that comes between its two looks, once.
func TestSecondLookOfNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &EventHub{EventQueue: 16, MaxBytes: 1 << 20}
		q := h.add(nil, nil)
		var once sync.Once
		h.waits = func(int32) { // it is called between them
			once.Do(func() { q.push([]RawEvent{{Name: "A"}, {Name: "B"}}, h.limits()) })
		}
		names := make(chan string, 3)
		go func() {
			for {
				e, err := q.Next(context.Background())
				if err != nil {
					return
				}
				names <- e.Name
			}
		}()
		synctest.Wait()
		require.Len(t, names, 2)
		require.Equal(t, "AB", <-names+<-names)
		require.NoError(t, q.Close())
	})
}
