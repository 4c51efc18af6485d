package job_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// afterEarlier is a connection on which events of an earlier job come before a job starts.
type afterEarlier struct {
	*qmp.Client
	f *fake
}

func (c afterEarlier) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == "blockdev-mirror" {
		c.f.Event(qemu.EventBlockJobCancelled, map[string]any{"type": "mirror", "device": "one", "len": 0, "offset": 0, "speed": 0})
		c.f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "null"})
	}
	return c.Client.Execute(ctx, call)
}

// TestEarlierJob: events of an earlier job with this ID count for nothing.
func TestEarlierJob(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), afterEarlier{f.client, f}, "one", mirror)
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { f.Advance("one") })
		require.NoError(t, j.WaitReady(t.Context(), nil))
		f.Mute(true)
		f.Forget("one")
		require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrGone)
	})
}

// beforeAnswer is a connection on which the last events of an earlier job, and the first of this one, come before the
// first answer to a query.
type beforeAnswer struct {
	*qmp.Client
	f    *fake
	done bool
}

func (c *beforeAnswer) Execute(ctx context.Context, call *qmp.Call) error {
	if !c.done {
		c.done = true
		c.f.Event(qemu.EventBlockJobCancelled, map[string]any{"type": "mirror", "device": "one", "len": 0, "offset": 0, "speed": 0})
		c.f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "null"})
		c.f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "created"})
	}
	return c.Client.Execute(ctx, call)
}

// TestFindAfterEarlierJob: events of an earlier job with this ID count for nothing.
func TestFindAfterEarlierJob(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		j.Detach()
		j, err = job.Find(t.Context(), &beforeAnswer{Client: f.client, f: f}, "one")
		require.NoError(t, err)
		f.Fail("Input/output error")
		f.Advance("one")
		require.ErrorContains(t, j.Wait(t.Context(), nil), "Input/output error")
	})
}

// TestIDUsedAgain: the job has ended, and another one has its ID. The other one stays as it is.
func TestIDUsedAgain(t *testing.T) {
	for name, ends := range map[string]func(ctx context.Context, j *job.Job) error{
		"Wait":            func(ctx context.Context, j *job.Job) error { return j.Wait(ctx, nil) },
		"WaitReady":       func(ctx context.Context, j *job.Job) error { return j.WaitReady(ctx, nil) },
		"EndWithoutPivot": func(ctx context.Context, j *job.Job) error { return j.EndWithoutPivot(ctx) },
		"Cancel": func(ctx context.Context, j *job.Job) error {
			if err := j.Cancel(ctx); !errors.Is(err, job.ErrTooLate) {
				return fmt.Errorf("cancelled: %w", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, newest, func(t *testing.T, f *fake) {
				f.Hold(true)
				j, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				f.Forget("one")
				other, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				defer other.Detach()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				require.NoError(t, ends(ctx, j))
				require.Equal(t, []string{"one running"}, f.States())
			})
		})
	}
}

// TestOthers: another client dismisses the job, or cancels it, and the events say how it ended.
func TestOthers(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { f.Forget("one") })
		require.NoError(t, j.Wait(t.Context(), nil))

		j, err = job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { qemu.JobCancel{ID: "one"}.Do(t.Context(), f.client) })
		require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrCancelled)

		j, err = job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		f.Mute(true)
		f.Forget("one")
		require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrGone)
		require.ErrorIs(t, j.Cancel(t.Context()), job.ErrGone)
	})
}

// TestBusyEvents: events of other jobs do not put off the question for the state.
func TestBusyEvents(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		f.Mute(true)
		f.Advance("one")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		quiet := make(chan struct{})
		go func() {
			defer close(quiet)
			for ; ctx.Err() == nil; time.Sleep(400 * time.Millisecond) {
				f.Event(qemu.EventJobStatusChange, map[string]any{"id": "other", "status": "running"})
			}
		}()
		require.NoError(t, j.WaitReady(ctx, nil))
		j.Detach()
		cancel()
		<-quiet
	})
}

// TestActsOnItsOwn calls the methods that do not wait. When the job is gone, they leave another job with the same ID as it is.
// After Detach, they send nothing.
func TestActsOnItsOwn(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, j *job.Job) error{
		"Pause":    func(ctx context.Context, j *job.Job) error { return j.Pause(ctx) },
		"Resume":   func(ctx context.Context, j *job.Job) error { return j.Resume(ctx) },
		"SetSpeed": func(ctx context.Context, j *job.Job) error { return j.SetSpeed(ctx, 1) },
		"Progress": func(ctx context.Context, j *job.Job) error { _, err := j.Progress(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, newest, func(t *testing.T, f *fake) {
				f.Hold(true)
				j, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				f.Forget("one")
				other, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				before := len(f.Requests())
				require.ErrorIs(t, act(t.Context(), j), job.ErrGone)
				require.NoError(t, j.Wait(t.Context(), nil))
				require.ErrorIs(t, act(t.Context(), j), job.ErrGone)
				require.Len(t, f.Requests(), before)

				waits := make(chan error, 1)
				go func() { waits <- other.Wait(t.Context(), nil) }()
				synctest.Wait()
				err = act(t.Context(), other)
				require.False(t, errors.Is(err, job.ErrGone) || errors.Is(err, job.ErrGoesOn), "%v", err)
				require.Greater(t, len(f.Requests()), before)
				other.Detach()
				require.ErrorIs(t, <-waits, job.ErrGoesOn)
				require.ErrorIs(t, act(t.Context(), other), job.ErrGoesOn)
			})
		})
	}
}

// TestCancelWithEndedContext: it changes nothing, and a later wait does not cancel the job.
func TestCancelWithEndedContext(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = j.Cancel(ctx)
		require.ErrorIs(t, err, job.ErrGoesOn)
		require.ErrorIs(t, err, context.Canceled)
		waits := make(chan error, 1)
		go func() { waits <- j.WaitReady(t.Context(), nil) }()
		synctest.Wait()
		require.ErrorIs(t, j.Cancel(ctx), job.ErrGoesOn)
		f.Advance("one")
		require.NoError(t, <-waits)
		require.NoError(t, j.Complete(t.Context()))
		require.ErrorIs(t, j.Cancel(ctx), job.ErrTooLate, "the ending is known")
	})
}

// TestReadyNoMore: a job that was ready has failed since.
func TestReadyNoMore(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		require.NoError(t, j.WaitReady(t.Context(), nil))
		f.Fail("Input/output error")
		f.Advance("one")
		require.ErrorContains(t, j.WaitReady(t.Context(), nil), "Input/output error")
	})
}

// TestStopped: a person mends the reason of an I/O error, and the wait goes on.
func TestStopped(t *testing.T) {
	for _, muted := range []bool{false, true} {
		inBubble(t, newest, func(t *testing.T, f *fake) {
			f.Mute(muted)
			f.Hold(true)
			j, err := job.Start(t.Context(), f.client, "one", mirror)
			require.NoError(t, err)
			time.AfterFunc(time.Minute, func() { f.Stop("one", qemu.BlockDeviceIOStatusFailed) })
			err = j.WaitReady(t.Context(), nil)
			stopped, ok := errors.AsType[*job.StoppedError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, &job.StoppedError{ID: "one", Type: qemu.JobTypeMirror, IOStatus: qemu.BlockDeviceIOStatusFailed}, stopped)
			require.NoError(t, j.Resume(t.Context()))
			time.AfterFunc(time.Minute, func() { f.Advance("one") })
			require.NoError(t, j.WaitReady(t.Context(), nil))
			require.NoError(t, j.Pause(t.Context()))
			require.NoError(t, j.Cancel(t.Context()))
			require.Empty(t, f.States())
		})
	}
}

// TestStandby: QEMU refuses to complete a job for a while, then does it; or it never does.
func TestStandby(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		refusals := 3
		jobs := f.Jobs
		f.Handle("job-complete", func(r *qmptest.Request) (any, error) {
			if refusals--; refusals >= 0 {
				return nil, errors.New("Job 'one' in state 'standby' cannot accept command verb 'complete'")
			}
			return nil, jobs.Complete("one")
		})
		require.NoError(t, job.Run(t.Context(), f.client, "one", mirror, nil))

		refusals = 1000
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		err = j.Complete(t.Context())
		require.ErrorIs(t, err, job.ErrGoesOn)
		_, refused := errors.AsType[*qmp.Error](err)
		require.True(t, refused, "%v", err)
		require.NoError(t, j.Cancel(t.Context()))

		err = job.Run(t.Context(), f.client, "one", mirror, nil)
		require.ErrorIs(t, err, job.ErrCancelled, "Run leaves no job behind")
		require.Empty(t, f.States())
	})
}

// TestSilence: QEMU does not answer any more; the wait ends 15 seconds after its context.
func TestSilence(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		f.Handle("query-jobs", qmptest.NoReply)
		f.Handle("job-cancel", qmptest.NoReply)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err = j.Wait(ctx, nil)
		require.ErrorIs(t, err, job.ErrGoesOn)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, `job: mirror "one": still there: QEMU has not cancelled it within 15s: context deadline exceeded`)
		require.LessOrEqual(t, time.Since(start), 76*time.Second)
	})
}
