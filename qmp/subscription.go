package qmp

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// An Event is an event with its data, a generated type such as qemu.DeviceDeletedEvent.
type Event[T any] struct {
	Time time.Time // the server's clock; zero when it had none
	Data T
}

// EncodeMembers writes the event as the server sends it.
func (e Event[T]) EncodeMembers(w *wire.Encoder) {
	name := ""
	if data, ok := any(&e.Data).(EventData); ok {
		name = data.EventName()
	}
	encodeEvent(w, name, e.Time, e.Data, true)
}

// MarshalJSON returns the event as the server sends it.
func (e Event[T]) MarshalJSON() ([]byte, error) { return Marshal(e) }

// String returns the event as JSON without secrets; see [Redact].
func (e Event[T]) String() string { return Format(e) }

// A Subscription is a subscription to the events of one type. Its methods can be called by
// several goroutines; an event goes to one of them.
type Subscription[T any] struct {
	stream EventStream
	decode func(RawJSON, *T) error
	closed atomic.Bool
}

// Subscribe subscribes to the events whose data is a T:
//
//	gone := qmp.Subscribe[qemu.DeviceDeletedEvent](client)
//	defer gone.Close()
//
// Every event that comes after Subscribe has returned is in the subscription, so to wait for
// what a command causes, subscribe before the command is sent. A subscription keeps a number
// of events for its consumer ([Options.EventQueue]); it must be read, or closed.
func Subscribe[T any, P interface {
	*T
	EventData
}](src EventSource) *Subscription[T] {
	return &Subscription[T]{
		stream: src.Events(P(new(T)).EventName()),
		decode: func(data RawJSON, into *T) error { return DecodeEventData(data, P(into)) },
	}
}

// Next returns the next event, in the order in which the server sent them. If none is in the queue Next
// waits until ctx ends. If ctx has ended Next still returns the events that are in the queue, then an error
// that matches that of ctx; call it again with another context.
//
// Two errors concern some events only, and the next call returns the event behind these: an
// [*EventsLostError] if the consumer was too slow, and a [*DecodeError] if the data of an event is not what
// T has. Any other error is final: [ErrClosed] after Close, or why the connection ended, after the events
// that came before.
func (s *Subscription[T]) Next(ctx context.Context) (Event[T], error) {
	raw, err := s.stream.Next(ctx)
	if err != nil {
		return Event[T]{}, err
	}
	e := Event[T]{Time: raw.Time}
	if err := s.decode(raw.Data, &e.Data); err != nil {
		return Event[T]{Time: raw.Time}, err
	}
	return e, nil
}

// All returns the events for a range loop, which waits for further ones until ctx ends. If an error
// concerns some events only the loop gets it in their place and continues; it ends after any other error.
// It ends without an error if the subscription is closed. Leaving the loop early loses nothing and does not
// close the subscription: Next, or another loop, continues.
func (s *Subscription[T]) All(ctx context.Context) iter.Seq2[Event[T], error] {
	return func(yield func(Event[T], error) bool) {
		for {
			e, err := s.Next(ctx)
			if err != nil && s.closed.Load() {
				return
			}
			if !yield(e, err) || err != nil && !concernsEvents(err) {
				return
			}
		}
	}
}

// Queued returns the events that are in the queue, without waiting for more; see the function [Queued].
func (s *Subscription[T]) Queued() iter.Seq2[Event[T], error] {
	return func(yield func(Event[T], error) bool) {
		for raw, err := range Queued(s.stream) {
			e := Event[T]{Time: raw.Time}
			if err == nil {
				err = s.decode(raw.Data, &e.Data)
			}
			if err != nil {
				e = Event[T]{Time: raw.Time}
			}
			if err == ErrClosed || !yield(e, err) {
				return
			}
		}
	}
}

// Close ends the subscription. Events that it still holds are dropped, and calls of Next
// return [ErrClosed]. It can be called more than once, and returns nil.
func (s *Subscription[T]) Close() error {
	s.closed.Store(true)
	return s.stream.Close()
}

// concernsEvents reports whether an error is about some events, and others may follow.
func concernsEvents(err error) bool {
	_, unread := err.(*DecodeError)
	return unread || errors.Is(err, ErrEventsLost)
}
