package qmp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestWithTimeout: each command has the limit of its name, and the context may end earlier.
func TestWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		s.Handle("slow", qmptest.Delay(time.Minute, qmptest.Return(nil)))
		s.Handle("silent", qmptest.NoReply)
		c := connect(t, s, nil)
		var conn qmp.Conn = qmp.WithTimeout(c, func(command string) time.Duration {
			if command == "slow" {
				return 0
			}
			return 5 * time.Second
		})
		require.Same(t, c.Server(), qmp.ServerOf(conn))
		execute := func(ctx context.Context, command string) (time.Duration, error) {
			start := time.Now()
			_, err := qmp.Raw{Command: command}.Do(ctx, conn)
			return time.Since(start), err
		}

		took, err := execute(t.Context(), "silent")
		require.EqualError(t, err, "qmp: silent: sent, outcome unknown: the command's time limit of 5s has passed")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.Equal(t, 5*time.Second, took)

		took, err = execute(t.Context(), "slow")
		require.NoError(t, err)
		require.Equal(t, time.Minute, took)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		took, err = execute(ctx, "silent")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, took)

		events := conn.Events("STOP")
		defer events.Close()
		s.Event("STOP", nil)
		e, err := events.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "STOP", e.Name)

		took, err = func() (time.Duration, error) {
			start := time.Now()
			x := qmp.ExecutorWithTimeout(c, func(string) time.Duration { return time.Second })
			_, err := qmp.Raw{Command: "silent"}.Do(t.Context(), x)
			return time.Since(start), err
		}()
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.Equal(t, time.Second, took)
		require.NoError(t, c.Close())
	})
}

// TestCauseIsReported: an error has the cause of a context, and matches the context's error too.
func TestCauseIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		s.Handle("silent", qmptest.NoReply)
		c := connect(t, s, nil)
		events := c.Events()
		defer events.Close()
		stop := errors.New("the operator has pressed stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		_, err := run(ctx, c, "silent")
		require.EqualError(t, err, "qmp: silent: sent, outcome unknown: the operator has pressed stop")
		require.ErrorIs(t, err, stop)
		require.ErrorIs(t, err, context.Canceled)
		_, err = run(ctx, c, "silent")
		require.EqualError(t, err, "qmp: silent: not sent: the operator has pressed stop")
		_, err = events.Next(ctx)
		require.ErrorIs(t, err, stop)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, c.Close())
	})
}
