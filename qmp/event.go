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
	Time time.Time // the server's clock; zero when it had none
	Data RawJSON   // the receiver's own; nil when there is none; checked when it is decoded
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

// A Conn is a connection to a server: it executes commands and has the server's events. A [*Client] is
// one, and so is any type that embeds it.
type Conn interface {
	Executor
	EventSource
}

// An EventSource is a source of events, such as a [Client].
type EventSource interface {
	// Events subscribes to the events with the given names, or to all when there are none.
	// Every event that comes after Events has returned is in the stream.
	Events(names ...string) EventStream
}

// An EventStream is a subscription to events. Its methods can be called by several goroutines;
// an event goes to one of them.
type EventStream interface {
	// Next returns the next event, in the order in which the server sent them. If the queue
	// is empty, Next waits until ctx ends. If ctx has ended Next still returns the events that are in
	// the queue, then an error that matches that of ctx; call it again with another context.
	//
	// An *EventsLostError says that the consumer was too slow, and how many events are missing at
	// this place. The next call returns the event behind them. Any other error is final: ErrClosed
	// after Close, or why the connection ended, after the events that came before.
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
// The loop ends when the queue is empty. It also gets the errors of [EventStream] and
// ends after a final error. Leaving the loop early loses nothing.
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

// DecodeEventData decodes the data of an event. If data is nil, which means that the event has none, into
// stays as it is. Members that the type does not have are ignored; everything else is decoded strictly. The
// error is a [*DecodeError] with the name of the event.
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

// ErrUnknownEvent is the error of a generated DecodeEvent for an event that its package has no type for: the
// server is newer than the package, or of another kind.
var ErrUnknownEvent = errors.New("qmp: unknown event")

// ErrEventsLost is matched by a [*EventsLostError].
var ErrEventsLost = errors.New("qmp: events lost")

// An EventsLostError reports that a subscription's queue was full ([Options.EventQueue]), because its consumer
// was too slow, and that the oldest events were dropped. The subscription continues.
type EventsLostError struct {
	Count int // of events dropped since the last one that was returned
}

// Error returns the number of events.
func (e *EventsLostError) Error() string {
	return "qmp: events lost: " + strconv.Itoa(e.Count)
}

// Is reports whether target is [ErrEventsLost].
func (e *EventsLostError) Is(target error) bool { return target == ErrEventsLost }
