package job

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A goal is what a wait waits for.
type goal int

const (
	toReady goal = iota
	toPending
	toEnd
	toEndWithoutPivot
)

// wait waits for a goal, and cancels the job if ctx ends.
func (j *Job) wait(ctx context.Context, to goal, progress func(Progress)) error {
	err := j.lock(ctx)
	if err == nil {
		err = func() error {
			defer j.unlock() // also if progress panics
			return j.follow(ctx, to, progress)
		}()
	}
	if ctx.Err() != nil && j.detached.Err() == nil && errors.Is(err, ErrGoesOn) {
		return j.abandon(ctx, wait.Err(ctx))
	}
	return err
}

// lock waits until no other goroutine waits for the job.
func (j *Job) lock(ctx context.Context) error {
	locked, err := j.mu.LockUnless(ctx, j.detached.Done())
	switch {
	case err != nil:
		return j.end(ErrGoesOn, err)
	case !locked:
		return j.end(ErrGoesOn, errDetached)
	}
	return nil
}

// unlock lets the next goroutine wait. After Detach it ends the subscription.
func (j *Job) unlock() {
	if j.detached.Err() != nil {
		j.close()
	}
	j.mu.Unlock()
}

// follow waits for a goal. The error matches ErrGoesOn if ctx ends.
func (j *Job) follow(ctx context.Context, to goal, progress func(Progress)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(j.detached, func() { cancel(errDetached) })()
	completed := false // QEMU has accepted to complete the job
	for refusals := 0; !j.over; {
		j.drain()
		if j.looks && !j.gone && j.detached.Err() == nil {
			if err := j.look(ctx, progress); err != nil {
				return j.unanswered(ctx, err)
			}
		}
		if j.detached.Err() != nil { // perhaps by the callback
			return j.end(ErrGoesOn, errDetached)
		}
		if j.stopped != nil && j.unwanted.Err() == nil {
			j.looks = true // at the beginning of the next wait
			return j.stopped
		}
		if j.status == qemu.JobStatusConcluded || j.status == qemu.JobStatusNull {
			return j.conclude(ctx)
		}
		if to == toEndWithoutPivot && j.unwanted.Err() == nil && j.pivots() {
			return j.end(ErrGoesOn, errCompleted)
		}
		reached, command := j.next(to, completed)
		if reached && (progress == nil || j.progress.Status == j.status) {
			return nil
		}
		if reached { // the callback gets the figures of this state
			j.looks = true
			continue
		}
		if command == nil {
			if j.looks {
				continue
			}
			if err := j.await(ctx); err != nil {
				return err
			}
			continue
		}
		err := command.Do(ctx, j.conn)
		switch command.(type) {
		case qemu.JobCancel:
			j.asked = j.asked || qmp.MayHaveExecuted(err)
			j.accepted = err == nil
		case qemu.JobComplete:
			if qmp.MayHaveExecuted(err) {
				j.completes.Store(true)
			}
		case qemu.BlockJobCancel:
			j.softly = err == nil
		}
		switch {
		case err == nil:
			completed = completed || j.status == qemu.JobStatusReady
			j.status = "" // until the next event, or look
			refusals = 0
		case !refused(err):
			return j.unanswered(ctx, err)
		case refusals == maxRefusals:
			return j.end(ErrGoesOn, err)
		default:
			refusals++
			j.looks = true
			if err := sleep(ctx, retryAfter); err != nil {
				return j.end(ErrGoesOn, err)
			}
		}
	}
	return j.outcome
}

// maxRefusals is how often in a row QEMU may refuse to complete a job that is ready, to finalize one that is pending, or
// to cancel one that exists. A job that is ready becomes "standby" for a moment while QEMU drains a disk.
const maxRefusals = 20

// pivots reports whether the guest will use the target when a job ends, because it was completed.
func (j *Job) pivots() bool {
	switch j.status {
	case qemu.JobStatusReady:
		return j.completes.Load()
	case qemu.JobStatusPending: // the job was ready before, and a client has completed or ended it
		return j.holds && !j.softly && (j.ready || j.kind == qemu.JobTypeMirror)
	}
	return false
}

// next returns whether the goal is reached, or the command that is due.
func (j *Job) next(to goal, completed bool) (reached bool, command qmp.Request) {
	switch {
	case j.accepted, j.asked && j.status == qemu.JobStatusAborting:
		return false, nil
	case j.unwanted.Err() != nil:
		return false, qemu.JobCancel{ID: j.id}
	}
	switch j.status {
	case qemu.JobStatusReady:
		switch {
		case to == toReady:
			return true, nil
		case completed:
		case to == toEndWithoutPivot:
			return false, qemu.BlockJobCancel{Device: j.id, Force: new(false)}
		default:
			return false, qemu.JobComplete{ID: j.id}
		}
	case qemu.JobStatusPending:
		switch {
		case j.holds && (to == toReady || to == toPending):
			return true, nil
		case j.holds, j.waitFinalizes: // others finalize themselves
			return false, qemu.JobFinalize{ID: j.id}
		}
	}
	return false, nil
}

// await waits for an event, or until it is time to look. The error matches ErrGoesOn.
func (j *Job) await(ctx context.Context) error {
	if left := time.Until(j.due); j.blind || left <= 0 { // also if other jobs send events all the time
		j.looks = true
		if err := sleep(ctx, left); err != nil {
			return j.end(ErrGoesOn, err)
		}
		return nil
	}
	tick, cancel := context.WithDeadline(ctx, j.due)
	defer cancel()
	if j.unwanted.Err() == nil {
		defer context.AfterFunc(j.unwanted, cancel)()
	}
	event, err := j.events.Next(tick)
	switch {
	case err == nil:
		j.take(event)
		return nil
	case ctx.Err() != nil:
		return j.end(ErrGoesOn, wait.Err(ctx))
	}
	j.looks = true // which says why, if the connection has ended
	j.blind = tick.Err() == nil && !errors.Is(err, qmp.ErrEventsLost)
	return nil
}

// begin records the events that came before QEMU's reply about the job. Events before the last "created" are about
// earlier jobs with this ID.
func (j *Job) begin() {
	var since []qmp.RawEvent
	for event, err := range qmp.Queued(j.events) {
		if e := j.change(event); err != nil || e != nil && e.Status == qemu.JobStatusCreated {
			since = nil
			j.looks = j.looks || err != nil
		}
		if err == nil {
			since = append(since, event)
		}
	}
	for _, event := range since {
		j.take(event)
	}
}

// drain records the events in the queue.
func (j *Job) drain() {
	if j.events == nil {
		return
	}
	for event, err := range qmp.Queued(j.events) {
		if err == nil {
			j.take(event)
		}
		j.looks = j.looks || errors.Is(err, qmp.ErrEventsLost)
	}
}

// change returns a change of the status of the job, or nil if the event is about something else.
func (j *Job) change(event qmp.RawEvent) *qemu.JobStatusChangeEvent {
	if e, ok, err := qmp.EventAs[qemu.JobStatusChangeEvent](event); ok && err == nil && e.ID == j.id {
		return &e
	}
	return nil
}

// take records an event. It ignores an event that cannot be decoded, or is about another job.
func (j *Job) take(event qmp.RawEvent) {
	if j.gone {
		return
	}
	if e := j.change(event); e != nil {
		j.status = e.Status
		j.ready = j.ready || e.Status == qemu.JobStatusReady
		j.gone = e.Status == qemu.JobStatusNull
		j.looks = j.looks || e.Status == qemu.JobStatusConcluded
	}
	if e, ok, err := qmp.EventAs[qemu.BlockJobCompletedEvent](event); ok && err == nil && e.Device == j.id {
		j.completed = &e
	}
	if e, ok, err := qmp.EventAs[qemu.BlockJobCancelledEvent](event); ok && err == nil && e.Device == j.id {
		j.cancelled = true
	}
	if e, ok, err := qmp.EventAs[qemu.BlockJobErrorEvent](event); ok && err == nil && e.Device == j.id {
		j.looks = j.looks || e.Action == qemu.BlockErrorActionStop
	}
}

// look asks for the state of the job.
func (j *Job) look(ctx context.Context, progress func(Progress)) error {
	info, err := find(ctx, j.conn, j.id)
	if err != nil {
		return err
	}
	j.looks, j.stopped = false, nil
	j.drain() // of older events, most of the time
	j.due = time.Now().Add(pollInterval)
	if info == nil || j.gone && info.Status != qemu.JobStatusConcluded { // if the job is gone, info is of another job
		j.status, j.gone = qemu.JobStatusNull, true
		return nil
	}
	j.status, j.reason = info.Status, info.Error
	j.ready = j.ready || info.Status == qemu.JobStatusReady
	now := time.Now()
	block, err := findStopped(ctx, j.conn, info)
	p := progressOf(info, block)
	if p.Cause == CausePaused && j.progress.Status != info.Status {
		p.Cause = ""
	}
	if passed := now.Sub(j.at).Seconds(); !j.at.IsZero() && passed > 0 {
		p.Speed = max(0, float64(p.Current-j.progress.Current)/passed)
	}
	j.progress, j.at = p, now
	j.report(progress)
	if err == nil && block != nil && block.IOStatus != qemu.BlockDeviceIOStatusOk {
		j.stopped = &StoppedError{ID: j.id, Type: j.kind, IOStatus: block.IOStatus}
	}
	return err
}

// report calls the callback of a wait.
func (j *Job) report(progress func(Progress)) {
	if progress == nil {
		return
	}
	j.calling.Store(true)
	defer j.calling.Store(false)
	progress(j.progress)
}

// conclude ends the wait for a job that has ended, and dismisses the job.
func (j *Job) conclude(ctx context.Context) error {
	outcome := j.ending()
	if !j.gone {
		longer, done := wait.Outlive(ctx, ownLimit)
		defer done()
		err := qemu.JobDismiss{ID: j.id}.Do(longer, j.conn)
		if refused(err) {
			info, lookErr := find(longer, j.conn, j.id)
			if j.drain(); j.gone || lookErr == nil && info == nil {
				err = nil // another client was faster
			}
		}
		if j.undismissed = err; err != nil {
			if outcome == nil {
				return j.end(ErrNotDismissed, err)
			}
			return outcome
		}
	}
	j.over, j.outcome = true, outcome
	j.close()
	return outcome
}

// ending returns how a job has ended.
func (j *Job) ending() error {
	gone := j.status == qemu.JobStatusNull
	reason := j.reason
	if gone {
		if j.completed != nil {
			reason = j.completed.Error
		} else if !j.cancelled {
			return j.end(ErrGone)
		}
	}
	switch {
	case j.cancelled && (gone || reason != nil):
		return j.end(ErrCancelled)
	case j.asked && reason != nil && j.completed == nil: // or it failed in that moment: the reason says so to people
		return j.end(ErrCancelled, errors.New(*reason))
	case reason != nil:
		return &FailedError{ID: j.id, Type: j.kind, Reason: *reason}
	}
	return nil
}

// unanswered returns the error of a wait whose last command got no answer.
func (j *Job) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return j.end(ErrGoesOn, wait.Err(ctx))
	}
	return j.end(ErrUnknown, err)
}

// close ends the subscription.
func (j *Job) close() {
	if j.events != nil {
		_ = j.events.Close() // returns nil
		j.events = nil
	}
}

// sleep waits for an interval, or until ctx ends.
func sleep(ctx context.Context, interval time.Duration) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return wait.Err(ctx)
}
