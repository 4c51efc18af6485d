//go:build linux

package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Servers that do too much or too little, on sockets: what is in them is sent, and they are full
// when nobody reads.

// padding makes a thousand commands more than a socket takes.
var padding = qmp.Args{"padding": strings.Repeat("x", 2000)}

// inTime is how soon what has to end must: machines that run tests may be slow.
const inTime = 20 * time.Second

// endings are how commands ended, by their names.
type endings struct {
	mu   sync.Mutex
	errs map[string]error
}

// sendMany sends n commands at once, each with a context that ends soon, and returns when all have
// ended.
func sendMany(t *testing.T, c *qmp.Client, n int) *endings {
	t.Helper()
	e := &endings{errs: map[string]error{}}
	var group sync.WaitGroup
	begin := time.Now()
	for i := range n {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			after := time.Duration(50+i%100) * time.Millisecond
			if i%2 == 0 {
				time.AfterFunc(after, cancel)
			} else {
				ctx, cancel = contextOf(t, after)
			}
			defer cancel()
			e.run(ctx, c, fmt.Sprint("c", i))
		})
	}
	group.Wait()
	require.Less(t, time.Since(begin), inTime)
	return e
}

// run executes a command and notes how it ended.
func (e *endings) run(ctx context.Context, c *qmp.Client, name string) {
	_, err := qmp.Raw{Command: name, Args: padding}.Do(ctx, c)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errs[name] = err
}

// check checks the errors, and returns the commands that were not sent and those that may have been.
func (e *endings) check(t *testing.T, causes ...error) (notSent, unknown map[string]bool) {
	t.Helper()
	notSent, unknown = map[string]bool{}, map[string]bool{}
	for name, err := range e.errs {
		require.NotEqual(t, errors.Is(err, qmp.ErrNotSent), errors.Is(err, qmp.ErrOutcomeUnknown), "%s: %v", name, err)
		because := false
		for _, cause := range causes {
			because = because || errors.Is(err, cause)
		}
		require.True(t, because, "%s: %v", name, err)
		if errors.Is(err, qmp.ErrNotSent) {
			notSent[name] = true
		} else {
			unknown[name] = true
		}
	}
	return notSent, unknown
}

// A request is a command as a server reads it.
type request struct {
	Execute string
	ID      int
}

// readRequests reads commands and calls f for each, until f returns false or nothing complete comes
// any more.
func readRequests(conn net.Conn, f func(request) bool) {
	d := json.NewDecoder(conn)
	for {
		var r request
		if d.Decode(&r) != nil || !f(r) {
			return
		}
	}
}

// readAll returns the names of all commands that are complete, up to the end of the connection.
func readAll(conn net.Conn) map[string]bool {
	names := map[string]bool{}
	readRequests(conn, func(r request) bool { names[r.Execute] = true; return true })
	return names
}

// flood sends events until the connection ends.
func flood(conn net.Conn) {
	events := []byte(strings.Repeat(`{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "TICK"}`+"\r\n", 50))
	for {
		if _, err := conn.Write(events); err != nil {
			return
		}
	}
}

// requireNone checks that no command has been read that counts as not sent.
func requireNone(t *testing.T, notSent, read map[string]bool) {
	t.Helper()
	for name := range notSent {
		require.False(t, read[name], "%s was sent after all", name)
	}
}

// closeInTime closes the client.
func closeInTime(t *testing.T, c *qmp.Client) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(inTime):
		t.Fatal("Close hangs")
	}
}

// TestServerThatFloodsAndDoesNotRead: the client reads the events, and the commands end with their
// contexts and the right errors.
func TestServerThatFloodsAndDoesNotRead(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		var flooding sync.WaitGroup
		flooding.Go(func() { flood(server) })
		defer flooding.Wait()
		defer server.Close()
		idle, events := c.Events("TICK"), c.Events("TICK")

		notSent, unknown := sendMany(t, c, 1000).check(t, context.Canceled, context.DeadlineExceeded)
		require.NotEmpty(t, notSent, "the socket is full")
		require.NotEmpty(t, unknown, "the socket was not full at first")

		for received := 0; received < 5000; { // there is no end of events all the same
			e, err := events.Next(limit(t))
			if errors.Is(err, qmp.ErrEventsLost) {
				continue
			}
			require.NoError(t, err)
			require.Equal(t, "TICK", e.Name)
			received++
		}
		_, err := idle.Next(limit(t))
		require.ErrorIs(t, err, qmp.ErrEventsLost)
		require.NoError(t, c.Err())

		closeInTime(t, c)
		requireNone(t, notSent, readAll(server))
	})
}

// TestCloseWhileServerFloodsAndDoesNotRead: Close ends commands that nothing else would end.
func TestCloseWhileServerFloodsAndDoesNotRead(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		var flooding, calling sync.WaitGroup
		flooding.Go(func() { flood(server) })
		defer flooding.Wait()
		defer server.Close()
		e := &endings{errs: map[string]error{}}
		for i := range 1000 {
			calling.Go(func() { e.run(t.Context(), c, fmt.Sprint("c", i)) })
		}
		require.Eventually(t, func() bool {
			s := c.Stats() // all are in flight, and the socket is full
			return s.InFlight == 1000 && s.Events > 1000
		}, waitTime, pollTime)
		closeInTime(t, c)
		calling.Wait()
		notSent, _ := e.check(t, qmp.ErrClosed)
		require.NotEmpty(t, notSent)
		requireNone(t, notSent, readAll(server))
	})
}

// TestManyCallersOnServerThatDoesNotRead: when the server reads again, the connection works as
// before.
func TestManyCallersOnServerThatDoesNotRead(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		notSent, unknown := sendMany(t, c, 1000).check(t, context.Canceled, context.DeadlineExceeded)
		require.NotEmpty(t, notSent)
		require.NotEmpty(t, unknown)

		read := map[string]bool{}
		var serving sync.WaitGroup
		serving.Go(func() {
			readRequests(server, func(r request) bool {
				read[r.Execute] = true
				(&peer{server, t}).write(fmt.Sprintf(`{"return": %q, "id": %d}`, r.Execute, r.ID))
				return r.Execute != "last"
			})
		})
		v, err := run(limit(t), c, "last")
		require.NoError(t, err, "the one that was being written was completed")
		require.Equal(t, `"last"`, v)
		serving.Wait()
		delete(read, "last")
		require.Equal(t, unknown, read)
		require.Zero(t, c.Stats().InFlight)
	})
}

// TestManyCallersOnServerThatNeverAnswers: every command that it has read may have been executed.
// Late replies are dropped, and later commands get their own replies.
func TestManyCallersOnServerThatNeverAnswers(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		requests := make(chan request, 3000)
		var serving sync.WaitGroup
		serving.Go(func() {
			readRequests(server, func(r request) bool { requests <- r; return true })
			close(requests)
		})
		defer serving.Wait()
		defer server.Close()
		notSent, unknown := sendMany(t, c, 1000).check(t, context.Canceled, context.DeadlineExceeded)
		require.NotEmpty(t, unknown)
		require.Equal(t, len(unknown), c.Stats().InFlight)

		read, late := map[string]bool{}, ""
		for range len(unknown) {
			r := <-requests
			read[r.Execute] = true
			late = fmt.Sprintf(`{"return": "late", "id": %d}`, r.ID) + late
		}
		require.Equal(t, unknown, read)
		requireNone(t, notSent, read)

		var calling sync.WaitGroup
		for i := range 1000 {
			calling.Go(func() { callForName(t, c, fmt.Sprint("after", i)) })
		}
		p := &peer{server, t}
		r := <-requests // a new one is in flight when the late replies come
		p.write(late)
		for answered := 0; ; r = <-requests {
			p.write(fmt.Sprintf(`{"return": %q, "id": %d}`, r.Execute, r.ID))
			if answered++; answered == 1000 {
				break
			}
		}
		calling.Wait()
		require.Zero(t, c.Stats().InFlight)
	})
}

// callForName executes a command whose result is its name.
func callForName(t *testing.T, c *qmp.Client, name string) {
	got := ""
	err := c.Execute(limit(t), &qmp.Call{Command: name, Result: func(d *wire.Decoder) { got = d.String() }})
	if err != nil || got != name {
		t.Errorf("%s has the reply of %q, %v", name, got, err)
	}
}

// floodAndAnswer sends numbered events without end, and between them replies, each with an event
// before it that has the command's name.
func floodAndAnswer(conn net.Conn, requests <-chan request) {
	var out []byte
	for n := 0; ; n++ {
		out = fmt.Appendf(out[:0], `{"event": "TICK", "data": {"n": %d}}`+"\r\n", n)
		select {
		case r := <-requests:
			out = fmt.Appendf(out, `{"event": "DONE", "data": {"name": %q}}`+"\r\n", r.Execute)
			out = fmt.Appendf(out, `{"return": %q, "id": %d}`+"\r\n", r.Execute, r.ID)
		default:
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// countTicks takes events until the connection ends, and checks that they keep their order and
// that each one that is missing was told of.
func countTicks(t *testing.T, events qmp.EventStream, ended error) {
	for next := 0; ; {
		e, err := events.Next(t.Context())
		var lost *qmp.EventsLostError
		switch {
		case errors.As(err, &lost):
			next += lost.Count
			continue
		case err != nil:
			if !errors.Is(err, ended) {
				t.Error(err)
			}
			return
		}
		if want := fmt.Sprintf(`{"n": %d}`, next); string(e.Data) != want {
			t.Errorf("event %s instead of %s", e.Data, want)
			return
		}
		next++
	}
}

// TestFloodBetweenReplies: in a flood of events each command gets its reply, and every lost event
// is reported.
func TestFloodBetweenReplies(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		var serving, counting, calling sync.WaitGroup
		ticks, idle := c.Events("TICK"), c.Events()
		requests := make(chan request, 3000)
		serving.Go(func() { readRequests(server, func(r request) bool { requests <- r; return true }) })
		serving.Go(func() { floodAndAnswer(server, requests) })
		counting.Go(func() { countTicks(t, ticks, qmp.ErrClosed) })
		for i := range 1000 {
			calling.Go(func() {
				for n := range 3 {
					callForName(t, c, fmt.Sprintf("%d-%d", i, n))
				}
			})
		}
		calling.Wait()
		done := c.EventsFunc(func(e qmp.RawEvent) bool { return string(e.Data) == `{"name": "last"}` }, "DONE")
		callForName(t, c, "last")
		_, err := done.Next(limit(t))
		require.NoError(t, err, "a subscription in the middle of it")
		_, err = idle.Next(limit(t))
		require.ErrorIs(t, err, qmp.ErrEventsLost)
		require.NoError(t, c.Err())

		closeInTime(t, c)
		counting.Wait()
		require.NoError(t, server.Close())
		serving.Wait()
	})
}
