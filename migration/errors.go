package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrNone means that no migration has begun since this QEMU was started. [Wait] and [WaitIncoming] return it.
var ErrNone error = &ending{text: "migration: no migration has begun"}

// ErrNotStarted means that the migration has not begun. The machine is as it was.
// The error also matches the reason:
//   - [*qmp.Error]: QEMU refused. If the reason is not a [*qmp.Error], the error matches
//     [qmp.ErrNotSent].
//   - [*StateError]: the state of the machine forbids it; nothing was sent.
//   - [errors.ErrUnsupported]: this QEMU is too old for the target.
//   - the context's error.
var ErrNotStarted error = &ending{text: "migration: not started"}

// ErrCancelled means that the migration was cancelled: by Run, because its context ended or a
// callback failed; by [Cancel]; or by another client's migrate_cancel. The machine is at the
// source, and runs there if it ran before. If the reason is known, the error also matches it: the
// error of the context or of the callback.
var ErrCancelled error = &ending{text: "migration: cancelled; the machine stays at the source", executed: true}

// ErrCompleted means that [Cancel] came too late: QEMU has already sent all of the machine.
var ErrCompleted error = &ending{text: "migration: too late to cancel, all of the machine has been sent", executed: true}

// ErrPaused means that the connection of the migration was lost in postcopy, or that the migration
// was paused ([qemu.MigratePause]). The machine is at the destination and waits for memory that only
// the source has: keep both. [qemu.MigrateRecover] makes the destination listen again. Then [Resume]
// makes the source continue.
var ErrPaused error = &ending{executed: true, text: "migration: postcopy is paused, and neither side has the whole machine: " +
	"let the destination listen (migrate-recover), then resume at the source"}

// ErrGoesOn means that a wait ended before the migration did: the context of the
// wait ended, or the migration could not be cancelled. It cannot be cancelled in postcopy or at the
// destination, or if QEMU refuses or takes too long. Call [Wait] or [WaitIncoming] to wait again. The
// error also matches the reason, such as the context's error.
var ErrGoesOn error = &ending{text: "migration: still running", executed: true}

// ErrUnknown means that the outcome of the migration is unknown: the connection was lost, or
// QEMU does not answer. The migration may continue. Connect again and call [Wait] or [Query]; if the
// source is gone, ask the destination. The error also matches the reason and [qmp.ErrOutcomeUnknown].
//
// A destination older than QEMU 9.1 exits when its migration fails, and prints the reason.
var ErrUnknown error = &ending{text: "migration: outcome unknown, QEMU does not answer", executed: true}

// An ending is one of the sentinels above. Every error of this package's waits matches exactly one
// of them, or is a [*FailedError].
type ending struct {
	text     string
	executed bool // a migration may have begun
}

func (e *ending) Error() string         { return e.text }
func (e *ending) MayHaveExecuted() bool { return e.executed }

// endings are the sentinels of all endings, those of package qmp included. An error must not match
// one only because of its reason.
var endings = []error{
	ErrNone, ErrNotStarted, ErrCancelled, ErrCompleted, ErrPaused, ErrGoesOn, ErrUnknown,
	qmp.ErrNotSent, qmp.ErrOutcomeUnknown,
}

// A FailedError is the error of a migration that failed.
type FailedError struct {
	Reason string // QEMU's, for people; it may be empty

	// Postcopy reports that the migration failed after, or just before, the destination took over
	// the machine. Perhaps neither side has all of it. Ask both with query-status whether they run
	// the machine, before you start anything. If Postcopy is false, the machine is at the source,
	// as before.
	Postcopy bool

	// Halted reports that the machine is at the source and does not run: 15 seconds after the
	// failure QEMU is still in run state finish-migrate. It could not get back a resource, such as
	// the lock of a disk's image.
	Halted bool
}

// Error returns the reason. If Postcopy or Halted is set, it also says in which state the machine
// is.
func (e *FailedError) Error() string {
	text := "migration: failed: "
	if e.Postcopy {
		text = "migration: failed in postcopy: "
	}
	if e.Reason == "" {
		text += "QEMU gives no reason"
	} else {
		text += e.Reason
	}
	if e.Postcopy {
		text += "; ask both sides whether they run the machine"
	}
	if e.Halted {
		text += fmt.Sprintf("; after %s the machine is at the source and still stopped", ownLimit)
	}
	return text
}

// MayHaveExecuted returns true, because the migration had begun; see [qmp.MayHaveExecuted].
func (e *FailedError) MayHaveExecuted() bool { return true }

// A StateError is the reason of an [ErrNotStarted]: in this state of the machine QEMU refuses
// migrate, or crashes. Nothing was sent.
type StateError struct {
	RunState qemu.RunState // what query-status says
	Reason   string        // what is wrong, and what to do
}

// Error returns the reason.
func (e *StateError) Error() string { return e.Reason }

// An endError is an ending with details.
type endError struct {
	ending  error   // a sentinel or a *FailedError
	detail  string  // may be empty
	reasons []error // the error matches what these do, unless that is another ending
}

// end returns an ending with reasons. Those that are nil do not count.
func end(ending error, detail string, reasons ...error) error {
	reasons = slices.DeleteFunc(slices.Clone(reasons), func(err error) bool { return err == nil })
	return &endError{ending, detail, reasons}
}

// because returns err, which is an ending, with more reasons.
func because(err error, why ...error) error {
	if len(why) == 0 {
		return err
	}
	if e, ok := err.(*endError); ok {
		return end(e.ending, e.detail, slices.Concat(e.reasons, why)...)
	}
	return end(err, "", why...)
}

func (e *endError) Error() string {
	text := e.ending.Error()
	if e.detail != "" {
		text += ": " + e.detail
	}
	reasons := make([]string, len(e.reasons))
	for i, reason := range e.reasons {
		reasons[i] = strings.TrimPrefix(reason.Error(), "migration: ")
	}
	if len(reasons) > 0 {
		text += ": " + strings.Join(reasons, "; ")
	}
	return text
}

// Is reports whether target is the ending, or what a reason matches.
func (e *endError) Is(target error) bool {
	switch {
	case errors.Is(e.ending, target):
		return true
	case target == qmp.ErrOutcomeUnknown:
		return e.ending == ErrUnknown
	case target == qmp.ErrNotSent:
		return e.ending == ErrNotStarted && !slices.ContainsFunc(e.reasons, refused)
	case slices.Contains(endings, target):
		return false
	}
	return slices.ContainsFunc(e.reasons, func(reason error) bool { return errors.Is(reason, target) })
}

// As finds a [*FailedError] in the ending only, and anything else in the reasons.
func (e *endError) As(target any) bool {
	if _, failed := target.(**FailedError); failed {
		return errors.As(e.ending, target)
	}
	return slices.ContainsFunc(e.reasons, func(reason error) bool { return errors.As(reason, target) })
}

// MayHaveExecuted is for [qmp.MayHaveExecuted]: it reports whether a migration may have begun.
func (e *endError) MayHaveExecuted() bool { return qmp.MayHaveExecuted(e.ending) }

// unstarted is the error of a migration that has not begun because of err.
func unstarted(err error) error { return end(ErrNotStarted, "", err) }

// unanswered returns err, of a command whose ctx came from [without], as a reason. If the command took
// too long the reason does not match [context.DeadlineExceeded]: the caller's own context has not
// ended because of that.
func unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return limitError{err}
	}
	return err
}

// A limitError is the error of a command that took longer than ownLimit.
type limitError struct{ err error }

func (e limitError) Error() string { return fmt.Sprintf("no answer within %s: %v", ownLimit, e.err) }

func (e limitError) Is(target error) bool {
	return target != context.DeadlineExceeded && errors.Is(e.err, target)
}

func (e limitError) As(target any) bool { return errors.As(e.err, target) }

// refused reports whether QEMU answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
