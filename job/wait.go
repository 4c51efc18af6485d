package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A state has the facts about a job that the waits have learned.
type state struct {
	events        qmp.EventStream // nil after the end, or after Detach
	blind         bool            // no more events come
	waitFinalizes bool            // a wait finalizes it: see waitFinalizes
	gone          bool            // QEMU has forgotten the job: a job with its ID is another one

	due       time.Time // when it is time to ask for the state, at the latest
	looks     bool      // it is time to ask for the state
	status    qemu.JobStatus
	reason    *string                      // of a job that has ended, from query-jobs
	completed *qemu.BlockJobCompletedEvent // once it has come
	ready     bool                         // it was ready once
	softly    bool                         // QEMU has accepted to end it without pivot
	cancelled bool                         // BLOCK_JOB_CANCELLED has come
	asked     bool                         // this process has sent job-cancel, perhaps
	accepted  bool                         // QEMU has accepted it
	stopped   error                        // a *StoppedError

	undismissed error // why a job that has ended could not be dismissed

	progress Progress // the last
	at       time.Time

	over    bool
	outcome error // once it is over
}

// Wait waits until the job has ended, and dismisses it. It completes a job that becomes ready, and finalizes one that
// becomes pending. A backup whose Sync is "none" never ends by itself: call [Job.Cancel]. progress may be nil.
//
// If ctx ends, Wait cancels the job and waits for that, 15 seconds at most. The package comment lists the errors. If the
// job has ended already, Wait returns the same ending again.
//
// Source: job-complete, job-finalize, job-dismiss, job-cancel, query-jobs.
func (j *Job) Wait(ctx context.Context, progress func(Progress)) error {
	return j.wait(ctx, toEnd, progress)
}

// Complete is Wait without progress: it waits until the job is ready, if there is such a state, completes it, and
// waits for the end. After a mirror the guest uses the target, after a commit of the active layer the base.
func (j *Job) Complete(ctx context.Context) error { return j.wait(ctx, toEnd, nil) }

// WaitReady waits until the job is ready: a mirror, or a commit of the active layer, has copied everything, and copies
// what the guest writes until [Job.Complete] or [Job.EndWithoutPivot]. WaitReady returns nil also if the job is
// pending, or has ended successfully because it has no state "ready". progress may be nil.
//
// If ctx ends, WaitReady cancels the job. The errors are those of [Job.Wait].
func (j *Job) WaitReady(ctx context.Context, progress func(Progress)) error {
	return j.wait(ctx, toReady, progress)
}

// WaitPending waits until the job is pending: it has done all its work, which takes effect with [Job.Complete]. Only a
// job whose request has AutoFinalize false has this state. WaitPending completes a job that is ready. It returns nil
// also if the job has ended successfully. progress may be nil.
//
// If ctx ends, WaitPending cancels the job. The errors are those of [Job.Wait].
func (j *Job) WaitPending(ctx context.Context, progress func(Progress)) error {
	return j.wait(ctx, toPending, progress)
}

// EndWithoutPivot waits until the job is ready, and ends it so that the guest uses the same node as before. The target
// of a mirror is a copy of the disk at that moment. Only a mirror and a commit of the active layer have the state
// "ready": for any other job, EndWithoutPivot waits until the job has ended.
//
// If ctx ends, EndWithoutPivot cancels the job. The errors are those of [Job.Wait], and:
//   - [ErrTooLate]: another method has completed the job, which has succeeded. The guest uses the target.
//   - [ErrGoesOn]: the job was completed, perhaps by another client, and is pending. Call [Job.Complete] or [Job.Cancel].
//
// If another client completes the job at the same moment, QEMU does not report that: look at the node that the disk
// uses.
//
// Source: block-job-cancel with force false.
func (j *Job) EndWithoutPivot(ctx context.Context) error {
	err := j.wait(ctx, toEndWithoutPivot, nil)
	if err == nil && j.completes.Load() {
		return j.end(ErrTooLate)
	}
	return err
}

// Cancel cancels the job and waits until it has ended. It returns nil if the job was cancelled, or has failed.
//
// Give ctx a deadline: QEMU cannot cancel a backup while its target does not answer. If ctx has ended already, Cancel
// changes nothing.
//
// Cancel returns an error that matches:
//   - [ErrTooLate]: the job has succeeded. QEMU 5.2 ignores job-cancel when a job was completed.
//   - [ErrNotDismissed]: the job is cancelled, and QEMU still lists it. Call Cancel again.
//   - [ErrGone]: there is no such job.
//   - [ErrGoesOn]: ctx ended before QEMU had cancelled the job, QEMU refused to cancel it, or Detach was called.
//   - [ErrUnknown]: the server did not answer.
//
// Source: job-cancel.
func (j *Job) Cancel(ctx context.Context) error {
	err, undismissed := j.cancel(ctx)
	_, failed := errors.AsType[*FailedError](err)
	switch {
	case err == nil, errors.Is(err, ErrNotDismissed):
		return j.end(ErrTooLate, err)
	case !failed && !errors.Is(err, ErrCancelled):
		return err
	case undismissed != nil:
		return j.end(ErrNotDismissed, undismissed)
	}
	return nil
}

// cancel cancels the job and returns its ending. ctx limits the wait for the ending. If another goroutine waits for the
// job, that goroutine sends job-cancel. undismissed is the reason why QEMU did not dismiss a job that has not succeeded.
func (j *Job) cancel(ctx context.Context) (err, undismissed error) {
	if err := wait.Err(ctx); err != nil {
		if !j.mu.TryLock() {
			return j.end(ErrGoesOn, err), nil
		}
		defer j.unlock()
		if j.over {
			return j.outcome, nil
		}
		return j.end(ErrGoesOn, err), nil
	}
	j.ask()
	if err := j.lock(ctx); err != nil {
		return err, nil
	}
	defer j.unlock()
	return j.follow(ctx, toEnd, nil), j.undismissed
}

// abandon cancels the job because of why, within ownLimit, and returns the ending.
func (j *Job) abandon(ctx context.Context, why error) error {
	late := fmt.Errorf("QEMU has not cancelled it within %s", ownLimit)
	ctx, done := context.WithTimeoutCause(context.WithoutCancel(ctx), ownLimit, late)
	defer done()
	defer j.Detach()
	err, _ := j.cancel(ctx)
	return j.because(err, why)
}

// because adds the reason for a cancellation to an ending.
func (j *Job) because(err, why error) error {
	if e, ok := err.(*jobError); ok && e.ending != ErrGone {
		return j.end(e.ending, append(e.reasons, why)...)
	}
	return err
}
