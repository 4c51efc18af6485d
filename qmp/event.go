package qmp

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A RawEvent is an event as the server sent it.
type RawEvent struct {
	Name string
	Time time.Time // from the server's clock; zero if the server sent no time
	Data RawJSON   // a copy that belongs to the receiver, as the server wrote it; nil if the event has no data
}

// EncodeMembers writes the event as the server sends it.
func (e RawEvent) EncodeMembers(w *wire.Encoder) {
	encodeEvent(w, e.Name, e.Time, e.Data, e.Data != nil)
}

// MarshalJSON returns the event as the server sends it.
func (e RawEvent) MarshalJSON() ([]byte, error) { return Marshal(e) }

// String returns the event as JSON without secrets; see [Redact].
func (e RawEvent) String() string { return Format(e) }

func encodeEvent(w *wire.Encoder, name string, t time.Time, data any, hasData bool) {
	w.Name("event").String(name)
	if hasData {
		encodeAny(w.Name("data"), data)
	}
	if !t.IsZero() {
		w.Name("timestamp").BeginObject()
		w.Name("seconds").Int(t.Unix())
		w.Name("microseconds").Int(int64(t.Nanosecond() / 1000))
		w.EndObject()
	}
}

// A Conn is a connection to a server: it executes commands and receives events. A [*Client] is a Conn,
// and so is any type that embeds it.
type Conn interface {
	Executor
	EventSource
}

// An EventSource is a source of events, such as a [Client].
type EventSource interface {
	// Events subscribes to the events with the given names, or to all events if there are no
	// names. Every event that comes after Events has returned is in the stream.
	//
	// Events of one source keep their order among themselves. An EventSource does not promise an order
	// between events and the replies to commands: an event can come shortly after the reply that the server
	// sent after it. A [Client] does promise this order.
	Events(names ...string) EventStream
}

// An EventStream is a subscription to events. Several goroutines can call its methods; Next
// returns each event to one of them.
type EventStream interface {
	// Next returns the next event, in the order in which the server sent them. If the queue is empty,
	// Next waits until ctx ends. If ctx has ended, Next still returns the events in the queue, and
	// then an error that matches the error of ctx. Call it again with another context to go on.
	//
	// An *EventsLostError reports how many events are missing at this place, because the consumer
	// was too slow. The next call returns the event after them. Any other error is final:
	// ErrClosed after Close, or the reason why the connection ended, which comes after all events.
	Next(ctx context.Context) (RawEvent, error)

	// Close ends the subscription. It can be called more than once, and returns nil.
	Close() error
}

// Queued returns the events that are in the queue of a stream, without waiting for more:
//
//	for e, err := range qmp.Queued(events) {
//		…
//	}
//
// The loop ends when the queue is empty. It also yields the errors of [EventStream], and ends after
// a final error. If the caller breaks out of the loop, the other events stay in the queue.
func Queued(events EventStream) iter.Seq2[RawEvent, error] {
	return func(yield func(RawEvent, error) bool) {
		for {
			e, err := events.Next(over)
			if errors.Is(err, context.Canceled) || !yield(e, err) || err != nil && !concernsEvents(err) {
				return
			}
		}
	}
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// EventData is the data of an event: a pointer to a generated type such as
// qemu.DeviceDeletedEvent.
type EventData interface {
	wire.MemberDecoder
	EventName() string
}

// DecodeEventData decodes the data of an event. nil data means that the event has no data; into then stays
// as it is. Unknown members are ignored. Everything else is decoded strictly. The error is a [*DecodeError]
// with the name of the event.
func DecodeEventData(data RawJSON, into EventData) error {
	if data == nil {
		return nil
	}
	d := eventDecoders.Get().(*wire.Decoder)
	d.Reset(data)
	d.Object(into)
	err := d.End()
	d.Reset(nil)
	eventDecoders.Put(d)
	if err != nil {
		return decodeError(into.EventName(), err)
	}
	return nil
}

// eventDecoders are decoders that are used again: there can be a million events a second.
var eventDecoders = sync.Pool{New: func() any { return wire.NewDecoder(nil) }}

// ErrUnknownEvent is the error of a generated DecodeEvent for an event without a type in its package. The
// server is then newer than the package, or of another kind.
var ErrUnknownEvent = errors.New("qmp: unknown event")

// ErrEventsLost means that events were dropped. The error is an [*EventsLostError].
var ErrEventsLost = errors.New("qmp: events lost")

// An EventsLostError reports that a subscription's queue was full ([Options.EventQueue]), because its consumer
// was too slow, and that the oldest events were dropped. The subscription continues.
type EventsLostError struct {
	Count int // the number of events dropped since Next last returned one
}

// Error returns the number of events.
func (e *EventsLostError) Error() string {
	return "qmp: events lost: " + strconv.Itoa(e.Count)
}

// Is reports whether target is [ErrEventsLost].
func (e *EventsLostError) Is(target error) bool { return target == ErrEventsLost }
