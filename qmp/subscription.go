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
	Time time.Time // from the server's clock; zero if the server sent no time
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

// A Subscription is a subscription to the events of one type. Several goroutines can call its
// methods; Next returns each event to one of them.
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
// Every event that comes after Subscribe has returned is in the subscription. To wait for an
// event that a command causes, subscribe before you send the command. A subscription keeps
// [Options.EventQueue] events for a slow consumer. Close a subscription that you no longer read.
func Subscribe[T any, P interface {
	*T
	EventData
}](src EventSource) *Subscription[T] {
	return &Subscription[T]{
		stream: src.Events(P(new(T)).EventName()),
		decode: func(data RawJSON, into *T) error { return DecodeEventData(data, P(into)) },
	}
}

// Next returns the next event, in the order in which the server sent them. If the queue is empty, Next
// waits until ctx ends. If ctx has ended, Next still returns the events in the queue, and then an error
// that matches the error of ctx. Call it again with another context to go on.
//
// The error matches:
//   - [*EventsLostError]: the consumer was too slow, and events are missing at this place. Call Next again.
//   - [*DecodeError]: the data of an event cannot be decoded into a T. Call Next again for the next event.
//   - [ErrClosed]: Close was called.
//   - [Client.Err]: the connection has ended. This error comes after all events.
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

// All returns the events for a range loop, which waits for further ones until ctx ends. The loop also yields the errors
// of [Subscription.Next], and ends after a final error. If the subscription is closed, it ends without an error. If the
// caller breaks out of the loop, the subscription stays open, and Next or another loop continues with the next event.
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

// Queued returns the events that are in the queue, without waiting for more. It is like the
// function [Queued], and decodes the data.
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
