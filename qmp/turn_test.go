//go:build linux

package qmp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// turnServer is a server on a socket whose every byte is the test's.
type turnServer struct {
	*net.UnixConn
	t *testing.T
}

// newTurnClient returns a client that has negotiated, and its server.
func newTurnClient(t *testing.T) (*Client, *turnServer) {
	t.Helper()
	return newTurnClientOn(t, SocketPair(t))
}

// newTurnClientOn is newTurnClient on a connection, whose first end is the server's.
func newTurnClientOn(t *testing.T, ends [2]*net.UnixConn) (*Client, *turnServer) {
	t.Helper()
	s := &turnServer{ends[0], t}
	s.write(`{"QMP": {"version": {}, "capabilities": []}}` + "\r\n")
	go func() {
		b := make([]byte, len(`{"execute":"qmp_capabilities","id":0}`))
		_, _ = io.ReadFull(s, b)
		s.write(`{"return": {}, "id": 0}`)
	}()
	c, err := NewClient(turnLimit(t), ends[1], nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(); _ = s.Close() })
	return c, s
}

func turnLimit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (s *turnServer) write(text string) { _, _ = s.Write([]byte(text)) }

func (s *turnServer) expect(text string) {
	s.t.Helper()
	b := make([]byte, len(text))
	_, err := io.ReadFull(s, b)
	require.NoError(s.t, err)
	require.Equal(s.t, text, string(b))
}

// waits until the client's turn is as wanted.
func (c *Client) awaitTurn(t *testing.T, wanted func(turn *turn) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.calls.mu.Lock()
		defer c.calls.mu.Unlock()
		return wanted(&c.calls.turn)
	}, time.Minute, 100*time.Microsecond)
}

func isIdle(t *turn) bool { return t.taken && t.leader == nil }

// leader waits until the leader's command is that one, and n others wait.
func (c *Client) awaitLeader(t *testing.T, command string, parked int) {
	t.Helper()
	c.awaitTurn(t, func(turn *turn) bool {
		n := 0
		for _, p := range c.calls.byID {
			if p != nil && p.parked {
				n++
			}
		}
		return turn.leader != nil && turn.leader.command == command && n == parked
	})
}

// start executes a command, whose end is in the channel.
func start(ctx context.Context, c *Client, command string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		defer close(ended) // also if a callback ends the goroutine
		ended <- c.Execute(ctx, &Call{Command: command})
	}()
	return ended
}

// startLeading executes a command whose caller reads. It returns the command's end and its id.
func startLeading(t *testing.T, c *Client, s *turnServer) (ended <-chan error, id string) {
	t.Helper()
	for {
		free := start(turnLimit(t), c, "free")
		s.write(`{"return": {}, "id": ` + s.request("free") + `}`)
		require.NoError(t, <-free)
		ended = start(turnLimit(t), c, "leads")
		id = s.request("leads")
		c.awaitTurn(t, func(turn *turn) bool { return turn.taken })
		c.calls.mu.Lock()
		leads := c.calls.turn.leader != nil
		c.calls.mu.Unlock()
		if leads {
			return ended, id
		}
		s.write(`{"return": {}, "id": ` + id + `}`) // the client's goroutine was faster
		require.NoError(t, <-ended)
	}
}

// freeTurn brings the client to where no goroutine reads: right after a reply.
func freeTurn(t *testing.T, c *Client, s *turnServer) {
	t.Helper()
	ended := start(turnLimit(t), c, "a")
	s.write(`{"return": {}, "id": ` + s.request("a") + `}`)
	require.NoError(t, <-ended)
}

// The client's own goroutine reads when nobody calls.
func TestTurnIdle(t *testing.T) {
	c, s := newTurnClient(t)
	events := c.Events("STOP")
	for range 3 {
		c.awaitTurn(t, isIdle)
		s.write(`{"event": "STOP"}`)
		_, err := events.Next(turnLimit(t))
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	<-c.Done()
	require.ErrorIs(t, c.Err(), io.EOF)
	require.NoError(t, c.Close())
}

// While reading waits no memory is held.
func TestReadingHoldsNoMemory(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(fds[0])
	r := receiver{max: 1 << 10}
	require.False(t, r.readOnce(uintptr(fds[0])))
	require.Nil(t, r.in)
	_, err = unix.Write(fds[1], []byte(`{"return": {}}{"return"`))
	require.NoError(t, err)
	require.True(t, r.readOnce(uintptr(fds[0])))
	_, ok, err := r.buffered()
	require.True(t, ok)
	require.NoError(t, err)
	r.rest()
	require.NotNil(t, r.in, "there is a part of the next message")
	require.False(t, r.readOnce(uintptr(fds[0])))
	require.NotNil(t, r.in)
	_, ok, err = r.buffered()
	require.False(t, ok)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fds[1]))
	require.True(t, r.readOnce(uintptr(fds[0])))
	require.Equal(t, io.EOF, r.err)
	require.True(t, r.readOnce(uintptr(1<<20)))
	require.ErrorIs(t, r.err, unix.EBADF)
}

// The turn goes from one caller to the next as their replies come.
func TestTurnPassesOn(t *testing.T) {
	c, s := newTurnClient(t)
	first, firstID := startLeading(t, c, s)
	second := start(turnLimit(t), c, "b")
	secondID := s.request("b")
	c.awaitLeader(t, "leads", 1)
	third := start(turnLimit(t), c, "c")
	thirdID := s.request("c")
	c.awaitLeader(t, "leads", 2)
	s.write(`{"return": {}, "id": ` + firstID + `}`)
	require.NoError(t, <-first)
	c.awaitLeader(t, "c", 1) // the one that was sent last
	s.write(`{"return": {}, "id": ` + secondID + `}`)
	require.NoError(t, <-second)
	s.write(`{"return": {}, "id": ` + thirdID + `}`)
	require.NoError(t, <-third)
	c.awaitTurn(t, isIdle)
}

// A caller whose context ends stops to read, and others get their replies.
func TestTurnInterrupted(t *testing.T) {
	c, s := newTurnClient(t)
	for range 20 {
		c.awaitTurn(t, isIdle)
		ctx, cancel := context.WithCancel(turnLimit(t))
		free := start(turnLimit(t), c, "free")
		id := s.request("free")
		s.write(`{"return": {}, "id": ` + id + `}`)
		require.NoError(t, <-free)

		first := start(ctx, c, "first")
		firstID := s.request("first")
		second := start(turnLimit(t), c, "second")
		secondID := s.request("second")
		cancel()
		err := <-first
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, ErrOutcomeUnknown)
		s.write(`{"return": {}, "id": ` + firstID + `}{"return": {}, "id": ` + secondID + `}`)
		require.NoError(t, <-second)
	}
}

// request reads a command without arguments, and returns its id.
func (s *turnServer) request(command string) (id string) {
	s.t.Helper()
	s.expect(`{"execute":"` + command + `","id":`)
	return s.untilBrace()
}

// untilBrace reads the end of a command, which is its id.
func (s *turnServer) untilBrace() (id string) {
	s.t.Helper()
	for {
		b := make([]byte, 1)
		_, err := io.ReadFull(s, b)
		require.NoError(s.t, err)
		if b[0] == '}' {
			return id
		}
		id += string(b)
	}
}

// takeTurn gives the turn to the test, when nobody has it.
func takeTurn(t *testing.T, c *Client, s *turnServer) {
	t.Helper()
	for {
		freeTurn(t, c, s)
		c.calls.mu.Lock()
		free := !c.calls.turn.taken // else the client's goroutine was faster
		c.calls.turn.taken = true
		c.calls.mu.Unlock()
		if free {
			return
		}
	}
}

// promote gives the turn to the caller of a command, who does not look yet.
func promote(t *testing.T, c *Client, s *turnServer) *pending {
	t.Helper()
	takeTurn(t, c, s)
	p := newPending("x")
	p.stage, p.parked, p.wake = sent, true, make(chan struct{}, 1)
	c.calls.mu.Lock()
	p.id = c.calls.ids.take()
	for p.id >= uint64(len(c.calls.byID)) {
		c.calls.byID = append(c.calls.byID, nil)
	}
	c.calls.byID[p.id] = p
	c.calls.mu.Unlock()
	c.yield()
	<-p.wake
	return p
}

// A caller that was given the turn as its context ended passes it on.
func TestTurnPassedOnByAbandonedCaller(t *testing.T) {
	c, s := newTurnClient(t)
	p := promote(t, c, s)
	require.Equal(t, sent, c.abandon(p))
	c.awaitTurn(t, isIdle)
	freeTurn(t, c, s)
}

// Close ends a caller that reads, and those that wait.
func TestTurnClose(t *testing.T) {
	c, s := newTurnClient(t)
	freeTurn(t, c, s)
	first := start(turnLimit(t), c, "a")
	second := start(turnLimit(t), c, "b")
	s.expect(`{"execute":"`)
	require.Eventually(t, func() bool {
		c.calls.mu.Lock()
		defer c.calls.mu.Unlock()
		return len(c.calls.queue) == 0 && !c.calls.writing && c.calls.added == 4
	}, time.Minute, time.Millisecond)
	require.NoError(t, c.Close())
	for _, ended := range []<-chan error{first, second} {
		err := <-ended
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, err, ErrOutcomeUnknown)
	}
	require.ErrorIs(t, <-start(turnLimit(t), c, "c"), ErrNotSent)
}

// After Close, nothing reads a connection that was not being read.
func TestTurnCloseFree(t *testing.T) {
	for range 50 {
		c, s := newTurnClient(t)
		freeTurn(t, c, s)
		require.NoError(t, c.Close())
		require.True(t, c.calls.turn.ended)
	}
}

// A caller that reads is told that its command could not be written.
func TestTurnWritingFailsWhileItsCallerReads(t *testing.T) {
	c, s := newTurnClient(t)
	freeTurn(t, c, s)
	// A request that the socket does not take at once is written by another goroutine, and so is
	// what is queued behind it.
	big := make(chan error, 1)
	go func() {
		big <- c.Execute(turnLimit(t), &Call{Command: "big", Args: Args{"x": strings.Repeat("x", 8<<20)}})
	}()
	c.awaitTurn(t, func(turn *turn) bool { return turn.taken && c.calls.writing })
	queued := start(turnLimit(t), c, "queued")
	c.awaitTurn(t, func(*turn) bool { return len(c.calls.queue) == 1 })
	require.NoError(t, c.conn.SetWriteDeadline(time.Unix(1, 0)))
	require.ErrorIs(t, <-queued, ErrNotSent)
	require.ErrorIs(t, <-big, ErrNotSent)
	events := c.Events() // what the server sends is read all the same
	s.write(`{"event": "STOP"}`)
	_, err := events.Next(turnLimit(t))
	require.NoError(t, err)
}

// A deadline that the connection has from before the client means nothing to it.
func TestTurnDeadlineFromBefore(t *testing.T) {
	for name, set := range map[string]func(*net.UnixConn, time.Time) error{
		"read":  (*net.UnixConn).SetReadDeadline,
		"write": (*net.UnixConn).SetWriteDeadline,
		"both":  (*net.UnixConn).SetDeadline,
	} {
		for when, deadline := range map[string]time.Time{
			"past": time.Unix(1, 0), "soon": time.Now().Add(20 * time.Millisecond),
		} {
			t.Run(name+"/"+when, func(t *testing.T) {
				ends := SocketPair(t)
				require.NoError(t, set(ends[1], deadline))
				c, s := newTurnClientOn(t, ends)
				time.Sleep(time.Until(deadline) + time.Millisecond)
				for range 3 {
					ended, id := startLeading(t, c, s)
					s.write(`{"return": {}, "id": ` + id + `}`)
					require.NoError(t, <-ended)
				}
				// A request that the socket does not take at once.
				big := make(chan error, 1)
				go func() {
					big <- c.Execute(turnLimit(t), &Call{Command: "big", Args: Args{"x": strings.Repeat("x", 8<<20)}})
				}()
				s.expect(`{"execute":"big","arguments":{"x":"` + strings.Repeat("x", 8<<20) + `"},"id":`)
				s.write(`{"return": {}, "id": ` + s.untilBrace() + `}`)
				require.NoError(t, <-big)
				c.awaitTurn(t, isIdle)
				events := c.Events()
				s.write(`{"event": "STOP"}`)
				_, err := events.Next(turnLimit(t))
				require.NoError(t, err)
			})
		}
	}
}

// A deadline that other code sets on the client's connection ends it, whichever goroutine reads.
func TestTurnForeignDeadline(t *testing.T) {
	for _, idle := range []bool{false, true} {
		c, s := newTurnClient(t)
		var ended <-chan error
		if idle {
			c.awaitTurn(t, isIdle)
		} else {
			ended, _ = startLeading(t, c, s)
		}
		c.calls.mu.Lock()
		rounds := c.calls.turn.rounds
		c.calls.mu.Unlock()
		require.NoError(t, c.conn.SetReadDeadline(time.Unix(1, 0)))
		<-c.Done()
		c.calls.mu.Lock()
		require.True(t, idle || rounds == c.calls.turn.rounds, "callers have passed the turn on and on")
		c.calls.mu.Unlock()
		require.ErrorIs(t, c.Err(), os.ErrDeadlineExceeded)
		require.ErrorContains(t, c.Err(), "a deadline was set on the connection")
		if !idle {
			require.ErrorIs(t, <-ended, ErrOutcomeUnknown)
		}
		require.NoError(t, c.Close())
	}
}

// A caller that gets the turn after its command has ended passes it on.
func TestTurnPassedOnByFinishedCaller(t *testing.T) {
	for name, finish := range map[string]func(c *Client, p *pending){
		"writing failed": func(c *Client, p *pending) {
			c.calls.mu.Lock()
			defer c.calls.mu.Unlock()
			c.calls.finish(p, errBlocked)
		},
		"connection ended": func(c *Client, _ *pending) { c.end(ErrClosed) },
	} {
		t.Run(name, func(t *testing.T) {
			c, s := newTurnClient(t)
			p := promote(t, c, s)
			finish(c, p)
			ctx := turnLimit(t)
			require.Equal(t, finished, c.await(ctx, p))
			require.NoError(t, ctx.Err(), "it has read until its context ended")
			if c.Err() == nil {
				freeTurn(t, c, s)
			}
			require.NoError(t, c.Close())
		})
	}
}

// If a caller has the turn when the connection ends, it is the last one: then the client's
// goroutines have ended and no memory is left.
func TestTurnHeldWhenTheConnectionEnds(t *testing.T) {
	for _, abandoned := range []bool{false, true} {
		c, s := newTurnClient(t)
		takeTurn(t, c, s)
		c.in.in = newBuffer(0)
		c.in.in.b = append(c.in.in.b, `{"ret`...)
		closed := make(chan struct{})
		go func() { defer close(closed); _ = c.Close() }()
		<-c.Done()
		select {
		case <-closed:
			t.Fatal("Close has not waited for the caller that reads")
		default:
		}
		if abandoned {
			require.Equal(t, finished, c.abandon(&pending{stage: finished, promoted: true}))
		} else {
			c.yield()
		}
		c.calls.mu.Lock()
		ended := c.calls.turn.ended
		c.calls.mu.Unlock()
		require.True(t, ended, "somebody else has to find out")
		<-closed
		require.Nil(t, c.in.in)
	}
}

// A callback that fails while a caller reads for others ends the connection, and all of them return.
func TestTurnCallback(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("no") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			c, s := newTurnClient(t)
			events := c.EventsFunc(func(RawEvent) bool { fail(); return true }, "STOP")
			others := c.Events("OTHER")
			leader, _ := startLeading(t, c, s)
			second := start(turnLimit(t), c, "second")
			s.request("second")
			s.write(`{"event": "OTHER"}{"event": "STOP"}`)
			if err, returned := <-leader; returned {
				require.Equal(t, "panic", name)
				require.ErrorIs(t, err, ErrOutcomeUnknown)
				require.ErrorContains(t, err, "the match function of EventsFunc panicked: no")
			}
			err := <-second
			require.ErrorIs(t, err, ErrOutcomeUnknown)
			failed, ok := errors.AsType[*CallbackError](err)
			require.True(t, ok, err)
			require.Equal(t, c.Err(), error(failed))
			_, err = others.Next(turnLimit(t))
			require.NoError(t, err, "events from before are delivered")
			_, err = others.Next(turnLimit(t))
			require.Equal(t, error(failed), err)
			_, err = events.Next(turnLimit(t))
			require.Equal(t, error(failed), err)
			require.NoError(t, c.Close())
		})
	}
}
