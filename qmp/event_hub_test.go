package qmp_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// TestEventHub: the hub of a transport gives each subscriber its own copy of the events that it wants, in order.
func TestEventHub(t *testing.T) {
	var hub qmp.EventHub
	hub.Publish(qmp.RawEvent{Name: "EARLY"})
	all, some, odd := hub.Events(), hub.Events("B", "A"), hub.EventsFunc(func(e qmp.RawEvent) bool { return e.Data != nil })
	data := qmp.RawJSON(`{"n":1}`)
	hub.Publish()
	hub.Publish(qmp.RawEvent{Name: "A", Data: data}, qmp.RawEvent{Name: "C"}, qmp.RawEvent{Name: "B"})
	copy(data, "!!!!!!!")
	end := errors.New("the server has ended")
	hub.End(end)
	hub.End(io.EOF)
	hub.Publish(qmp.RawEvent{Name: "LATE"})
	names := func(events qmp.EventStream) (text string) {
		for {
			e, err := events.Next(limit(t))
			if err != nil {
				require.Equal(t, end, err)
				return text
			}
			text += " " + e.Name + string(e.Data)
		}
	}
	require.Equal(t, ` A{"n":1} C B`, names(all))
	require.Equal(t, ` A{"n":1} B`, names(some))
	require.Equal(t, ` A{"n":1}`, names(odd))
	require.Empty(t, names(hub.Events()))
}

// TestEventHubEndsWithoutReason: no consumer waits for ever.
func TestEventHubEndsWithoutReason(t *testing.T) {
	var hub qmp.EventHub
	before := hub.Events()
	hub.End(nil)
	for _, events := range []qmp.EventStream{before, hub.Events()} {
		_, err := events.Next(limit(t))
		require.ErrorIs(t, err, qmp.ErrClosed)
	}
}

func TestEventHubLimits(t *testing.T) {
	for name, hub := range map[string]*qmp.EventHub{
		"events": {EventQueue: 2},
		"bytes":  {MaxBytes: 10},
	} {
		events := hub.Events()
		for i := range 5 {
			hub.Publish(qmp.RawEvent{Name: "E", Data: qmp.RawJSON(fmt.Sprintf("[%d, 4]", i)[:5])})
		}
		_, err := events.Next(limit(t))
		require.EqualError(t, err, "qmp: events lost: 3", name)
		e, err := events.Next(limit(t))
		require.NoError(t, err)
		require.Equal(t, "[3, 4", string(e.Data))
	}
	var hub qmp.EventHub
	events := hub.Events()
	for range 1025 {
		hub.Publish(qmp.RawEvent{Name: "E"})
	}
	_, err := events.Next(limit(t))
	require.EqualError(t, err, "qmp: events lost: 1")
}

// TestEventHubMatchPanics: the subscription ends with the reason, after its events, and the others continue.
func TestEventHubMatchPanics(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("no") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			var hub qmp.EventHub
			calls := 0
			bad := hub.EventsFunc(func(e qmp.RawEvent) bool {
				if calls++; e.Name == "BAD" {
					fail()
				}
				return true
			})
			good := hub.Events()
			var group sync.WaitGroup
			group.Go(func() { hub.Publish(qmp.RawEvent{Name: "A"}, qmp.RawEvent{Name: "BAD"}) })
			group.Wait()
			hub.Publish(qmp.RawEvent{Name: "C"})
			e, err := bad.Next(limit(t))
			require.NoError(t, err)
			require.Equal(t, "A", e.Name)
			for range 2 {
				_, err = bad.Next(limit(t))
				failed, ok := errors.AsType[*qmp.CallbackError](err)
				require.True(t, ok)
				require.Equal(t, "the match function of EventsFunc", failed.Callback)
			}
			require.Equal(t, 2, calls)
			var names string
			for e, err := range qmp.Queued(good) {
				require.NoError(t, err)
				names += e.Name
			}
			require.Equal(t, map[string]string{"panic": "ABADC", "exit": "AC"}[name], names)
			require.NoError(t, bad.Close())
			require.NoError(t, good.Close())
		})
	}
}

// TestEventHubSideBySide: goroutines publish, subscribe and close at the same time, and nothing is lost.
func TestEventHubSideBySide(t *testing.T) {
	hub := qmp.EventHub{EventQueue: 1 << 16}
	events := hub.Events("E")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 1000 {
				hub.Publish(qmp.RawEvent{Name: "E"}, qmp.RawEvent{Name: "E"})
				_ = hub.Events().Close()
			}
		})
	}
	group.Go(func() {
		for range 8000 {
			if _, err := events.Next(limit(t)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	group.Wait()
	require.NoError(t, events.Close())
}

func BenchmarkEventHub(b *testing.B) {
	for _, subscribers := range []int{0, 1, 8} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			var hub qmp.EventHub
			for range subscribers {
				defer hub.Events().Close()
			}
			e := qmp.RawEvent{Name: "E", Data: qmp.RawJSON(`{"device":"disk0"}`)}
			b.ReportAllocs()
			for b.Loop() {
				hub.Publish(e)
			}
		})
	}
}
