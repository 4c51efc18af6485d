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

// step does a step of an operation, which undoIt undoes. If the step fails, it may have had an effect,
// unless the error says that it did not.
func (r *rollback) step(what string, do func() error, undoIt func(ctx context.Context) error) error {
	n := len(*r)
	*r = append(*r, undo{what, undoIt})
	err := do()
	if err != nil && !qmp.MayHaveExecuted(err) {
		*r = (*r)[:n]
	}
	return err
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

// refused reports whether QEMU answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
