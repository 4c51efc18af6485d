package job

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Job is a job of a server, which [Start] has started or [Find] has found.
//
// Any number of goroutines can call the methods. If several goroutines wait, all get the same ending. A Job has a
// subscription to events until the job has ended. If you stop waiting before that, call [Job.Detach].
type Job struct {
	conn  qmp.Conn
	id    string
	kind  qemu.JobType
	holds bool // the caller of Start wants to finalize it

	detached context.Context // ends with Detach
	detach   context.CancelFunc
	unwanted context.Context // ends when a caller asks to cancel the job
	ask      context.CancelFunc

	calling   atomic.Bool // the callback for the progress runs
	completes atomic.Bool // job-complete was sent

	mu wait.Mutex // held by the goroutine that waits; protects all below
	state
}

// Start starts the job of a request, with this ID, and returns when the server has accepted the job. The request is a
// [qemu.BlockdevMirror], [qemu.BlockCommit], [qemu.BlockStream], [qemu.BlockdevBackup], [qemu.BlockdevCreate],
// [qemu.XBlockdevAmend], [qemu.SnapshotSave], [qemu.SnapshotLoad] or [qemu.SnapshotDelete], or the same command of
// another generated package. It can also be a [qemu.DriveMirror] or a [qemu.DriveBackup]. Leave JobID and AutoDismiss out
// of the request. If its AutoFinalize is false, the job waits for [Job.Complete] before it takes effect, see
// [Job.WaitPending].
//
// Start refuses options with which a job can succeed without all the data: the error policy "ignore", and "break-snapshot"
// for on-cbw-error, with which a backup can contain what the guest wrote after the backup began.
//
// Except for a stream, the node of Device must be at the top of a chain, and no other job may use it.
//
// If ctx ends before the server has accepted the job, Start cancels the job. Start returns an error that matches:
//   - [ErrNotStarted]: the job has not begun.
//   - [ErrCancelled] and the error of ctx: ctx ended.
//   - [ErrUnknown]: the server did not answer.
//
// Source: the command of the request, JOB_STATUS_CHANGE.
func Start(ctx context.Context, conn qmp.Conn, id string, request qmp.Request) (*Job, error) {
	s, err := newStart(ctx, id, request)
	if err != nil {
		return nil, newError(cmp.Or(id, "?"), "", ErrNotStarted, err)
	}
	v, err := version(ctx, conn)
	if err = cmp.Or(wait.Err(ctx), err); err != nil {
		return nil, newError(s.id, s.kind, ErrNotStarted, err)
	}
	j := newJob(conn, s.id, s.kind)
	j.holds, j.waitFinalizes = s.holds, waitFinalizes(s.kind, v)
	longer, cancel := wait.Outlive(ctx, ownLimit)
	defer cancel()
	err = s.do(longer, conn, v)
	if err == nil {
		j.begin()
	}
	switch {
	case err == nil && ctx.Err() == nil:
		return j, nil
	case err == nil:
		if err := j.abandon(ctx, wait.Err(ctx)); err != nil {
			return nil, err
		}
		return j, nil // it has ended
	case qmp.MayHaveExecuted(err):
		j.close()
		return nil, j.end(ErrUnknown, err)
	}
	j.close()
	if refused(err) {
		if info, lookErr := find(ctx, conn, s.id); lookErr == nil && info != nil {
			err = &existsError{err}
		}
	}
	return nil, j.end(ErrNotStarted, err)
}

// Run starts the job of a request, completes and finalizes it, and waits for its end: see [Start] and [Job.Wait].
// progress may be nil. When Run returns, QEMU does not run the job, unless the error matches [ErrGoesOn] or
// [ErrUnknown].
//
// Run cancels the job if ctx ends, if an I/O error stops the job, or if QEMU refuses to complete or finalize it. After
// an I/O error, the error matches [ErrCancelled] and a [*StoppedError].
func Run(ctx context.Context, conn qmp.Conn, id string, request qmp.Request, progress func(Progress)) error {
	j, err := Start(ctx, conn, id, request)
	if err != nil {
		return err
	}
	defer j.Detach()
	err = j.Wait(ctx, progress)
	_, stopped := errors.AsType[*StoppedError](err)
	if stopped || errors.Is(err, ErrGoesOn) && ctx.Err() == nil {
		return j.abandon(ctx, err)
	}
	return err
}

// List returns all jobs of a server, also jobs that have ended and were not dismissed. [Describe] also says why they stand
// still.
//
// Source: query-jobs.
func List(ctx context.Context, x qmp.Executor) ([]qemu.JobInfo, error) {
	return qemu.QueryJobs{}.Do(ctx, x)
}

// Find takes up a job that exists, for example after a restart of the program, or a job of another process. The job
// can be in any state. If it has ended, [Job.Wait] returns its outcome and dismisses it.
//
// Find returns an error that matches:
//   - [ErrGone]: there is no such job.
//   - [ErrUnknown]: the server did not answer.
//
// Source: query-jobs, query-block-jobs.
func Find(ctx context.Context, conn qmp.Conn, id string) (*Job, error) {
	j := newJob(conn, id, "")
	info, err := find(ctx, conn, id)
	if err == nil && info != nil {
		j.kind, j.status, j.looks = info.Type, info.Status, true
		j.begin()
		block, findErr := findBlock(ctx, conn, id)
		err = findErr
		j.holds = block != nil && !block.AutoFinalize
	}
	switch {
	case err != nil:
		j.close()
		return nil, j.end(ErrUnknown, err, wait.Err(ctx))
	case info == nil:
		j.close()
		return nil, j.end(ErrGone)
	}
	return j, nil
}

// find returns the entry of a job, or nil if there is none.
func find(ctx context.Context, x qmp.Executor, id string) (*qemu.JobInfo, error) {
	all, err := List(ctx, x)
	if i := slices.IndexFunc(all, func(info qemu.JobInfo) bool { return info.ID == id }); i >= 0 {
		return &all[i], err
	}
	return nil, err
}

// findBlock returns the entry of a job among the block jobs, or nil if there is none.
func findBlock(ctx context.Context, x qmp.Executor, id string) (*qemu.BlockJobInfo, error) {
	all, err := qemu.QueryBlockJobs{}.Do(ctx, x)
	if i := slices.IndexFunc(all, func(info qemu.BlockJobInfo) bool { return info.Device == id }); i >= 0 {
		return &all[i], err
	}
	return nil, err
}

// newJob returns a job with a subscription, which begins before the command that causes the events.
func newJob(conn qmp.Conn, id string, kind qemu.JobType) *Job {
	j := &Job{conn: conn, id: id, kind: kind}
	j.detached, j.detach = context.WithCancel(context.Background())
	j.unwanted, j.ask = context.WithCancel(context.Background())
	j.due = time.Now().Add(pollInterval)
	j.events = conn.Events(qemu.EventJobStatusChange, qemu.EventBlockJobCompleted, qemu.EventBlockJobCancelled, qemu.EventBlockJobError)
	return j
}

// ID returns the ID of the job.
func (j *Job) ID() string { return j.id }

// Type returns the type of the job. The commit of an active layer has the type "commit" after [Start], and "mirror"
// after [Find], because QEMU lists it as a mirror.
func (j *Job) Type() qemu.JobType { return j.kind }

// Detach ends the waits for the job, with [ErrGoesOn], and leaves the job running. It frees the resources of j, and
// can be called more than once. A callback for the progress can call Detach. [Find] takes the job up.
func (j *Job) Detach() {
	j.detach()
	if j.calling.Load() { // perhaps on this goroutine; the one that waits closes the subscription afterwards
		return
	}
	if err := j.mu.Lock(context.Background()); err == nil {
		j.unlock()
	}
}

// A Progress says how far a job is. Current and Total are bytes for most jobs, but 0 or 1 for a job of blockdev-create
// or of a snapshot. Total can grow while the guest writes, and both can be 0. Current is equal to Total in a job that
// is ready, and sometimes before.
type Progress struct {
	Status  qemu.JobStatus
	Current int64
	Total   int64
	Speed   float64 // units a second since the last report; 0 in the first report

	// Cause is why the job stands still, if Status does not tell: [CauseNoSpace], [CauseIOError], [CausePaused], or empty. The
	// callback of a wait gets CausePaused when two reports in turn find the job paused. [Describe] tells the other causes.
	Cause Cause
}

// still returns an error if the job has ended, as far as the events tell, or after Detach: the ID can be that of another
// job then. A goroutine that waits for the job takes the events itself.
func (j *Job) still() error {
	if !j.mu.TryLock() {
		return nil
	}
	defer j.unlock()
	j.drain()
	switch {
	case j.gone || j.over:
		return j.end(ErrGone)
	case j.detached.Err() != nil:
		return j.end(ErrGoesOn, errDetached)
	}
	return nil
}

// act sends a command for the job, unless it has ended.
func (j *Job) act(ctx context.Context, command qmp.Request) error {
	if err := j.still(); err != nil {
		return err
	}
	return command.Do(ctx, j.conn)
}

// Progress asks QEMU for the progress of the job. The Speed of the result is 0. If the job no longer exists, the error
// matches [ErrGone], and after Detach [ErrGoesOn].
//
// Source: query-jobs; query-block-jobs if the job is paused.
func (j *Job) Progress(ctx context.Context) (Progress, error) {
	if err := j.still(); err != nil {
		return Progress{}, err
	}
	info, err := find(ctx, j.conn, j.id)
	if err == nil {
		err = j.still()
	}
	if err != nil || info == nil {
		return Progress{}, cmp.Or(err, j.end(ErrGone))
	}
	block, err := findStopped(ctx, j.conn, info)
	if err != nil {
		return Progress{}, err
	}
	return progressOf(info, block), nil
}

// Pause pauses the job until Resume. QEMU refuses to pause a job twice. A job that is ready becomes "standby" and no
// longer copies what the guest writes.
//
// Pause, Resume and SetSpeed send nothing if the job has ended, because another job can have its ID: the error matches
// [ErrGone]. After Detach, it matches [ErrGoesOn].
//
// Source: job-pause.
func (j *Job) Pause(ctx context.Context) error { return j.act(ctx, qemu.JobPause{ID: j.id}) }

// Resume continues a job that was paused, or that an I/O error has stopped, see [StoppedError].
//
// Source: job-resume.
func (j *Job) Resume(ctx context.Context) error { return j.act(ctx, qemu.JobResume{ID: j.id}) }

// SetSpeed limits the speed of a block job, in bytes a second; 0 means no limit. QEMU refuses the command for other
// jobs.
//
// Source: block-job-set-speed.
func (j *Job) SetSpeed(ctx context.Context, speed int64) error {
	return j.act(ctx, qemu.BlockJobSetSpeed{Device: j.id, Speed: speed})
}

const (
	ownLimit     = 15 * time.Second      // for cancelling or dismissing a job after a context has ended
	pollInterval = time.Second           // between two queries
	retryAfter   = 50 * time.Millisecond // after QEMU refused a command
)
