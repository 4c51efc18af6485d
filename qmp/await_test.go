package qmp_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// isGone matches the event that a device is gone, and ends the wait when that cannot be read.
func isGone(device string) func(qmp.RawEvent) (bool, error) {
	return func(e qmp.RawEvent) (bool, error) {
		gone, ok, err := qmp.EventAs[deviceDeleted](e)
		return ok && gone.Device == device, err
	}
}

// del removes a device.
func del(c *qmp.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := run(ctx, c, "device_del")
		return err
	}
}

func TestAwait(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("device_del", func(r *qmptest.Request) (any, error) {
		// Before the reply, and not the only one.
		s.Event("DEVICE_DELETED", args{"device": "b"})
		s.Event("STOP", nil)
		s.Event("DEVICE_DELETED", args{"device": "a"})
		return nil, nil
	})
	c := connect(t, s, nil)
	e, err := qmp.Await(limit(t), c, del(c), isGone("a"), "DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR")
	require.NoError(t, err)
	gone, ok, err := qmp.EventAs[deviceDeleted](e)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "a", gone.Device)

	e, err = qmp.Await(limit(t), c, del(c), func(e qmp.RawEvent) (bool, error) { return e.Name == "STOP", nil })
	require.NoError(t, err)
	_, ok, err = qmp.EventAs[deviceDeleted](e)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAwaitErrors(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	c := connect(t, s, &qmp.Options{EventQueue: 1})
	_, err := qmp.Await(limit(t), c, del(c), isGone("a"), "DEVICE_DELETED")
	require.ErrorIs(t, err, qmp.ErrCommandNotFound, "nothing is waited for")

	s.Handle("device_del", func(*qmptest.Request) (any, error) {
		s.Event("DEVICE_DELETED", args{"device": 1})
		return nil, nil
	})
	_, err = qmp.Await(limit(t), c, del(c), isGone("a"), "DEVICE_DELETED")
	var unread *qmp.DecodeError
	require.ErrorAs(t, err, &unread)

	s.Handle("device_del", func(*qmptest.Request) (any, error) {
		s.Event("DEVICE_DELETED", args{"device": "a"})
		s.Event("DEVICE_DELETED", args{"device": "b"})
		return nil, nil
	})
	_, err = qmp.Await(limit(t), c, del(c), isGone("a"), "DEVICE_DELETED")
	require.ErrorIs(t, err, qmp.ErrEventsLost, "it may have been that one")

	ctx, cancel := context.WithCancelCause(limit(t))
	enough := errors.New("enough")
	s.Handle("device_del", func(*qmptest.Request) (any, error) { return nil, nil })
	_, err = qmp.Await(ctx, c, func(ctx context.Context) error {
		defer cancel(enough)
		return del(c)(ctx)
	}, isGone("a"), "DEVICE_DELETED")
	require.ErrorIs(t, err, context.Canceled)
}

// TestEventsFunc: what does not match takes no place.
func TestEventsFunc(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	c := connect(t, s, &qmp.Options{EventQueue: 2})
	match := func(e qmp.RawEvent) bool {
		gone, ok, err := qmp.EventAs[deviceDeleted](e)
		return ok && err == nil && gone.Device == "a"
	}
	some, all := c.EventsFunc(match, "DEVICE_DELETED"), c.EventsFunc(match)
	s.Event("DEVICE_DELETED", args{"device": "a", "path": "1"})
	for range 5 {
		s.Event("DEVICE_DELETED", args{"device": "b"})
		s.Event("STOP", nil)
	}
	s.Event("DEVICE_DELETED", args{"device": "a", "path": "2"})
	for _, stream := range []qmp.EventStream{some, all} {
		for _, path := range []string{"1", "2"} {
			e, err := stream.Next(limit(t))
			require.NoError(t, err)
			gone, ok, err := qmp.EventAs[deviceDeleted](e)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, path, gone.Path)
		}
		require.NoError(t, stream.Close())
	}
	stats := c.Stats()
	require.EqualValues(t, 12, stats.Events)
	require.EqualValues(t, 4, stats.EventsDelivered)
	require.Zero(t, stats.EventsLost)
}
