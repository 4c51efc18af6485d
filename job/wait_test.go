package job_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestSecondWaiter: the end of its context cancels the job, although another goroutine waits as well.
func TestSecondWaiter(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		first := make(chan error, 1)
		go func() { first <- j.Wait(t.Context(), nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = j.WaitReady(ctx, nil)
		require.ErrorIs(t, err, job.ErrCancelled)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, <-first, job.ErrCancelled)
	})
}

// TestDetach ends the waits of several goroutines, and leaves the job running.
func TestDetach(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		endings := make(chan error, 2)
		for range 2 {
			go func() { endings <- j.Wait(t.Context(), nil) }()
		}
		synctest.Wait()
		j.Detach()
		j.Detach()
		for range 2 {
			require.ErrorIs(t, <-endings, job.ErrGoesOn)
		}
		require.ErrorIs(t, j.Cancel(t.Context()), job.ErrGoesOn)
		require.Equal(t, []string{"one running"}, f.States())
	})
}

// TestDetachedPending: a backup waits for Find after Detach.
func TestDetachedPending(t *testing.T) {
	for _, version := range []qmp.Version{oldest, newest} {
		inBubble(t, version, func(t *testing.T, f *fake) {
			j, err := job.Start(t.Context(), f.client, "one", backup)
			require.NoError(t, err)
			j.Detach()
			require.Equal(t, []string{"one pending"}, f.States())
			j, err = job.Find(t.Context(), f.client, "one")
			require.NoError(t, err)
			require.NoError(t, j.Wait(t.Context(), nil))
			require.Empty(t, f.States())
		})
	}
}

// TestCallback: a callback can detach, panic, and end its goroutine.
func TestCallback(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		require.ErrorIs(t, j.Wait(t.Context(), func(job.Progress) { f.Advance("one"); j.Detach() }), job.ErrGoesOn)
		synctest.Wait()
		require.Equal(t, []string{"one ready"}, f.States(), "no command is sent after Detach")
		f.Hold(false)
		synctest.Wait()
		delivered := f.client.Stats().EventsDelivered
		f.Event(qemu.EventJobStatusChange, map[string]any{"id": "other", "status": "running"})
		synctest.Wait()
		require.Equal(t, delivered, f.client.Stats().EventsDelivered, "the subscription has ended")

		require.PanicsWithValue(t, "in the callback", func() {
			_ = job.Run(t.Context(), f.client, "two", mirror, func(job.Progress) { panic("in the callback") })
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = job.Run(t.Context(), f.client, "three", mirror, func(job.Progress) { runtime.Goexit() })
		}()
		<-done
	})
}

// withoutAnswer is a connection on which the first job-cancel is lost.
type withoutAnswer struct {
	*qmp.Client
	lost bool
}

func (c *withoutAnswer) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == "job-cancel" && !c.lost {
		c.lost = true
		return qmp.ErrOutcomeUnknown
	}
	return c.Client.Execute(ctx, call)
}

// TestCancelAgain: a cancel that was perhaps not executed is sent again.
func TestCancelAgain(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), &withoutAnswer{Client: f.client}, "one", mirror)
		require.NoError(t, err)
		require.ErrorIs(t, j.Cancel(t.Context()), job.ErrUnknown)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, j.Cancel(ctx))
		require.Empty(t, f.States())
	})
}

// TestFailsWhileCancelled has a snapshot that fails while it is cancelled. No event shows which of the two happened. The error
// has QEMU's reason.
func TestFailsWhileCancelled(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		f.Handle("job-cancel", func(*qmptest.Request) (any, error) {
			time.AfterFunc(time.Second, func() {
				f.Fail("No space left on device")
				f.Advance("one")
			})
			return nil, nil
		})
		j, err := job.Start(t.Context(), f.client, "one", requests["save"])
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = j.Wait(ctx, nil)
		require.ErrorIs(t, err, job.ErrCancelled)
		require.ErrorContains(t, err, "No space left on device")
	})
}

// TestCompletedBefore: EndWithoutPivot does not say that the guest's disk stays, and does not finalize, after the job was completed.
func TestCompletedBefore(t *testing.T) {
	held := mirror
	held.AutoFinalize = new(false)
	inBubble(t, newest, func(t *testing.T, f *fake) {
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		require.NoError(t, j.Complete(t.Context()))
		err = j.EndWithoutPivot(t.Context())
		require.ErrorIs(t, err, job.ErrTooLate)
		require.True(t, qmp.MayHaveExecuted(err))

		j, err = job.Start(t.Context(), f.client, "one", held)
		require.NoError(t, err)
		require.NoError(t, j.WaitPending(t.Context(), nil))
		require.ErrorIs(t, j.EndWithoutPivot(t.Context()), job.ErrGoesOn)
		j.Detach()
		j, err = job.Find(t.Context(), f.client, "one") // nobody knows who has completed it
		require.NoError(t, err)
		require.ErrorIs(t, j.EndWithoutPivot(t.Context()), job.ErrGoesOn)
		require.Equal(t, []string{"one pending"}, f.States())
		require.NoError(t, j.Cancel(t.Context()))
		require.Empty(t, f.States())

		j, err = job.Start(t.Context(), f.client, "one", held)
		require.NoError(t, err)
		require.NoError(t, j.EndWithoutPivot(t.Context()), "it finalizes what it has ended itself")
	})
}
