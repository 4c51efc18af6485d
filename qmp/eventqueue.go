package qmp

import (
	"context"
	"sync"
)

// An eventQueue is a subscription of a client: a queue between who reads, who
// never waits, and a consumer, who may be slow. When it is full the oldest event goes, since
// the newest tell how things are now, and the consumer is told how many went.
type eventQueue struct {
	hub   *eventHub
	names []string            // none: all
	match func(RawEvent) bool // nil: all of these

	wake chan struct{} // holds an element when there may be something for Next

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
		if ctx.Err() != nil {
			q.signal() // it may have taken what was to wake another goroutine in Next
			return RawEvent{}, ctx.Err()
		}
		if e, err, ok := q.pop(); ok {
			return e, err
		}
		q.hub.waits(1)
		select {
		case <-q.wake:
		case <-ctx.Done():
		}
		q.hub.waits(-1)
	}
}

func (q *eventQueue) Close() error {
	q.hub.remove(q)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != ErrClosed {
		q.ring, q.head, q.count, q.bytes, q.lost = nil, 0, 0, 0, 0
		q.err = ErrClosed
	}
	q.signal()
	return nil
}

// push adds an event, and returns how many are lost for it.
func (q *eventQueue) push(e RawEvent, limits queueLimits) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return 0
	}
	for q.count == limits.events || q.count > 0 && q.bytes+len(e.Data) > limits.bytes {
		q.shift()
		lost++
	}
	q.lost += lost
	if q.count == len(q.ring) {
		grown := make([]RawEvent, min(max(16, 2*q.count), limits.events))
		n := copy(grown, q.ring[q.head:])
		copy(grown[n:], q.ring[:q.head])
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.count)%len(q.ring)] = e
	q.count++
	q.bytes += len(e.Data)
	q.signal()
	return lost
}

// pop returns what Next is to return; ok is false when it must wait.
func (q *eventQueue) pop() (e RawEvent, err error, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.lost > 0:
		err = &EventsLostError{Count: q.lost}
		q.lost = 0
	case q.count > 0:
		e = q.shift()
	case q.err != nil:
		err = q.err
	default:
		return RawEvent{}, nil, false
	}
	if q.count > 0 || q.err != nil {
		q.signal() // for another goroutine in Next
	}
	return e, err, true
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
