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

// An undo undoes a step. What is not there is no error.
type undo struct {
	what string // there is, for people
	run  func(ctx context.Context) error
}

// step does a step of an operation; undo undoes it. It counts as done from before its
// beginning, unless its error says that nothing has happened.
func (r *rollback) step(what string, do func() error, undoIt func(ctx context.Context) error) error {
	n := len(*r)
	*r = append(*r, undo{what, undoIt})
	err := do()
	if err != nil && !qmp.MayHaveExecuted(err) {
		*r = (*r)[:n]
	}
	return err
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

// refused tells whether QEMU answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
