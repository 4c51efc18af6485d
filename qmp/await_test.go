package qmp_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// isA matches the event that device a is deleted.
func isA(e qemu.DeviceDeletedEvent) bool { return qmp.Value(e.Device) == "a" }

func TestAwaitEvent(t *testing.T) {
	deleted := func(s *qmptest.Server, device string) {
		s.Event(qemu.EventDeviceDeleted, args{"device": device, "path": "/" + device})
	}
	for _, c := range []struct {
		name  string
		serve func(s *qmptest.Server) error // handles device_del
		queue int
		err   error         // what the error matches; nil: none
		text  string        // of the error
		slow  time.Duration // what match takes for an event
		after time.Duration // when AwaitEvent returns
	}{
		{name: "before the reply", serve: func(s *qmptest.Server) error {
			deleted(s, "a")
			return nil
		}},
		{name: "after the reply", after: time.Hour, serve: func(s *qmptest.Server) error {
			time.AfterFunc(time.Hour, func() { deleted(s, "a") })
			return nil
		}},
		{name: "after others", after: time.Hour, serve: func(s *qmptest.Server) error {
			deleted(s, "b")
			s.Event(qemu.EventStop, nil)
			s.Event(qemu.EventDeviceDeleted, args{"path": "/a/backend"})
			s.Event(qemu.EventDeviceUnplugGuestError, args{"device": "a", "path": "/a"})
			time.AfterFunc(time.Hour, func() { deleted(s, "a") })
			return nil
		}},
		{name: "before the end of the connection", slow: 2 * time.Hour, after: 4 * time.Hour, serve: func(s *qmptest.Server) error {
			deleted(s, "b")
			deleted(s, "a")
			time.AfterFunc(time.Hour, s.Disconnect)
			return nil
		}},
		{name: "as many as the queue holds", queue: 2, serve: func(s *qmptest.Server) error {
			deleted(s, "b")
			deleted(s, "a")
			return nil
		}},
		{name: "lost", queue: 2, err: qmp.ErrEventsLost, text: "qmp: await DEVICE_DELETED: events lost: 1",
			serve: func(s *qmptest.Server) error { // the one that is there may not be the first one
				deleted(s, "b")
				deleted(s, "a")
				deleted(s, "a")
				return nil
			}},
		{name: "never", after: 24 * time.Hour, err: context.DeadlineExceeded,
			text: "qmp: await DEVICE_DELETED: context deadline exceeded",
			serve: func(s *qmptest.Server) error {
				deleted(s, "b")
				return nil
			}},
		{name: "connection ends", after: time.Hour, err: io.EOF,
			text: "qmp: await DEVICE_DELETED: the server closed the connection: EOF",
			serve: func(s *qmptest.Server) error {
				time.AfterFunc(time.Hour, s.Disconnect)
				return nil
			}},
		{name: "cannot be decoded", text: "qmp: DEVICE_DELETED: cannot decode device at byte 10: expected a string, found a number",
			serve: func(s *qmptest.Server) error {
				s.Event(qemu.EventDeviceDeleted, args{"device": 1, "path": "/a"})
				deleted(s, "a")
				return nil
			}},
		{name: "refused", err: qmp.ErrDeviceNotFound, text: "no device a",
			serve: func(s *qmptest.Server) error {
				deleted(s, "a")
				return &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "no device a"}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := qmptest.NewServer(t, unchecked)
				s.Handle("device_del", func(r *qmptest.Request) (any, error) { return nil, c.serve(s) })
				client := connect(t, s, &qmp.Options{EventQueue: c.queue})
				deleted(s, "a") // too early
				_, err := run(t.Context(), client, "sync")
				require.ErrorIs(t, err, qmp.ErrCommandNotFound)

				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				begin := time.Now()
				gone, err := qmp.AwaitEvent(ctx, client, func(e qemu.DeviceDeletedEvent) bool {
					time.Sleep(c.slow)
					return isA(e)
				}, qemu.DeviceDel{ID: "a"})
				require.Equal(t, c.after, time.Since(begin))
				if c.text == "" {
					require.NoError(t, err)
					require.Equal(t, qemu.DeviceDeletedEvent{Device: new("a"), Path: "/a"}, gone)
				} else {
					require.ErrorContains(t, err, c.text)
					require.Zero(t, gone)
					require.Equal(t, c.name != "refused", qmp.MayHaveExecuted(err))
					require.NotErrorIs(t, err, qmp.ErrOutcomeUnknown)
					if c.err != nil {
						require.ErrorIs(t, err, c.err)
					}
				}

				// The subscription is gone.
				delivered := client.Stats().EventsDelivered
				deleted(s, "a")
				_, _ = run(t.Context(), client, "sync")
				require.Equal(t, delivered, client.Stats().EventsDelivered)
			})
		})
	}
}

// TestAwaitEventOfAnyCause: without match, AwaitEvent returns the first event of the type. The
// options are for the command.
func TestAwaitEventOfAnyCause(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	s.Handle("system_powerdown", func(*qmptest.Request) (any, error) {
		s.Event(qemu.EventPowerdown, nil)
		s.Event(qemu.EventShutdown, args{"guest": true, "reason": "guest-shutdown"})
		return nil, nil
	})
	c := connect(t, s, nil)
	down, err := qmp.AwaitEvent[qemu.ShutdownEvent](limit(t), c, nil, qemu.SystemPowerdown{})
	require.NoError(t, err)
	require.Equal(t, qemu.ShutdownEvent{Guest: true, Reason: qemu.ShutdownCauseGuestShutdown}, down)

	_, err = qmp.AwaitEvent[qemu.ShutdownEvent](limit(t), c, nil, qemu.SystemPowerdown{}, qmp.OutOfBand())
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// TestAwaitEventWithoutAReply: the command's outcome is unknown, although the event came.
func TestAwaitEventWithoutAReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		replies := make(chan struct{})
		s.Handle("device_del", func(*qmptest.Request) (any, error) {
			s.Event(qemu.EventDeviceDeleted, args{"device": "a", "path": "/a"})
			<-replies
			return nil, nil
		})
		c := connect(t, s, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := qmp.AwaitEvent(ctx, c, isA, qemu.DeviceDel{ID: "a"})
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(replies)
	})
}

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
	s := qmptest.NewServer(t, unchecked)
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
	s := qmptest.NewServer(t, unchecked)
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
	require.ErrorIs(t, err, qmp.ErrEventsLost, "the lost event may have been the awaited one")

	ctx, cancel := context.WithCancelCause(limit(t))
	enough := errors.New("enough")
	s.Handle("device_del", func(*qmptest.Request) (any, error) { return nil, nil })
	_, err = qmp.Await(ctx, c, func(ctx context.Context) error {
		defer cancel(enough)
		return del(c)(ctx)
	}, isGone("a"), "DEVICE_DELETED")
	require.ErrorIs(t, err, context.Canceled)
}

// TestEventsFunc: an event that does not match takes no place in the queue.
func TestEventsFunc(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
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
