package migration

import (
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
)

// ErrNone is matched by the error of a wait for a migration when there is none: nobody has begun
// one since this QEMU was started.
var ErrNone = errors.New("migration: there is none")

// ErrNotStarted is matched by the error of a migration that has not begun. The machine is as it was.
// The error matches also why: [*qmp.Error] is QEMU's refusal, [errors.ErrUnsupported] says that the
// QEMU is too old for the target.
var ErrNotStarted = errors.New("migration: not started")

// ErrCancelled is matched by the error of a migration that was cancelled, by the end of the
// context, by a callback or by somebody else's migrate_cancel. The machine is at the source, and
// runs there if it ran before. What the reason was the error matches, too: the context's error, or
// that of the callback.
var ErrCancelled = errors.New("migration: cancelled; the machine stays at the source")

// ErrPaused is matched by the error of a migration whose connection was lost in postcopy, or that
// was paused ([qemu.MigratePause]). The machine is at the destination, and waits for what is only
// at the source: both must stay. [qemu.MigrateRecover] makes the destination listen again, [Resume]
// makes the source go on.
var ErrPaused = errors.New("migration: postcopy is paused, and neither side has the whole machine: " +
	"let the destination listen (migrate-recover), then resume at the source")

// ErrGoesOn is matched by the error of a wait that ended before the migration: it was to be
// cancelled, and that is not possible in postcopy, or QEMU has refused, or it has not done so in
// time. An incoming migration cannot be cancelled at all, only its QEMU ended. [Wait] or
// [WaitIncoming] waits again. The error matches also why the wait ended, the context's error first
// of all.
var ErrGoesOn = errors.New("migration: it goes on")

// ErrOutcomeUnknown is matched by the error of a migration whose QEMU can no longer be asked: the
// connection was lost, or QEMU does not answer. The migration may go on without it. Connect again
// and ask, with [Wait] or [Query]; if the source is gone, the destination. It matches the reason,
// too.
//
// A destination older than QEMU 9.1 ends when its migration fails. It then prints why.
var ErrOutcomeUnknown = errors.New("migration: QEMU cannot be asked any more, the outcome is unknown")

// A FailedError is the error of a migration at which QEMU failed.
type FailedError struct {
	Reason string // QEMU's, for people; it may be empty

	// Postcopy tells that the machine had been handed over, or nearly, when it failed. Neither
	// side may have all of it then, and query-status on both tells whether one still runs it:
	// nothing should be started before that. Otherwise the machine is at the source, as it was, or
	// will be in a moment: QEMU tells first, and then lets it run again.
	Postcopy bool
}

// Error returns the reason, and where the machine is.
func (e *FailedError) Error() string {
	reason := e.Reason
	if reason == "" {
		reason = "QEMU gives no reason"
	}
	if e.Postcopy {
		return "migration: failed in postcopy: " + reason + "; ask both sides whether they run the machine"
	}
	return "migration: failed: " + reason
}

// unstarted is the error of a migration that has not begun because of err.
func unstarted(err error) error { return fmt.Errorf("%w: %w", ErrNotStarted, err) }

// paused is ErrPaused with QEMU's reason, which may be empty.
func paused(reason string) error {
	if reason == "" {
		return ErrPaused
	}
	return fmt.Errorf("%w (%s)", ErrPaused, reason)
}

// goesOn is the error of a wait that ended early, because of why.
func goesOn(obstacle string, why error) error {
	return fmt.Errorf("%w: %s: %w", ErrGoesOn, obstacle, why)
}

// silent is the error of a wait for a QEMU that could not be asked.
func silent(err error) error { return fmt.Errorf("%w: %w", ErrOutcomeUnknown, reason{err}) }

// A reason is an error that matches what its own error does, but for [qmp.ErrNotSent]: that a question
// was not sent does not mean that nothing has happened.
type reason struct{ err error }

func (r reason) Error() string { return r.err.Error() }

func (r reason) Is(target error) bool {
	return target != qmp.ErrNotSent && errors.Is(r.err, target)
}

func (r reason) As(target any) bool { return errors.As(r.err, target) }

// refused tells whether QEMU answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
