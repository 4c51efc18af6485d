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

// TestAtMostEightInFlightWithOOB: QEMU stops reading with more commands, and would not see an
// out-of-band one.
func TestAtMostEightInFlightWithOOB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := connect(t, s, &qmp.Options{OOB: true})
		var waiting []*qmptest.Request
		s.Handle("slow", func(r *qmptest.Request) (any, error) {
			waiting = append(waiting, r)
			return nil, qmptest.ErrNoReply
		})
		results := make(chan error, 20)
		for range 10 {
			go func() {
				_, err := run(t.Context(), c, "slow")
				results <- err
			}()
		}
		synctest.Wait()
		require.Len(t, waiting, 8)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := run(ctx, c, "slow")
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		s.Write([]byte(`{"error": {"class": "GenericError", "desc": "of whom?"}}`))
		synctest.Wait()
		require.Empty(t, results, "the order is not known")

		waiting[3].Refuse(qmp.ErrGeneric, "no")
		require.ErrorIs(t, <-results, qmp.ErrGeneric)
		synctest.Wait()
		require.Len(t, waiting, 9)
		require.NoError(t, c.Close())
		var notSent, unknown int
		for range 9 {
			err := <-results
			require.ErrorIs(t, err, qmp.ErrClosed)
			if isNotSent(err) {
				notSent++
			} else {
				require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
				unknown++
			}
		}
		require.Equal(t, []int{1, 8}, []int{notSent, unknown})
	})
}

// TestPlacesComeBack: a command that was cancelled or not sent frees its place in flight.
func TestPlacesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := connect(t, s, &qmp.Options{OOB: true})
		s.Handle("slow", func(r *qmptest.Request) (any, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err := run(ctx, c, "slow")
			require.Error(t, err)
			cancel()
			_, err = qmp.Raw{Command: "slow"}.Do(t.Context(), c, qmp.WithFile(nil))
			require.ErrorIs(t, err, qmp.ErrNotSent)
		}
		time.Sleep(time.Hour)
		for range 20 {
			_, err := run(t.Context(), c, "slow")
			require.NoError(t, err)
		}
	})
}

// TestOutOfBand sends a command past those that fill the server's queue.
func TestOutOfBand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := connect(t, s, &qmp.Options{OOB: true})
		s.Handle("slow", func(r *qmptest.Request) (any, error) { return nil, qmptest.ErrNoReply })
		s.Handle("yank", func(r *qmptest.Request) (any, error) { return r.OOB, nil })
		for range 8 {
			go func() { _, _ = run(t.Context(), c, "slow") }()
		}
		synctest.Wait()
		oob, err := run(t.Context(), c, "yank", qmp.OutOfBand())
		require.NoError(t, err)
		require.Equal(t, "true", oob)

		_, err = run(t.Context(), c, "yank", qmp.OutOfBand(), qmp.WithFile(nil))
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorContains(t, err, "out of band")
	})
}

// TestOutOfBandIsOff: the client has not asked for oob, or the server does not have it.
func TestOutOfBandIsOff(t *testing.T) {
	for _, opts := range []*qmp.Options{nil, {OOB: true}} {
		s := qmptest.NewServer(t, &qmptest.Options{Unchecked: true, Capabilities: []string{}})
		c := connect(t, s, opts)
		require.False(t, c.OOB())
		_, err := run(t.Context(), c, "yank", qmp.OutOfBand())
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}
