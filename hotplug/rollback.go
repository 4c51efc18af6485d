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

// rollbackLimit is how long undoing may take. A guest needs up to 12 seconds to release a device
// that it has just been given (PCI Express: 5 to power the slot on, 6 to power it off); everything
// else takes a few milliseconds.
const rollbackLimit = 30 * time.Second

// A rollback holds what undoes the steps of an operation so far.
type rollback []undo

// An undo undoes a step. Undoing a step that had no effect is not an error.
type undo struct {
	what string // there is, for people
	run  func(ctx context.Context) error
}

// answerLimit is how long a step waits for QEMU's answer after the context of its operation has ended. A step
// whose answer is known needs no look at what is there to be undone.
const answerLimit = 5 * time.Second

// A step is a command of an operation that adds something.
type step struct {
	what string // it adds, for people
	do   func(ctx context.Context) error
	undo func(ctx context.Context) error

	// ours reports whether the thing that undo would remove was added by this step. It is asked if QEMU's answer
	// is unknown: somebody else may have added a thing with the same name. If it is nil, nobody else has.
	ours func(ctx context.Context) (bool, error)
}

// step does a step of an operation, unless the context has ended. If the context ends meanwhile, the step
// is done, and the error is the context's.
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

// undoOurs undoes a step whose outcome is unknown.
func (s step) undoOurs(ctx context.Context) error {
	if s.ours != nil {
		if ours, err := s.ours(ctx); err != nil || !ours {
			return err
		}
	}
	return s.undo(ctx)
}

// done takes note of a step that was done and, when it failed, has undone itself.
func (r *rollback) done(what string, undoIt func(ctx context.Context) error) {
	*r = append(*r, undo{what, undoIt})
}

// run undoes the steps, the last one first, because err happened. It returns err, or a
// *RollbackError. It ends at the first step that cannot be undone: those before it stand on one
// another, and a device that is still there needs them. Descriptors that QEMU keeps need nothing.
// err can be a *RollbackError itself, of a step that knows that it cannot be undone.
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

// whyRefused returns the error of a step. If QEMU refused, look finds out whether that is because the ID is in
// use. QEMU's text would tell too, but differs between versions.
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
