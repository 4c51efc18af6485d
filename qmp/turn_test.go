//go:build linux

package qmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// turnServer is a server on a socket whose every byte is the test's.
type turnServer struct {
	*net.UnixConn
	t *testing.T
}

// newTurnClient returns a client that has negotiated, and its server.
func newTurnClient(t *testing.T) (*Client, *turnServer) {
	t.Helper()
	ends := SocketPair(t)
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
	go func() { ended <- c.Execute(ctx, &Call{Command: command}) }()
	return ended
}

// freeTurn brings the client to where no goroutine reads: right after a reply.
func freeTurn(t *testing.T, c *Client, s *turnServer) {
	t.Helper()
	ended := start(turnLimit(t), c, "a")
	s.expect(`{"execute":"a","id":1}`)
	s.write(`{"return": {}, "id": 1}`)
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
func TestTurnGoesOn(t *testing.T) {
	c, s := newTurnClient(t)
	freeTurn(t, c, s)
	first := start(turnLimit(t), c, "a")
	s.expect(`{"execute":"a","id":2}`)
	second := start(turnLimit(t), c, "b")
	s.expect(`{"execute":"b","id":3}`)
	third := start(turnLimit(t), c, "c")
	s.expect(`{"execute":"c","id":4}`)
	c.calls.mu.Lock()
	leads := c.calls.turn.leader != nil // else the goroutine was faster, and reads for the first
	c.calls.mu.Unlock()
	if leads {
		c.awaitLeader(t, "a", 2)
	}
	s.write(`{"return": {}, "id": 2}`)
	require.NoError(t, <-first)
	c.awaitLeader(t, "c", 1) // the one that was sent last
	s.write(`{"return": {}, "id": 3}`)
	require.NoError(t, <-second)
	s.write(`{"return": {}, "id": 4}`)
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

// A caller that was given the turn as its context ended passes it on.
func TestTurnPassedOnByAbandonedCaller(t *testing.T) {
	c, s := newTurnClient(t)
	c.awaitTurn(t, isIdle)
	p := newPending("x") // its caller does not look
	p.stage, p.parked, p.wake = sent, true, make(chan struct{}, 1)
	c.calls.mu.Lock()
	p.id = c.calls.ids.take()
	require.EqualValues(t, 1, p.id)
	c.calls.byID = append(c.calls.byID, p)
	c.calls.mu.Unlock()
	ended := start(turnLimit(t), c, "a")
	id := s.request("a")
	s.write(`{"return": {}, "id": ` + id + `}`)
	require.NoError(t, <-ended)
	<-p.wake
	require.Equal(t, sent, c.abandon(p))
	c.awaitTurn(t, isIdle)
	freed := start(turnLimit(t), c, "b")
	id = s.request("b")
	s.write(`{"return": {}, "id": ` + id + `}`)
	require.NoError(t, <-freed)
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

// A connection that is closed while nobody reads is read no more.
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

// TestTurnStress has many callers, whose contexts end at random, on a server that answers in
// pieces, sends events between them, and answers late. Nobody gets the reply of another.
func TestTurnStress(t *testing.T) {
	c, s := newTurnClient(t)
	go echo(s)
	events := c.Events("TICK")
	var wg sync.WaitGroup
	for g := range 1000 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range 12 {
				ctx, cancel := context.WithCancel(turnLimit(t))
				if random.IntN(4) == 0 {
					time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, cancel)
				}
				want := fmt.Sprintf("%d-%d", g, i)
				got := ""
				err := c.Execute(ctx, &Call{Command: want, Result: func(d *wire.Decoder) { got = d.String() }})
				cancel()
				switch {
				case err == nil && got != want:
					t.Errorf("%s has the reply of %s", want, got)
				case err != nil && !errors.Is(err, context.Canceled):
					t.Error(err)
				}
				if random.IntN(50) == 0 {
					time.Sleep(3 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	_, err := events.Next(turnLimit(t))
	require.ErrorIs(t, err, ErrEventsLost) // nobody took them
	require.NoError(t, c.Err())
	require.NoError(t, <-start(turnLimit(t), c, "last"))
	c.awaitTurn(t, isIdle)
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	for _, p := range c.calls.byID {
		require.Nil(t, p)
	}
}

// echo answers each command with its name, in pieces, and with events between.
func echo(conn net.Conn) {
	var in []byte
	b := make([]byte, 4096)
	random := rand.New(rand.NewPCG(1, 2))
	for {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		in = append(in, b[:n]...)
		var out []byte
		for {
			r := receiver{max: 1 << 20, in: &buffer{b: in}}
			m, ok, err := r.buffered()
			if !ok || err != nil {
				break
			}
			name := wire.NewDecoder(m.text)
			var req echoRequest
			name.Object(&req)
			out = fmt.Appendf(out, `{"return": %q, "id": %s}`+"\r\n", req.command, m.part(m.id))
			if random.IntN(8) == 0 {
				out = append(out, `{"event": "TICK"}`...)
			}
			in = append([]byte(nil), in[r.start:]...)
		}
		for len(out) > 0 {
			n := min(len(out), 1+random.IntN(200))
			if _, err := conn.Write(out[:n]); err != nil {
				return
			}
			out = out[n:]
		}
	}
}

type echoRequest struct{ command string }

func (r *echoRequest) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) != "execute" {
		return 0
	}
	r.command = d.String()
	return 1
}
