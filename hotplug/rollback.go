package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// rollbackLimit is how long undoing may take. A guest needs up to 12 seconds to release a device that was
// just added (PCI Express: 5 to power the slot on, 6 to power it off). Everything else takes a few
// milliseconds.
const rollbackLimit = 30 * time.Second

// A rollback holds functions that undo the steps of an operation so far.
type rollback []undo

// An undo undoes a step. Undoing a step that had no effect is not an error.
type undo struct {
	what string // the thing to undo, for people
	run  func(ctx context.Context) error
}

// answerLimit is how long a step waits for QEMU's answer after the context of its operation has ended. With
// the answer, undoing does not have to query the machine.
const answerLimit = 5 * time.Second

// A step is a command of an operation that adds something.
type step struct {
	what string // the thing to add, for people
	do   func(ctx context.Context) error
	undo func(ctx context.Context) error

	// ours reports whether this step added the thing that undo would remove. Somebody else may have added a thing
	// with the same name. ours is called only if QEMU's answer is unknown. If it is nil, undo always runs then.
	ours func(ctx context.Context) (bool, error)
}

// step does a step of an operation, unless ctx has ended. If ctx ends while the step runs, the step may still
// be done; the error is then that of ctx.
func (r *rollback) step(ctx context.Context, s step) error {
	if err := wait.Err(ctx); err != nil {
		return err
	}
	longer, cancel := wait.Outlive(ctx, answerLimit)
	defer cancel()
	err := s.do(longer)
	switch {
	case err == nil:
		r.done(s.what, s.undo)
		return wait.Err(ctx)
	case qmp.MayHaveExecuted(err):
		r.done(s.what, s.undoOurs)
	}
	return err
}

// undoOurs undoes a step whose outcome is unknown, if the step added the thing.
func (s step) undoOurs(ctx context.Context) error {
	if s.ours != nil {
		if ours, err := s.ours(ctx); err != nil || !ours {
			return err
		}
	}
	return s.undo(ctx)
}

// done adds a step that was done, and that undid itself if it failed.
func (r *rollback) done(what string, undoIt func(ctx context.Context) error) {
	*r = append(*r, undo{what, undoIt})
}

// run undoes the steps because of err, the last one first. It returns err, or a *RollbackError. It stops at
// the first step that cannot be undone, because a device that still exists needs the steps before it. It
// does not stop at descriptors that QEMU keeps. err can be a *RollbackError itself, of a step that cannot
// be undone.
func (r rollback) run(ctx context.Context, err error) error {
	ctx, cancel := wait.Detach(ctx, rollbackLimit)
	defer cancel()
	failed := &RollbackError{Err: err}
	if step, ok := errors.AsType[*RollbackError](err); ok {
		*failed = *step
	}
	stuck := false
	for _, u := range slices.Backward(r) {
		if !stuck {
			undone := u.run(ctx)
			if undone == nil {
				continue
			}
			failed.Undo = errors.Join(failed.Undo, fmt.Errorf("%s: %w", u.what, undone))
			stuck = !errors.Is(undone, ErrDescriptorsKept)
		}
		failed.Left = append(failed.Left, u.what)
	}
	if failed.Undo != nil {
		return failed
	}
	return err
}

// whyRefused returns the error of a step. If QEMU refused, whyRefused calls look, which returns ErrExists if the
// ID is in use. QEMU's text says so too, but differs between versions.
func whyRefused(err error, look func() error) error {
	if !refused(err) || errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	switch lookErr := look(); {
	case errors.Is(lookErr, ErrExists):
		return lookErr
	case lookErr != nil:
		return errors.Join(err, lookErr)
	}
	return err
}

// refused reports whether QEMU answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
