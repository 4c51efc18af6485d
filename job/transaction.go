package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Transaction starts several jobs at one moment.
type Transaction struct {
	// Jobs are the jobs. QEMU has only backups in transactions: each Request is a [qemu.BlockdevBackup] or a
	// [qemu.DriveBackup].
	Jobs []Planned

	// Actions are other actions of the transaction, for example [qemu.BlockDirtyBitmapAdd]. QEMU does them in this order,
	// before it starts the jobs. QEMU refuses almost all actions if the jobs are Grouped, so StartAll refuses all.
	Actions []qemu.TransactionAction

	// Grouped makes the jobs succeed or fail together: if one fails or is cancelled, QEMU cancels the others. Without
	// Grouped, each job has its own ending.
	Grouped bool
}

// A Planned is a job that a [Transaction] starts. [Start] says what the ID and the request can be.
type Planned struct {
	ID      string
	Request qmp.Request
}

// StartAll starts the jobs of a transaction, all or none, and returns them in the order of t.Jobs. Wait for each of
// them, in any order or at the same time.
//
// The contexts and the errors are those of [Start]. If the error matches [ErrNotStarted], QEMU has done none of the
// actions. If ctx ends before QEMU has accepted the transaction, StartAll cancels all jobs; the other actions stay done.
//
// Source: transaction, JOB_STATUS_CHANGE.
func StartAll(ctx context.Context, conn qmp.Conn, t Transaction) ([]*Job, error) {
	starts, err := t.starts(ctx)
	name := t.name(starts)
	if err != nil {
		return nil, newError(name, qemu.JobTypeBackup, ErrNotStarted, err)
	}
	v, err := version(ctx, conn)
	if err == nil {
		err = wait.Err(ctx)
	}
	if err != nil {
		return nil, newError(name, qemu.JobTypeBackup, ErrNotStarted, err)
	}
	var jobs []*Job
	actions := make([]any, 0, len(t.Actions)+len(starts))
	for _, action := range t.Actions {
		actions = append(actions, action)
	}
	for _, s := range starts {
		j := newJob(conn, s.id, s.kind)
		j.holds, j.waitFinalizes = s.holds, waitFinalizes(s.kind, v)
		jobs = append(jobs, j)
		actions = append(actions, qmp.Args{"type": s.command, "data": s.args(v)})
	}
	args := qmp.Args{"actions": actions}
	if t.Grouped {
		args["properties"] = qemu.TransactionProperties{CompletionMode: new(qemu.ActionCompletionModeGrouped)}
	}
	longer, cancel := wait.Outlive(ctx, ownLimit)
	defer cancel()
	err = conn.Execute(longer, &qmp.Call{Command: "transaction", Args: args})
	if err == nil {
		for _, j := range jobs {
			j.begin()
		}
		if ctx.Err() == nil {
			return jobs, nil
		}
		if err := abandonAll(ctx, jobs, wait.Err(ctx)); err != nil {
			return nil, err
		}
		return jobs, nil // they have ended
	}
	for _, j := range jobs {
		j.close()
	}
	if qmp.MayHaveExecuted(err) {
		return nil, newError(name, qemu.JobTypeBackup, ErrUnknown, err)
	}
	if refused(err) {
		all, lookErr := List(ctx, conn)
		isOurs := func(s *start) bool {
			return slices.ContainsFunc(all, func(info qemu.JobInfo) bool { return info.ID == s.id })
		}
		if lookErr == nil && slices.ContainsFunc(starts, isOurs) {
			err = &existsError{err}
		}
	}
	return nil, newError(name, qemu.JobTypeBackup, ErrNotStarted, err)
}

// RunAll starts the jobs of a transaction as [StartAll] does, and waits until all have ended. progress gets the ID of a
// job; it is never called twice at the same time, and may be nil.
//
// RunAll cancels all jobs in the cases in which [Run] cancels its job. The errors are those of Run. If several jobs have
// not succeeded, the error matches the ending of each. If a job has failed, the error leaves out jobs that were only
// cancelled.
func RunAll(ctx context.Context, conn qmp.Conn, t Transaction, progress func(id string, p Progress)) error {
	jobs, err := StartAll(ctx, conn, t)
	if err != nil {
		return err
	}
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		errs   = make([]error, len(jobs))
		inTime context.Context
		cancel context.CancelCauseFunc
	)
	inTime, cancel = context.WithCancelCause(ctx)
	defer cancel(nil)
	if t.Grouped { // job-finalize for the first one finalizes all
		for _, j := range jobs[1:] {
			j.waitFinalizes = false
		}
	}
	for i, j := range jobs {
		all.Go(func() {
			defer j.Detach()
			var report func(Progress)
			if progress != nil {
				report = func(p Progress) {
					mu.Lock()
					defer mu.Unlock()
					progress(j.id, p)
				}
			}
			errs[i] = j.Wait(inTime, report)
			_, stopped := errors.AsType[*StoppedError](errs[i])
			if stopped || errors.Is(errs[i], ErrGoesOn) && inTime.Err() == nil {
				cancel(errs[i]) // before this job ends: in a group, the others wait for it
				errs[i] = j.abandon(inTime, errs[i])
			}
			if errors.Is(errs[i], ErrUnknown) {
				cancel(errs[i])
			}
		})
	}
	all.Wait()
	return joined(errs)
}

// joined returns the errors of jobs, without those of jobs that were only cancelled if there are others.
func joined(errs []error) error {
	reasons := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil || errors.Is(err, ErrCancelled) })
	if len(reasons) == 0 {
		reasons = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	}
	if len(reasons) == 1 {
		return reasons[0]
	}
	return errors.Join(reasons...)
}

// abandonAll cancels jobs because of why. It returns nil if all have succeeded.
func abandonAll(ctx context.Context, jobs []*Job, why error) error {
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, j := range jobs {
		all.Go(func() { errs[i] = j.abandon(ctx, why) })
	}
	all.Wait()
	return joined(errs)
}

// starts reads the requests. It sends nothing.
func (t *Transaction) starts(ctx context.Context) (all []*start, err error) {
	switch {
	case len(t.Jobs) == 0:
		return nil, errors.New("transaction has no job")
	case t.Grouped && len(t.Actions) > 0:
		return nil, errors.New("jobs are Grouped, and QEMU accepts no Actions then: send them first")
	}
	for _, planned := range t.Jobs {
		s, err := newStart(ctx, planned.ID, planned.Request)
		switch {
		case err != nil:
			return nil, err
		case s.kind != qemu.JobTypeBackup:
			return nil, fmt.Errorf("%s cannot be in a transaction: only backups can", s.command)
		case slices.ContainsFunc(all, func(other *start) bool { return other.id == s.id }):
			return nil, fmt.Errorf("two jobs have the ID %q", s.id)
		}
		all = append(all, s)
	}
	for _, action := range t.Actions {
		if merge, ok := action.Branch.(*qemu.BlockDirtyBitmapMerge); ok && len(merge.Bitmaps) == 0 {
			return nil, errors.New("block-dirty-bitmap-merge has no bitmaps, which terminates QEMU")
		}
	}
	return all, nil
}

// name returns the IDs of the jobs, for people.
func (t *Transaction) name(starts []*start) string {
	var ids []string
	for _, s := range starts {
		ids = append(ids, s.id)
	}
	if ids == nil {
		for _, planned := range t.Jobs {
			ids = append(ids, planned.ID)
		}
	}
	return strings.Join(ids, ", ")
}
