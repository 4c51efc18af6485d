package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// undoLimit is how long undoing may take: a job that is cancelled can need 15 s to end, a node 10 s to become free.
const undoLimit = 30 * time.Second

// A rollback holds functions that undo the steps of an operation so far. Each step is an operation that undoes itself
// if it fails.
type rollback []undo

// An undo undoes a step. Undoing a step that had no effect is not an error.
type undo struct {
	what string // the thing to undo, for the texts of errors
	run  func(ctx context.Context) error
}

func (r *rollback) add(what string, run func(ctx context.Context) error) {
	*r = append(*r, undo{what, run})
}

// answerLimit is how long a step waits for QEMU's answer after the context of its operation has ended.
const answerLimit = 5 * time.Second

// step does a step of a single command, unless ctx has ended. If ctx ends while the step runs, the step may still be done;
// the error is then that of ctx.
func (r *rollback) step(ctx context.Context, what string, do, undo func(ctx context.Context) error) error {
	if err := wait.Err(ctx); err != nil {
		return err
	}
	longer, cancel := wait.Outlive(ctx, answerLimit)
	defer cancel()
	err := do(longer)
	if err == nil || qmp.MayHaveExecuted(err) {
		r.add(what, undo)
	}
	if err == nil {
		err = wait.Err(ctx)
	}
	return err
}

// run undoes the steps because of err, the last one first. It returns err, or a *hotplug.RollbackError. It continues
// after a step that cannot be undone, because the steps are about different things.
func (r rollback) run(ctx context.Context, err error) error {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	failed := &hotplug.RollbackError{Err: err}
	if step, ok := errors.AsType[*hotplug.RollbackError](err); ok {
		failed.Undo, failed.Left = step.Undo, slices.Clone(step.Left)
	}
	before := failed.Undo
	for _, u := range slices.Backward(r) {
		if undone := u.run(ctx); undone != nil {
			failed.Undo = errors.Join(failed.Undo, fmt.Errorf("%s: %w", u.what, undone))
			failed.Left = append(failed.Left, u.what)
		}
	}
	if failed.Undo == before {
		return err
	}
	return failed
}
