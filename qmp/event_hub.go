package qmp

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// An EventHub gives the events of one server to their subscribers. A transport of your own publishes
// the events that it receives, and is an [EventSource] by the methods of its EventHub. The zero value is
// ready for use. An EventHub must not be copied.
//
// Each subscription has its own queue. No subscriber can block Publish. If a queue is full, it drops its
// oldest events, and the subscriber gets an [*EventsLostError]. Any number of goroutines can call the methods.
type EventHub struct {
	// EventQueue is the number of events that a subscription keeps for a slow consumer; 0 means 1024. Set it
	// before the first call.
	EventQueue int

	// MaxBytes is the number of bytes of data that a subscription keeps for a slow consumer; 0 means 64 MiB.
	// A queue always keeps its newest event. Set it before the first call.
	MaxBytes int

	waits   func(n int32) // notes that n more consumers wait; nil except in a client
	calling *string       // the client's; nil if the hub recovers from a panic of a match function

	mu     sync.Mutex
	topics map[string]*topic // by event name; a topic has subscribers
	all    []*eventQueue     // subscribers to everything
	names  map[string]string // seen by them, so that a name is allocated once
	err    error             // why no more events will come

	delivered, lost uint64 // see Stats

	// The goroutine that has the turn to read uses these, or the one in Publish.
	open    bool          // it holds mu, since there are more events; see publish. Publish sets it, too
	staged  []*eventQueue // have events for the next flush
	decoder wire.Decoder
	time    timestamp // what decoder reads
}

// A topic is an event with subscribers.
type topic struct {
	name   string
	queues []*eventQueue
}

// queueLimits are the limits of each queue.
type queueLimits struct{ events, bytes int }

// maxNames is the number of event names that are kept. QEMU has about sixty events.
const maxNames = 256

// An eventSink is an EventHub. A client has one after the first subscription. It is an interface
// so that programs which never subscribe are smaller: nothing else refers to the hub.
type eventSink interface {
	publish(m message)
	flush()
	count(s *Stats)
	End(err error)
}

// Events subscribes to the events with the given names, or to all events if there are no names. Every event
// that comes after Events has returned is in the stream. Use [Subscribe] for events with typed data.
func (c *Client) Events(names ...string) EventStream { return c.EventsFunc(nil, names...) }

// EventsFunc is like [Client.Events], but returns only the events for which match returns true. Other events
// take no place in the subscription's queue. A nil match selects all events. The client calls match while it
// reads the connection: match must be fast, must not call the client, and must not keep or change the event's
// data. If match panics, the connection ends with a [*CallbackError].
func (c *Client) EventsFunc(match func(RawEvent) bool, names ...string) EventStream {
	c.sinkMu.Lock()
	defer c.sinkMu.Unlock()
	hub, ok := c.eventSink().(*EventHub)
	if !ok {
		hub = &EventHub{
			EventQueue: c.options.EventQueue,
			MaxBytes:   c.options.MaxMessage,
			waits:      c.waits,
			calling:    &c.calling,
		}
		c.sink.Store(&heldSink{hub})
		if err := c.Err(); err != nil {
			hub.End(err) // the client looked for the sink too early
		}
	}
	return hub.EventsFunc(match, names...)
}

// eventSink returns the sink, or nil if there was no subscription.
func (c *Client) eventSink() eventSink {
	if held := c.sink.Load(); held != nil {
		return held.eventSink
	}
	return nil
}

// heldSink holds an eventSink for an atomic pointer.
type heldSink struct{ eventSink }

// Events subscribes to the events with the given names, or to all events if there are no names. Every event
// that is published after Events has returned is in the stream.
func (h *EventHub) Events(names ...string) EventStream { return h.EventsFunc(nil, names...) }

// EventsFunc is like [EventHub.Events], but returns only the events for which match returns true. Other
// events take no place in the subscription's queue. A nil match selects all events. Publish calls match:
// match must be fast, must not call the hub, and must not keep or change the event's data.
//
// If match panics, this subscription ends with a [*CallbackError]. The other subscriptions continue.
func (h *EventHub) EventsFunc(match func(RawEvent) bool, names ...string) EventStream {
	return h.add(match, names)
}

// Publish gives events to their subscribers, in this order, each its own copy of the data. Subscribers get
// all of the events at once. Publish never waits for a subscriber. After End it does nothing.
//
// If a match function ends its goroutine, as t.FailNow does, Publish does not return. A transport that
// publishes on its reading goroutine should therefore end the connection in a deferred function.
func (h *EventHub) Publish(events ...RawEvent) {
	h.mu.Lock()
	h.open = true
	defer h.flush()
	for _, e := range events {
		data := e.Data
		if t := h.topics[e.Name]; t != nil {
			for _, q := range t.queues {
				h.stage(q, e, data)
			}
		}
		for _, q := range h.all {
			h.stage(q, e, data)
		}
	}
}

// End ends all subscriptions, including later ones. Subscribers get err after the events that are
// in their queues. Only the first call has an effect. A nil err means [ErrClosed].
func (h *EventHub) End(err error) {
	if err == nil {
		err = ErrClosed // a queue without an error would wait for ever
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return
	}
	h.err = err
	for _, t := range h.topics {
		for _, q := range t.queues {
			q.end(err)
		}
	}
	for _, q := range h.all {
		q.end(err)
	}
	clear(h.topics)
	h.all = nil
}

// limits returns the limits of each queue.
func (h *EventHub) limits() queueLimits {
	limits := queueLimits{h.EventQueue, h.MaxBytes}
	if limits.events <= 0 {
		limits.events = defaultEventQueue
	}
	if limits.bytes <= 0 {
		limits.bytes = defaultMaxMessage
	}
	return limits
}

// add makes a queue for the events with these names that match.
func (h *EventHub) add(match func(RawEvent) bool, names []string) *eventQueue {
	names = slices.Clone(names)
	slices.Sort(names)
	q := &eventQueue{hub: h, names: slices.Compact(names), match: match, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		q.end(h.err)
		return q
	}
	if len(q.names) == 0 {
		h.all = append(h.all, q)
	}
	for _, name := range q.names {
		t := h.topics[name]
		if t == nil {
			t = &topic{name: name}
			if h.topics == nil {
				h.topics = make(map[string]*topic)
			}
			h.topics[name] = t
		}
		t.queues = append(t.queues, q)
	}
	return q
}

// remove takes a queue out again.
func (h *EventHub) remove(q *eventQueue) {
	is := func(other *eventQueue) bool { return other == q }
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(q.names) == 0 {
		h.all = slices.DeleteFunc(h.all, is)
	}
	for _, name := range q.names {
		t := h.topics[name]
		if t == nil {
			continue
		}
		if t.queues = slices.DeleteFunc(t.queues, is); len(t.queues) == 0 {
			delete(h.topics, name)
		}
	}
}

// publish gives an event of a client to its subscribers, each its own copy of the data. Without
// subscribers it costs next to nothing.
//
// Events often come many at a time, and locks cost more than all else that is done with one. So the
// hub stays locked, and queues get nothing, until flush: which must be called before anything else
// is done than to look whether another event has been read already.
func (h *EventHub) publish(m message) {
	if !h.open {
		h.mu.Lock()
		h.open = true
	}
	name := eventName(&m)
	t := h.topics[string(name)]
	if t == nil && len(h.all) == 0 {
		return
	}
	e := RawEvent{Time: h.decodeTime(m.part(m.timestamp))}
	if t != nil {
		e.Name = t.name
		for _, q := range t.queues {
			h.stage(q, e, m.part(m.data))
		}
	}
	if len(h.all) > 0 {
		e.Name = h.intern(name)
		for _, q := range h.all {
			h.stage(q, e, m.part(m.data))
		}
	}
}

// stage keeps an event for a subscriber, with a copy of the data, until flush.
func (h *EventHub) stage(q *eventQueue, e RawEvent, data []byte) {
	e.Data = data
	if q.match != nil && !h.matches(q, e) {
		return
	}
	e.Data = slices.Clone(data)
	h.delivered++
	if len(q.staged) == 0 {
		h.staged = append(h.staged, q)
	}
	q.staged = append(q.staged, e)
}

// matches calls the match function of a queue.
func (h *EventHub) matches(q *eventQueue, e RawEvent) (matches bool) {
	if h.calling != nil {
		*h.calling = callMatch
		matches = q.match(e)
		*h.calling = ""
		return matches
	}
	protect(func() { matches = q.match(e) }, func(value any) {
		h.deliver(q)
		q.end(newCallbackError(callMatch, value))
		q.match = func(RawEvent) bool { return false }
	})
	return matches
}

// deliver gives the staged events of a queue to its subscriber.
func (h *EventHub) deliver(q *eventQueue) {
	h.lost += uint64(q.push(q.staged, h.limits()))
	clear(q.staged)
	if q.staged = q.staged[:0]; cap(q.staged) > mostStaged {
		q.staged = nil
	}
}

// flush gives the staged events to the subscribers.
func (h *EventHub) flush() {
	if !h.open {
		return
	}
	for i, q := range h.staged {
		h.deliver(q)
		h.staged[i] = nil
	}
	h.staged = h.staged[:0]
	h.open = false
	h.mu.Unlock()
}

// mostStaged is the number of events that a queue keeps room for to be staged.
const mostStaged = 64

// intern returns a name as a string, usually without allocating one.
func (h *EventHub) intern(name []byte) string {
	if s, ok := h.names[string(name)]; ok {
		return s
	}
	s := string(name)
	if h.names == nil {
		h.names = make(map[string]string)
	}
	if len(h.names) < maxNames {
		h.names[s] = s
	}
	return s
}

// eventName returns the name of an event, which has letters, digits and underscores only. It
// returns other text unchanged: no event has such a name.
func eventName(m *message) []byte {
	name := m.part(m.event)
	if len(name) >= 2 && name[0] == '"' && name[len(name)-1] == '"' {
		name = name[1 : len(name)-1]
	}
	return name
}

// decodeTime reads a timestamp. It returns the zero Time for other values, and for -1/-1, which
// QEMU sends when its clock fails.
func (h *EventHub) decodeTime(value []byte) time.Time {
	t := &h.time
	*t = timestamp{}
	if t.parse(value) {
		return time.Unix(t.seconds, t.microseconds*int64(time.Microsecond))
	}
	h.decoder.Reset(value)
	h.decoder.Object(t)
	if h.decoder.End() != nil || !t.found || t.seconds < 0 {
		return time.Time{}
	}
	return time.Unix(t.seconds, t.microseconds*int64(time.Microsecond))
}

// A timestamp is the value of an event's member timestamp.
type timestamp struct {
	seconds, microseconds int64
	found                 bool
}

// parse reads the form that QEMU writes, and returns false for any other. It is fast: the time is
// most of the work for an event.
func (t *timestamp) parse(value []byte) bool {
	rest, ok := bytes.CutPrefix(value, []byte(`{"seconds": `))
	if ok {
		t.seconds, rest, ok = cutNumber(rest)
	}
	if ok {
		rest, ok = bytes.CutPrefix(rest, []byte(`, "microseconds": `))
	}
	if ok {
		t.microseconds, rest, ok = cutNumber(rest)
	}
	return ok && len(rest) == 1 && rest[0] == '}'
}

// cutNumber reads a number without sign, of no more digits than an int64 surely has.
func cutNumber(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && i < 18 && '0' <= b[i] && b[i] <= '9'; i++ {
		n = 10*n + int64(b[i]-'0')
	}
	return n, b[i:], i > 0 && (b[0] != '0' || i == 1)
}

func (t *timestamp) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "seconds":
		t.seconds, t.found = d.Int64(), true
		return 1
	case "microseconds":
		t.microseconds = d.Int64()
		return 2
	}
	return 0
}
