package qmp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Which goroutine reads the connection.
//
// The rest of the package needs three functions of this file: [Client.await], by which a caller waits for
// its reply; [Client.start] begins to read; and waits, by which a consumer of events says that it waits.
//
// Waking another thread costs more than everything else that a command needs, so a caller reads its reply
// itself. The right to read is the turn. One goroutine at a time has it:
//
//   - A caller that waits for its reply takes the turn if it is free. It reads for all callers until its
//     own reply has come and no complete message is left in the buffer. Then it gives the turn to a caller
//     that still waits.
//   - A caller that finds the turn taken parks: it waits until its reply is there, or until it is given
//     the turn ("promoted").
//   - When no caller has wanted the turn for a while, a goroutine of the client takes it, to read events
//     and to see the end of the connection. It keeps the turn until it has read a reply, since more
//     commands may follow.
//
// Callers read sockets only: there a read can be interrupted when the caller's context ends, and waiting
// for input needs no memory. The client's goroutine reads all other connections and never gives the turn
// away.
//
// These invariants hold whenever inflight.mu is unlocked. The tests of this package check them each time
// (invariants_test.go):
//
//  1. The leader, if there is one, has the turn: it is taken and reading has not ended.
//  2. At most one command is promoted. It then has the turn, and there is no leader.
//  3. If the turn is free, no caller is parked, and the timer runs after which the client's goroutine
//     takes the turn. So input is always read by somebody, sooner or later.
//  4. A parked caller has neither a reply nor the turn. So no caller waits for something that is there.
//  5. The deadline that interrupts reading is set only while there is a leader, or when reading has ended.
//  6. A command has finished when it is no longer in byID, except for one that an error without an id
//     answered: its id stays in use.

// For how long the turn must have been free before the client's own goroutine takes it, about:
// longer than the time between commands that follow each other. A timer that is to go off soon
// makes each wait of the process dearer, by a sixth of a round trip, so it is far off unless
// somebody waits for an event.
const (
	longGrace  = 10 * time.Millisecond
	shortGrace = time.Millisecond
)

// checkInvariants is nil except in the tests of this package.
var checkInvariants func(*inflight)

// unlock unlocks mu, and checks the invariants in tests.
func (f *inflight) unlock() {
	if checkInvariants != nil {
		checkInvariants(f)
	}
	f.mu.Unlock()
}

// A turn is the state of reading. inflight.mu guards it.
type turn struct {
	conn   net.Conn
	shared bool // callers may have it
	taken  bool
	ended  bool     // reading is over
	leader *pending // the caller that reads, nil for none

	interrupted bool // a deadline is set, which ends the leader's reading

	rounds, seen uint64      // how often it was given back, and when the timer looked last
	timer        *time.Timer // made when it is first needed
	armed        bool        // the timer runs

	waiting atomic.Int32 // consumers that wait for an event
	distant atomic.Bool  // the timer is far off
}

// A role is the task of a caller until its reply is there.
type role uint8

const (
	answered role = iota // the reply is there, or never will be
	leads                // it has the turn
	follows              // another goroutine has it: p.wake reports news
	passes               // it has the turn, and nothing to wait for any more
)

// role returns the present role of p.
func (f *inflight) role(p *pending) role {
	f.mu.Lock()
	defer f.unlock()
	switch {
	case p.promoted && p.done: // writing it failed, or the connection ended, since it was promoted
		p.promoted = false
		return passes
	case p.promoted:
		p.promoted = false
		f.turn.leader = p
		return leads
	case p.done:
		return answered
	case f.turn.shared && !f.turn.taken && !f.turn.ended:
		f.turn.taken = true
		f.turn.leader = p
		return leads
	}
	p.parked = true
	if p.wake == nil {
		p.wake = make(chan struct{}, 1)
	}
	return follows
}

// notify wakes the caller of p, if it waits.
func (p *pending) notify() {
	if !p.parked {
		return
	}
	p.parked = false
	select {
	case p.wake <- struct{}{}:
	default: // it has not looked at the last one yet
	}
}

// await waits until p has been answered, and returns finished; or until ctx ends, and returns
// the stage that p was in when it was abandoned.
func (c *Client) await(ctx context.Context, p *pending) stage {
	for {
		switch c.calls.role(p) {
		case answered:
			return finished
		case passes:
			c.yield()
			return finished
		case leads:
			c.lead(ctx, p)
		case follows:
			select {
			case <-p.wake:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			if was := c.abandon(p); was != finished {
				return was
			}
			ctx = context.Background() // the reply is there, or just coming
		}
	}
}

// abandon gives p up, and the turn if p has just been given it.
func (c *Client) abandon(p *pending) stage {
	was, promoted := c.calls.cancel(p)
	if promoted {
		c.yield()
	}
	return was
}

// lead reads for all, until p is answered, ctx ends, or the connection does.
func (c *Client) lead(ctx context.Context, p *pending) {
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { c.calls.interrupt(p) })
		defer stop()
	}
	c.reading(func() { c.readFor(p) })
}

// readFor reads until p is answered, reading is interrupted, or the connection ends.
func (c *Client) readFor(p *pending) {
	for mine := false; ; {
		m, ok, err := c.next()
		if err == nil && !ok {
			if mine {
				break
			}
			err = c.in.fill()
		}
		switch {
		case ok:
			mine = c.receive(&m) == p || mine
		case errors.Is(err, os.ErrDeadlineExceeded) && c.calls.isInterrupted():
			c.yield()
			return
		case err != nil:
			c.readingFailed(err)
			return
		}
	}
	c.yield()
}

// reading calls read, which reads with the turn. If a function of the program does not return to
// it, the connection ends, and with it the turn.
func (c *Client) reading(read func()) {
	protect(read, func(value any) {
		failed := newCallbackError(cmp.Or(c.calling, callRead), value)
		c.flushEvents() // the hub may be locked
		c.readingFailed(failed)
	})
}

// isInterrupted reports whether interrupt ended the leader's reading, and not a deadline of other
// code.
func (f *inflight) isInterrupted() bool {
	f.mu.Lock()
	defer f.unlock()
	return f.turn.interrupted
}

// interrupt ends the reading of p, if it is at it: its context has ended.
func (f *inflight) interrupt(p *pending) {
	f.mu.Lock()
	f.turn.interrupt(p)
	f.unlock()
}

// interrupt ends the reading of p, if it is at it.
func (t *turn) interrupt(p *pending) {
	if t.leader == p {
		t.interrupted = true
		_ = t.conn.SetReadDeadline(time.Unix(1, 0)) // fails when the connection has ended only
	}
}

// leave ends the reading of the leader, if there is one.
func (t *turn) leave() {
	t.leader = nil
	if t.interrupted {
		t.interrupted = false
		_ = t.conn.SetReadDeadline(time.Time{})
	}
}

// endTurn notes that reading has ended for good.
func (f *inflight) endTurn() {
	t := &f.turn
	t.leader, t.taken, t.ended = nil, true, true
	if t.timer != nil {
		t.timer.Stop()
	}
	f.working.Done()
}

// yield gives the turn to the waiting caller whose command was sent last, because the turn then
// changes hands least often. If no caller waits, the turn is free.
func (c *Client) yield() {
	c.in.rest()
	f := &c.calls
	f.mu.Lock()
	defer f.unlock()
	t := &f.turn
	t.leave()
	if f.err != nil {
		c.in.close()
		f.endTurn()
		return
	}
	var last *pending
	for _, p := range f.byID {
		if p != nil && p.parked && (last == nil || p.order > last.order) {
			last = p
		}
	}
	if last != nil {
		last.promoted = true
		last.notify()
		return
	}
	t.taken = false
	t.rounds++
	if !t.armed {
		t.armed = true
		c.armTimer()
	}
}

// armTimer has the client's goroutine look whether it is to read, after the grace period. It does
// not start anew with each command: that would cost each some time.
func (c *Client) armTimer() {
	t := &c.calls.turn
	grace := longGrace
	if t.waiting.Load() > 0 {
		grace = shortGrace
	}
	t.distant.Store(grace == longGrace)
	if t.timer == nil {
		t.timer = time.AfterFunc(grace, c.takeOver)
	} else {
		t.timer.Reset(grace)
	}
}

// waits notes that n more consumers wait for an event.
func (c *Client) waits(n int32) {
	t := &c.calls.turn
	if t.waiting.Add(n) <= 0 || !t.distant.Load() {
		return
	}
	c.calls.mu.Lock()
	if t.armed {
		c.armTimer()
	}
	c.calls.unlock()
}

// takeOver is the client's goroutine after the grace period.
func (c *Client) takeOver() {
	f := &c.calls
	f.mu.Lock()
	t := &f.turn
	t.armed = false
	t.distant.Store(false)
	switch {
	case t.taken || t.ended:
	case t.rounds != t.seen:
		t.seen = t.rounds
		t.armed = true
		c.armTimer()
	default:
		t.taken = true
		go c.watch()
	}
	f.unlock()
}

// watch waits for something to read, and then reads. It is the first function of its goroutine: a
// client that is idle needs a small stack only.
func (c *Client) watch() {
	if err := c.in.raw.Read(c.in.attemptFirst); err != nil {
		c.readingFailed(err)
		return
	}
	c.readIdle()
}

// readIdle reads on the client's own goroutine, until a reply has come if others may read then,
// or until there is nothing to read.
func (c *Client) readIdle() { c.reading(c.readWhileIdle) }

func (c *Client) readWhileIdle() {
	shared := c.calls.turn.shared
	for replied := false; ; {
		m, ok, err := c.next()
		if err == nil && !ok {
			if replied && shared {
				break
			}
			if err = c.in.fillNow(); err == errBlocked {
				go c.watch()
				return
			}
		}
		switch {
		case ok:
			replied = c.receive(&m) != nil || replied
		case err != nil:
			c.readingFailed(err)
			return
		}
	}
	c.yield()
}

// readingFailed ends the connection, which the turn goes with.
func (c *Client) readingFailed(err error) {
	c.end(whyEnded(err))
	c.in.close()
	c.calls.mu.Lock()
	c.calls.endTurn()
	c.calls.unlock()
}
