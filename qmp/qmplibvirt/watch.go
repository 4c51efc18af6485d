package qmplibvirt

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// An Event is something that happened to a machine: an event of its QEMU, or a change of its life.
type Event struct {
	Name string // of the machine
	UUID string
	ID   int // of the run; -1 if libvirt does not say

	QMP       qmp.RawEvent // if Lifecycle is 0
	Lifecycle Lifecycle    // otherwise
	Detail    int          // libvirt's number for how this came; for Stopped a [StopDetail]
}

// A Lifecycle is a change of a machine's life. Newer daemons may have further values.
type Lifecycle int

// The changes of a machine's life.
const (
	Defined Lifecycle = 1 + iota // the configuration was stored
	Undefined
	Started
	Suspended // its CPUs stopped
	Resumed
	Stopped // the run has ended
	ShuttingDown
	PMSuspended // by the guest's power management
	Crashed     // the guest crashed; QEMU may still run
)

var lifecycles = [...]string{"", "defined", "undefined", "started", "suspended", "resumed", "stopped", "shutting down",
	"suspended by the guest", "crashed"}

// String returns the change in words.
func (l Lifecycle) String() string {
	if l >= 0 && int(l) < len(lifecycles) {
		return lifecycles[l]
	}
	return "event " + strconv.Itoa(int(l)-1)
}

// A Watch is a stream of the events of all machines of a daemon, including machines that start later. Several goroutines
// can call its methods; Next returns each event to one of them.
type Watch struct {
	conn  *Conn
	most  int
	wake  chan struct{} // holds an element when there may be something for Next
	mu    sync.Mutex
	queue []Event
	bytes int // of data
	lost  int
	err   error // final, after the events that are there
}

// The limits of the queue of a Watch; the first as for a subscription.
const (
	defaultEventQueue = 1024
	maxWatchBytes     = 64 << 20
)

// Watch returns the events of all machines: every event of QEMU and every change of a machine's life that libvirt sends
// after Watch has returned. It needs no Domain. The first Watch registers for the events at the daemon, for as long as the
// connection lasts.
func (c *Conn) Watch(ctx context.Context) (*Watch, error) {
	if err := c.registerAll(ctx); err != nil {
		return nil, because("qmplibvirt: watch all machines", err)
	}
	w := &Watch{conn: c, most: c.options.EventQueue, wake: make(chan struct{}, 1)}
	if w.most <= 0 {
		w.most = defaultEventQueue
	}
	c.mu.Lock()
	err := c.err
	if err == nil {
		c.watches = append(c.watches, w)
	}
	c.mu.Unlock()
	if err != nil {
		return nil, because("qmplibvirt: watch all machines", err)
	}
	return w, nil
}

// registerAll registers for the events of all machines, once.
func (c *Conn) registerAll(ctx context.Context) error {
	if err := c.watching.Lock(ctx); err != nil {
		return err
	}
	defer c.watching.Unlock()
	c.mu.Lock()
	all := c.all
	c.mu.Unlock()
	if all != nil {
		return nil
	}
	registered := func(a answer, _ bool) *pending {
		var id libvirt.IntBody
		if a.err == nil && libvirt.Decode(a.body, &id) == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.all = &id.Value // also if the caller has gone: the next one has it
		}
		return nil
	}
	return c.askWith(ctx, libvirt.RegisterMonitorEvents, &libvirt.RegisterMonitorArgs{}, &libvirt.IntBody{}, registered)
}

// Next returns the next event, in the order in which the daemon sent them. If there is none, it waits until ctx ends. If
// ctx has ended, it still returns the events in the queue, and then an error that matches that of ctx.
//
// A [*qmp.EventsLostError] reports how many events are missing at this place, because the consumer was too slow. Any other
// error is final: it matches [qmp.ErrClosed] after Close, or it is that of [Conn.Err], and comes after all events.
func (w *Watch) Next(ctx context.Context) (Event, error) {
	for {
		e, err, ok := w.pop()
		if ok {
			return e, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			if e, err, ok := w.pop(); ok {
				return e, err
			}
			return Event{}, wait.Err(ctx)
		}
	}
}

// pop returns the results of Next; ok is false if there are none yet.
func (w *Watch) pop() (e Event, err error, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.lost > 0:
		err = &qmp.EventsLostError{Count: w.lost}
		w.lost = 0
	case len(w.queue) > 0:
		e = w.queue[0]
		w.queue[0] = Event{}
		w.queue = w.queue[1:]
		w.bytes -= len(e.QMP.Data)
	case w.err != nil:
		err = w.err
	default:
		return Event{}, nil, false
	}
	w.signal() // for another goroutine in Next
	return e, err, true
}

// push adds an event.
func (w *Watch) push(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	for len(w.queue) > 0 && (len(w.queue) >= w.most || w.bytes+len(e.QMP.Data) > maxWatchBytes) {
		w.bytes -= len(w.queue[0].QMP.Data)
		w.queue[0] = Event{}
		w.queue = w.queue[1:]
		w.lost++
	}
	w.queue = append(w.queue, e)
	w.bytes += len(e.QMP.Data)
	w.signal()
}

// end lets Next return err after the events that are there.
func (w *Watch) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.signal()
}

// signal wakes a goroutine in Next.
func (w *Watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Close ends the stream. Events that it still holds are dropped. It can be called more than once, and returns nil.
func (w *Watch) Close() error {
	w.conn.mu.Lock()
	w.conn.watches = slices.DeleteFunc(w.conn.watches, func(other *Watch) bool { return other == w })
	w.conn.mu.Unlock()
	w.mu.Lock()
	w.queue, w.bytes, w.lost = nil, 0, 0
	w.err = errWatchClosed
	w.mu.Unlock()
	w.signal()
	return nil
}

var errWatchClosed = &wrappedError{"qmplibvirt: the watch is closed", qmp.ErrClosed}

// receiveEvent handles an event of a QEMU. The reading goroutine calls it.
func (c *Conn) receiveEvent(body []byte) error {
	var b libvirt.MonitorEventBody
	if err := libvirt.Decode(body, &b); err != nil {
		return err
	}
	e := qmp.RawEvent{Name: b.Event}
	if b.Seconds >= 0 {
		e.Time = time.Unix(b.Seconds, int64(b.Micros)*int64(time.Microsecond))
	}
	if b.Details != nil {
		e.Data = qmp.RawJSON(*b.Details)
	}
	c.mu.Lock()
	m := c.machines[key{b.Domain.UUID, b.Domain.ID}]
	if m != nil && (m.callback == nil || *m.callback != b.Callback) {
		m = nil
	}
	all := c.all != nil && *c.all == b.Callback
	c.mu.Unlock()
	if m != nil {
		m.hub.Publish(e)
	}
	if all {
		c.publish(Event{Name: b.Domain.Name, UUID: b.Domain.UUID.String(), ID: int(b.Domain.ID), QMP: e})
	}
	return nil
}

// publish gives an event to each Watch, its own copy of the data.
func (c *Conn) publish(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watches {
		own := e
		own.QMP.Data = slices.Clone(e.QMP.Data)
		w.push(own)
	}
}

// receiveLifecycle handles a change of a machine's life. The reading goroutine calls it.
func (c *Conn) receiveLifecycle(body []byte) error {
	var b libvirt.LifecycleBody
	if err := libvirt.Decode(body, &b); err != nil {
		return err
	}
	change := Lifecycle(b.Event + 1)
	c.publish(Event{Name: b.Domain.Name, UUID: b.Domain.UUID.String(), ID: int(b.Domain.ID), Lifecycle: change, Detail: int(b.Detail)})
	if change != Stopped {
		return nil
	}
	c.mu.Lock()
	stopped := c.runs(b.Domain.UUID, -1)
	c.mu.Unlock()
	if len(stopped) > 0 {
		c.endRuns(b.Domain.UUID, StopDetail(b.Detail))
	}
	return nil
}

// runs returns the runs of a machine that have a Domain, except the one with this ID. The caller holds mu.
func (c *Conn) runs(uuid libvirt.UUID, except int32) (runs []*machine) {
	for k, m := range c.machines {
		if k.uuid == uuid && k.id != except {
			runs = append(runs, m)
		}
	}
	return runs
}

// endRuns ends the runs of a machine that has stopped. The event of that does not say which run it was, and it can come
// after the look-up of the next run. So endRuns asks for the present run, which continues.
func (c *Conn) endRuns(uuid libvirt.UUID, detail StopDetail) {
	c.post(libvirt.DomainLookupByUUID, &libvirt.UUIDBody{UUID: uuid}, func(a answer, _ bool) *pending {
		now := libvirt.DomainBody{Domain: libvirt.Domain{ID: -1}} // also if the daemon does not know the machine any more
		if a.err == nil && libvirt.Decode(a.body, &now) != nil {
			now.Domain.ID = -1
		}
		c.mu.Lock()
		stopped := c.runs(uuid, now.Domain.ID)
		c.mu.Unlock()
		for _, m := range stopped {
			m.end(&StoppedError{m.domain.Name, detail})
		}
		return nil
	})
}
