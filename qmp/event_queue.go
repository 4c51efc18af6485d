package qmp

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// An eventQueue is a subscription: a queue between the goroutine that reads the
// connection, which never waits, and a consumer, which may be slow. If the queue is full, it drops
// the oldest event, because the newest events show the present state. The consumer learns how many
// were dropped.
type eventQueue struct {
	hub   *EventHub
	names []string            // none: all
	match func(RawEvent) bool // nil: all of these

	staged []RawEvent // the hub's

	wake    chan struct{} // holds an element when there may be something for Next
	waiting atomic.Int32  // goroutines in Next that wait for it

	// Next takes all events at a time, so that it seldom waits for the goroutine that reads the
	// connection.
	takeMu    sync.Mutex
	taken     []RawEvent
	next      int          // of taken
	last      bool         // they were taken when a context had ended
	held      atomic.Int64 // how many of taken are left
	heldBytes atomic.Int64 // of their data
	closed    atomic.Bool

	mu    sync.Mutex
	ring  []RawEvent // grows up to the hub's limit
	head  int
	count int
	bytes int   // of data, also limited
	lost  int   // since the last one that was returned
	err   error // final, after the events that are there
}

var _ EventStream = (*eventQueue)(nil)

func (q *eventQueue) Next(ctx context.Context) (RawEvent, error) {
	for {
		over := ctx.Err() != nil
		e, err, ok := q.pop(over)
		if !ok && over {
			q.signal() // it may have taken what was to wake another goroutine in Next
			return RawEvent{}, wait.Err(ctx)
		}
		if !ok {
			e, err, ok = q.wait(ctx)
		}
		if ok {
			return e, err
		}
	}
}

// wait waits until there may be something for Next. After it has counted itself as waiting, it
// looks once more: before that, another goroutine that left events in taken did not wake it.
func (q *eventQueue) wait(ctx context.Context) (e RawEvent, err error, ok bool) {
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	if waits := q.hub.waits; waits != nil {
		waits(1)
		defer waits(-1)
	}
	if e, err, ok = q.pop(false); ok {
		return e, err, ok
	}
	select {
	case <-q.wake:
	case <-ctx.Done():
	}
	return RawEvent{}, nil, false
}

func (q *eventQueue) Close() error {
	q.hub.remove(q)
	q.closed.Store(true)
	q.takeMu.Lock()
	q.taken, q.next = nil, 0
	q.takeMu.Unlock()
	q.held.Store(0)
	q.heldBytes.Store(0)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != ErrClosed {
		q.ring, q.head, q.count, q.bytes, q.lost = nil, 0, 0, 0, 0
		q.err = ErrClosed
	}
	q.signal()
	return nil
}

// push adds events, and returns how many are lost for them.
func (q *eventQueue) push(events []RawEvent, limits queueLimits) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return 0
	}
	limits.events -= int(q.held.Load())
	limits.bytes -= int(q.heldBytes.Load())
	for _, e := range events {
		lost += q.add(e, limits)
	}
	q.lost += lost
	q.signal()
	return lost
}

// add adds an event, and returns how many it takes the place of.
func (q *eventQueue) add(e RawEvent, limits queueLimits) (lost int) {
	for q.count > 0 && (q.count >= limits.events || q.bytes+len(e.Data) > limits.bytes) {
		q.shift()
		lost++
	}
	if q.count == len(q.ring) {
		q.grow(limits.events)
	}
	i := q.head + q.count
	if i >= len(q.ring) {
		i -= len(q.ring)
	}
	q.ring[i] = e
	q.count++
	q.bytes += len(e.Data)
	return lost
}

// grow makes the ring larger, for no more than most events.
func (q *eventQueue) grow(most int) {
	grown := make([]RawEvent, max(1, min(max(16, 2*q.count), most)))
	n := copy(grown, q.ring[q.head:])
	copy(grown[n:], q.ring[:q.head])
	q.ring, q.head = grown, 0
}

// pop returns the results of Next; ok is false if Next must wait. If the context of Next is over, pop
// takes events from the queue only once, because events may come faster than the consumer asks.
func (q *eventQueue) pop(over bool) (e RawEvent, err error, ok bool) {
	q.takeMu.Lock()
	defer q.takeMu.Unlock()
	if q.closed.Load() {
		q.signal()
		return RawEvent{}, ErrClosed, true
	}
	if q.next == len(q.taken) {
		if over && q.last {
			q.last = false
			return RawEvent{}, nil, false
		}
		if err, ok = q.take(); !ok || err != nil {
			return RawEvent{}, err, ok
		}
		q.last = over
	}
	e = q.taken[q.next]
	q.taken[q.next] = RawEvent{}
	q.next++
	q.held.Add(-1)
	q.heldBytes.Add(-int64(len(e.Data)))
	if q.next < len(q.taken) {
		q.wakeOther()
	}
	return e, nil, true
}

// take takes all events that there are, or the error that comes next; ok is false if there is
// nothing.
func (q *eventQueue) take() (err error, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.lost > 0:
		err = &EventsLostError{Count: q.lost}
		q.lost = 0
	case q.count > 0:
		first := q.ring[q.head:min(q.head+q.count, len(q.ring))]
		second := q.ring[:q.count-len(first)]
		q.taken = append(append(q.taken[:0], first...), second...)
		clear(first)
		clear(second)
		q.held.Store(int64(q.count))
		q.heldBytes.Store(int64(q.bytes))
		q.next, q.head, q.count, q.bytes = 0, 0, 0, 0
	case q.err != nil:
		err = q.err
	default:
		return nil, false
	}
	if q.count > 0 || q.err != nil {
		q.wakeOther()
	}
	return err, true
}

// wakeOther wakes another goroutine in Next, if there is one: there is something for it as well.
func (q *eventQueue) wakeOther() {
	if q.waiting.Load() > 0 {
		q.signal()
	}
}

// shift takes the oldest event out.
func (q *eventQueue) shift() RawEvent {
	e := q.ring[q.head]
	q.ring[q.head] = RawEvent{}
	q.head = (q.head + 1) % len(q.ring)
	q.count--
	q.bytes -= len(e.Data)
	return e
}

// end lets Next return err after the events that are there.
func (q *eventQueue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.signal()
}

// signal wakes one goroutine in Next.
func (q *eventQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
