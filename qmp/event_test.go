package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// deviceDeleted is an event's type, as generated code has them.
type deviceDeleted struct {
	Device string
	Path   string
}

func (*deviceDeleted) EventName() string { return "DEVICE_DELETED" }

func (v *deviceDeleted) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "device":
		v.Device = d.String()
		return 1
	case "path":
		v.Path = d.String()
		return 2
	}
	return 0
}

// args is shorter than the type that it stands for.
type args = map[string]any

func TestSubscription(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	s.Event("DEVICE_DELETED", args{"device": "too early", "path": "p"})
	_, err := run(limit(t), c, "sync")
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)

	gone := qmp.Subscribe[deviceDeleted](c)
	at := time.UnixMicro(1_700_000_000_123_456)
	s.EventAt(at, "DEVICE_DELETED", args{"device": "disk0", "path": "/machine/disk0", "new": args{"a": nil}})
	s.EventAt(time.Time{}, "STOP", nil)
	s.EventAt(time.Time{}, "DEVICE_DELETED", args{"path": "/machine/x"})
	s.Event("DEVICE_DELETED", nil)

	e, err := gone.Next(limit(t))
	require.NoError(t, err)
	require.Equal(t, qmp.Event[deviceDeleted]{Time: at, Data: deviceDeleted{"disk0", "/machine/disk0"}}, e)
	e, err = gone.Next(limit(t))
	require.NoError(t, err)
	require.Equal(t, qmp.Event[deviceDeleted]{Data: deviceDeleted{"", "/machine/x"}}, e)
	require.True(t, e.Time.IsZero())
	e, err = gone.Next(limit(t))
	require.NoError(t, err)
	require.Zero(t, e.Data)
	require.False(t, e.Time.IsZero())

	require.NoError(t, gone.Close())
	require.NoError(t, gone.Close())
	s.Event("DEVICE_DELETED", nil)
	_, err = gone.Next(limit(t))
	require.ErrorIs(t, err, qmp.ErrClosed)
	require.ErrorIs(t, err, net.ErrClosed)
	for range gone.All(limit(t)) {
		t.Error("an event of a subscription that is closed")
	}
}

func TestEventsByName(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	all, some, same := c.Events(), c.Events("STOP", "RESUME", "STOP"), c.Events("STOP")
	for i, name := range []string{"STOP", "RESET", "RESUME", "STOP", "odd\\name", ""} {
		s.Event(name, args{"n": i})
	}
	s.Disconnect()
	names := func(stream qmp.EventStream) (text string) {
		for {
			e, err := stream.Next(limit(t))
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				_, err = stream.Next(limit(t))
				require.ErrorIs(t, err, io.EOF, "the final error stays")
				return text
			}
			text += fmt.Sprintf(" %s%s", e.Name, e.Data)
		}
	}
	require.Equal(t, ` STOP{"n":0} RESUME{"n":2} STOP{"n":3}`, names(some))
	require.Equal(t, ` STOP{"n":0} STOP{"n":3}`, names(same))
	require.Equal(t, ` STOP{"n":0} RESET{"n":1} RESUME{"n":2} STOP{"n":3} odd\\name{"n":4} {"n":5}`, names(all))

	late := c.Events()
	_, err := late.Next(limit(t))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, late.Close())
	_, err = late.Next(limit(t))
	require.ErrorIs(t, err, qmp.ErrClosed)
}

// TestEventBeforeTheReplyIsInTheQueue: when a command returns, earlier events can be taken
// without waiting.
func TestEventBeforeTheReplyIsInTheQueue(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	events := c.Events("RESET")
	s.Handle("system_reset", func(*qmptest.Request) (any, error) {
		s.Event("RESET", nil)
		return nil, nil
	})
	for range 100 {
		_, err := run(limit(t), c, "system_reset")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stop := context.AfterFunc(ctx, func() {})
		e, err := events.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, "RESET", e.Name)
		require.True(t, stop())
		cancel()
	}
}

func TestSlowConsumerLosesOldEvents(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, &qmp.Options{EventQueue: 10})
	slow := c.Events("BLOCK_IO_ERROR")
	const sent = 1000
	for i := range sent {
		s.Event("BLOCK_IO_ERROR", i)
	}
	_, err := run(limit(t), c, "x") // nobody has read, and commands work
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)

	_, err = slow.Next(limit(t))
	require.ErrorIs(t, err, qmp.ErrEventsLost)
	var lost *qmp.EventsLostError
	require.ErrorAs(t, err, &lost)
	require.Equal(t, sent-10, lost.Count)
	require.EqualError(t, err, "qmp: events lost: 990")
	for i := sent - 10; i < sent; i++ {
		e, err := slow.Next(limit(t))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), e.Data.String())
	}
	s.Event("BLOCK_IO_ERROR", "next")
	e, err := slow.Next(limit(t))
	require.NoError(t, err, "told once")
	require.Equal(t, `"next"`, e.Data.String())
}

func TestQueueIsLimitedInBytesToo(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, &qmp.Options{MaxMessage: 10_000})
	slow := c.Events()
	for range 3 {
		s.Event("A", strings.Repeat("x", 6000))
	}
	s.Disconnect()
	<-c.Done()
	_, err := slow.Next(limit(t))
	require.EqualError(t, err, "qmp: events lost: 2")
	_, err = slow.Next(limit(t))
	require.NoError(t, err)
	_, err = slow.Next(limit(t))
	require.ErrorIs(t, err, io.EOF)
}

func TestAll(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, &qmp.Options{EventQueue: 4})
	gone := qmp.Subscribe[deviceDeleted](c)
	for i := range 5 {
		s.Event("DEVICE_DELETED", args{"device": fmt.Sprint(i)})
	}
	s.Event("DEVICE_DELETED", args{"device": 5})
	s.Event("DEVICE_DELETED", args{"device": "6"})
	s.Write([]byte(`{"event": "DEVICE_DELETED", "data": {"device": inf}}`))
	s.Disconnect()
	<-c.Done()
	var got []string
	for e, err := range gone.All(limit(t)) {
		if err == nil {
			got = append(got, e.Data.Device)
			break // nothing is lost
		}
		got = append(got, err.Error())
	}
	var last error
	for e, err := range gone.All(limit(t)) {
		if last = err; err != nil {
			got = append(got, strings.Split(err.Error(), " at byte")[0])
			continue
		}
		got = append(got, e.Data.Device)
	}
	require.Equal(t, []string{
		"qmp: events lost: 4", "4",
		"qmp: DEVICE_DELETED: cannot decode device", "6",
		"qmp: DEVICE_DELETED: cannot decode device",
		"qmp: the server closed the connection: EOF",
	}, got)
	require.ErrorIs(t, last, io.EOF)
	require.Equal(t, c.Err(), last)
}

func TestNextWaitsUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := connect(t, s, nil)
		gone := qmp.Subscribe[deviceDeleted](c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := gone.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		time.AfterFunc(time.Hour, func() { s.Event("DEVICE_DELETED", args{"device": "a"}) })
		e, err := gone.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", e.Data.Device)

		for range 2 {
			s.Event("DEVICE_DELETED", nil)
		}
		synctest.Wait()
		var all []error
		for _, err := range gone.All(ctx) {
			all = append(all, err)
		}
		require.Len(t, all, 3)
		require.NoError(t, errors.Join(all[:2]...), "queued events come first")
		require.ErrorIs(t, all[2], context.DeadlineExceeded, "an ended context ends loops")

		for range 2 {
			s.Event("DEVICE_DELETED", nil)
		}
		synctest.Wait()
		for _, err := range gone.Queued() {
			require.NoError(t, err)
			break
		}
		time.AfterFunc(time.Hour, func() { require.NoError(t, gone.Close()) })
		n := 0
		for _, err := range gone.All(t.Context()) {
			require.NoError(t, err, "closing ends the loop, without an error")
			n++
		}
		require.Equal(t, 1, n)
	})
}

func TestCloseEndsSubscriptions(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	var group sync.WaitGroup
	events, named := c.Events(), c.Events("A")
	for range 10 {
		for _, stream := range []qmp.EventStream{events, named} {
			group.Go(func() {
				_, err := stream.Next(context.Background())
				if !errors.Is(err, qmp.ErrClosed) {
					t.Error(err)
				}
			})
		}
	}
	require.NoError(t, c.Close())
	group.Wait()
}

// TestSeveralConsumers: each event goes to one consumer, and no event is left.
func TestSeveralConsumers(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, &qmp.Options{EventQueue: 5000})
	stream := c.Events()
	var group sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range 8 {
		group.Go(func() {
			for {
				e, err := stream.Next(context.Background())
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				seen[e.Data.String()]++
				mu.Unlock()
			}
		})
	}
	for i := range 2000 {
		s.Event("A", i)
	}
	s.Disconnect()
	group.Wait()
	require.Len(t, seen, 2000)
	for _, n := range seen {
		require.Equal(t, 1, n)
	}
}

// TestSubscribersOwnTheirData: a subscriber that changes its data does not change the data of
// others.
func TestSubscribersOwnTheirData(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	a, b, all := c.Events("A"), c.Events("A"), c.Events()
	s.Event("A", args{"n": 1})
	for _, stream := range []qmp.EventStream{a, b, all} {
		e, err := stream.Next(limit(t))
		require.NoError(t, err)
		require.Equal(t, `{"n":1}`, e.Data.String())
		clear(e.Data)
	}
}

func TestInvalidTimestamps(t *testing.T) {
	c, p := connectPeer(t, nil)
	events := c.Events()
	for _, timestamp := range []string{
		`{"seconds": -1, "microseconds": -1}`, `{}`, `inf`, `7`, `{"seconds": "x"}`, `null`, `{"microseconds": 3}`,
	} {
		p.write(`{"timestamp": ` + timestamp + `, "event": "A"}`)
		e, err := events.Next(limit(t))
		require.NoError(t, err)
		require.True(t, e.Time.IsZero(), timestamp)
		require.Nil(t, e.Data)
	}
	p.write(`{"event": "A", "timestamp": {"seconds": 1, "microseconds": 2, "new": []}}`)
	e, err := events.Next(limit(t))
	require.NoError(t, err)
	require.True(t, time.Unix(1, 2000).Equal(e.Time))
}

func TestDecodeEventData(t *testing.T) {
	var v deviceDeleted
	require.NoError(t, qmp.DecodeEventData(nil, &v))
	require.NoError(t, qmp.DecodeEventData(qmp.RawJSON(`{"device":"a","path":"b"}`), &v))
	require.Equal(t, deviceDeleted{"a", "b"}, v)
	err := qmp.DecodeEventData(qmp.RawJSON(`{"device":1}`), &v)
	var wrong *qmp.DecodeError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "DEVICE_DELETED", wrong.Command)
	require.Error(t, qmp.DecodeEventData(qmp.RawJSON(``), &v))
}

func BenchmarkEvents(b *testing.B) {
	server, client := net.Pipe()
	p := &peer{Conn: server}
	go p.negotiate()
	c, err := qmp.NewClient(b.Context(), client, &qmp.Options{EventQueue: 1 << 16})
	require.NoError(b, err)
	defer c.Close()
	gone := qmp.Subscribe[deviceDeleted](c)
	const batch = 1000
	events := strings.Repeat(`{"timestamp": {"seconds": 1700000000, "microseconds": 123456}, "event": "DEVICE_DELETED", `+
		`"data": {"device": "disk0", "path": "/machine/peripheral/disk0"}}`+"\r\n", batch)
	go func() {
		for {
			if _, err := server.Write([]byte(events)); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := gone.Next(b.Context()); err == nil {
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// TestQueuedEventsComeBeforeTheEndOfTheContext, and without waiting.
func TestQueuedEventsComeBeforeTheEndOfTheContext(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	s.Handle("query", qmptest.Return(nil))
	c := connect(t, s, nil)
	events := c.Events()
	defer events.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	send := func(n int) {
		for range n {
			s.Event("STOP", nil)
		}
		_, err := run(limit(t), c, "query") // then they are in the queue
		require.NoError(t, err)
	}

	send(2)
	for range 2 {
		e, err := events.Next(ended)
		require.NoError(t, err)
		require.Equal(t, "STOP", e.Name)
	}
	_, err := events.Next(ended)
	require.ErrorIs(t, err, context.Canceled)

	// Those that come afterwards wait for the next call: a flood must not hold up the end.
	send(2)
	_, err = events.Next(ended)
	require.NoError(t, err)
	send(1)
	_, err = events.Next(ended)
	require.NoError(t, err)
	_, err = events.Next(ended)
	require.ErrorIs(t, err, context.Canceled)

	count := func() (n int) {
		for _, err := range qmp.Queued(events) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 1, count())
	require.Zero(t, count())
	send(3)
	for range qmp.Queued(events) {
		break
	}
	require.Equal(t, 2, count(), "leaving the loop loses nothing")
	require.NoError(t, events.Close())
	for _, err := range qmp.Queued(events) {
		require.Equal(t, qmp.ErrClosed, err)
	}
}
