package qmp

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// An inflight holds the commands in flight: everything about them that several goroutines
// touch, under one lock. A command is registered before it is written, so that its reply
// always finds it.
type inflight struct {
	mu    sync.Mutex
	ids   idSet
	byID  []*pending // the index is the id; nil where it is free
	added uint64     // how many there have been
	bytes uint64     // sent

	outOfOrder bool // the server may answer in another order

	turn turn // to read

	// working counts two: reading, until the turn has ended, and writing, until the connection has
	// ended and nothing is being written.
	working sync.WaitGroup

	queue   []*pending // those that no goroutine writes yet, in order
	writing bool       // one goroutine writes, until it calls wrote
	batch   batch      // what it writes

	sendErr error // why nothing more can be sent; nil while it can
	err     error // why the connection ended; nil before
}

// A pending is one command in flight.
type pending struct {
	command string
	begun   time.Time // for Options.Trace, else zero
	id      uint64
	order   uint64  // its place among all commands of the connection
	request *buffer // the message, up to its id until it is added; nil when written
	files   *rights // the descriptors that go with it, nil for none; closed when written

	hasFiles bool // it holds the client's lock on files
	drains   bool // it is the client's own, see drain
	inBand   bool // it counts among the 8 that oob allows
	copied   bool // it is a copy of a command, with the same id

	repeated *repetition // it is sent again until it is answered; nil if it is not

	stage     stage
	abandoned bool                 // nobody waits for the reply any more
	late      func(result RawJSON) // takes the reply of an abandoned command; may be nil

	done   bool // reply, or err and sent, are set: for a reply or for the end of the connection
	reply  message
	memory *buffer // that the reply is in; the caller that waits for it frees it
	err    error   // why there will be no reply
	sent   bool    // with err: the server has the whole request

	// How its caller waits, see turn. wake is made by a caller that waits for another goroutine
	// only, and never pooled: channels belong to their testing/synctest bubble.
	wake     chan struct{}
	parked   bool // the caller waits for wake
	promoted bool // the turn is given to it
}

type stage uint8

const (
	queued   stage = iota
	writing        // a goroutine writes it: it may be sent in part
	sent           // the server has it, or will
	finished       // its reply has come, or never will
)

func newPending(command string) *pending {
	return &pending{command: command, request: newBuffer(0)}
}

// A batch is what is written at a time: some requests, one after the other, or one request
// with descriptors.
type batch struct {
	calls []*pending
	text  *buffer // of all; the only request's own
	files *rights
}

// add registers p, gives it an id, completes its request with that, and queues it.
func (f *inflight) add(p *pending) error {
	f.mu.Lock()
	err := f.sendErr
	if err == nil {
		p.id = f.ids.take()
		p.request.b = append(strconv.AppendUint(p.request.b, p.id, 10), '}')
		if p.repeated != nil {
			p.repeated.text = slices.Clone(p.request.b)
		}
		p.order = f.added
		f.added++
		for p.id >= uint64(len(f.byID)) {
			f.byID = append(f.byID, nil)
		}
		f.byID[p.id] = p
		f.queue = append(f.queue, p)
	}
	f.unlock()
	return err
}

// take returns the batch that the calling goroutine must write next. It returns nil if there is
// none, or if another goroutine is writing and will also write the queued requests.
func (f *inflight) take() *batch {
	f.mu.Lock()
	defer f.unlock()
	if f.writing || len(f.queue) == 0 {
		return nil
	}
	f.writing = true
	b, first := &f.batch, f.queue[0]
	b.text, b.files = first.request, first.files
	n := 1
	for ; n < len(f.queue) && b.files == nil; n++ {
		p := f.queue[n]
		if p.files != nil || len(b.text.b)+len(p.request.b) > largeBuffer {
			break
		}
		if n == 1 {
			b.text = newBuffer(largeBuffer)
			b.text.b = append(b.text.b, first.request.b...)
		}
		b.text.b = append(b.text.b, p.request.b...)
	}
	b.calls = append(b.calls[:0], f.queue[:n]...)
	f.queue = slices.Delete(f.queue, 0, n)
	for _, p := range b.calls {
		p.stage = writing
	}
	return b
}

// wrote ends the writing of the batch: n bytes of it have been sent. If err is not nil, no more can
// be sent. A request that was sent in part will never be complete, so the server will not execute
// it: it counts as not sent.
func (f *inflight) wrote(n int, err error) {
	f.mu.Lock()
	defer f.unlock()
	if f.err != nil {
		err = f.err // which is why writing failed
	}
	if len(f.batch.calls) > 1 {
		f.batch.text.free()
	}
	f.bytes += uint64(n)
	for i, p := range f.batch.calls {
		n -= len(p.request.b)
		p.release()
		f.batch.calls[i] = nil
		if p.stage != writing { // the reply was faster
			continue
		}
		if n >= 0 {
			p.stage = sent
		}
		if n < 0 || f.err != nil {
			f.finish(p, err)
		}
	}
	f.writing = false
	if err != nil {
		f.refuse(err)
	}
	if f.err != nil {
		f.working.Done()
	}
}

// answer takes the command out that a reply with this id is for. It returns nil for an id that is
// not in use. An early reply is for an abandoned command, or is a leftover of another client.
func (f *inflight) answer(id uint64, early bool) (p *pending) {
	f.mu.Lock()
	if id < uint64(len(f.byID)) {
		p = f.byID[id]
	}
	if p != nil && (p.stage == queued || early && !p.abandoned) {
		p = nil
	}
	if p != nil {
		p.stage = finished
		f.forget(p)
	}
	f.unlock()
	return p
}

// answerOldest takes out the command that has been in flight for longest, for an error
// without an id: a server that executes one command after the other means this one. Its id
// stays in use, in case that a proper reply follows. It returns nil when there is none.
func (f *inflight) answerOldest() (oldest *pending) {
	f.mu.Lock()
	for _, p := range f.byID {
		if p != nil && (p.stage == writing || p.stage == sent) &&
			(oldest == nil || p.order < oldest.order) && !f.outOfOrder {
			oldest = p
		}
	}
	if oldest != nil {
		f.byID[oldest.id] = &pending{id: oldest.id, stage: finished, abandoned: true}
		oldest.stage = finished
	}
	f.unlock()
	return oldest
}

// cancel abandons p. It returns the stage that p was in: a queued command has been taken out
// unsent; a finished one is not abandoned, its reply is there, or just coming; for the others
// a reply may come, and their ids stay in use until then. A turn that p was promoted to is then
// the caller's.
func (f *inflight) cancel(p *pending) (was stage, promoted bool) {
	f.mu.Lock()
	was, promoted = p.stage, p.promoted
	p.parked, p.promoted = false, false
	switch was {
	case queued:
		i := slices.Index(f.queue, p)
		f.queue = slices.Delete(f.queue, i, i+1)
		f.forget(p)
		p.release()
		p.stage = finished
	case writing, sent:
		p.abandoned = true
	}
	f.unlock()
	return was, promoted
}

// end is called once, when the connection has ended. Commands in flight end with err; wrote ends
// those that are being written. end returns true if the turn to read is free. It then stays free.
func (f *inflight) end(err error) (unread bool) {
	f.mu.Lock()
	defer f.unlock()
	f.err = err
	f.refuse(err)
	for _, p := range f.byID {
		if p != nil && p.stage == sent {
			f.finish(p, err)
		}
	}
	if !f.writing {
		f.working.Done()
	}
	if unread = !f.turn.taken; unread {
		f.endTurn()
	}
	return unread
}

// setReason changes the reason why the connection ended, for later calls of Err.
func (f *inflight) setReason(err error) {
	f.mu.Lock()
	f.err, f.sendErr = err, err
	f.unlock()
}

// refuse sees to it that nothing more is sent.
func (f *inflight) refuse(err error) {
	if f.sendErr == nil {
		f.sendErr = err
	}
	for _, p := range f.queue {
		p.release()
		f.finish(p, err)
	}
	f.queue = nil
}

// finish ends p without a reply.
func (f *inflight) finish(p *pending, err error) {
	p.sent = p.stage == sent
	p.stage = finished
	p.err = err
	p.done = true
	if p.copied {
		return
	}
	f.forget(p)
	p.notify()
	f.turn.interrupt(p)
}

// deliver hands p its reply.
func (f *inflight) deliver(p *pending, reply message, memory *buffer) {
	f.mu.Lock()
	p.reply, p.memory, p.done = reply, memory, true
	p.notify()
	f.unlock()
}

// forget makes the id of p free.
func (f *inflight) forget(p *pending) {
	f.byID[p.id] = nil
	f.ids.put(p.id)
}

// release frees the memory that was needed to send p.
func (p *pending) release() {
	p.request.free()
	p.request = nil
	p.files.close()
	p.files = nil
}
