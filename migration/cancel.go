package migration

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// cancelInterval is the time between two questions whether QEMU has cancelled, if no event comes.
const cancelInterval = 50 * time.Millisecond

// silence is the time without an answer after which QEMU counts as silent when the time limit is
// over.
const silence = time.Second

// handOverLimit is how long QEMU may take to give the disks to the destination, also on a busy machine. After this time
// QEMU waits for a destination that does not answer, and can cancel.
const handOverLimit = 5 * time.Second

const notYet = "QEMU has not cancelled it yet"

// Cancel cancels the migration that this QEMU sends (migrate_cancel), even if another client began it, and
// waits until QEMU has done so. A nil error means that the machine is at this QEMU and that no migration is
// running. Cancel also returns nil if there was no migration, if it has failed, or if it brought the machine
// to this QEMU: see [Progress.Status].
//
// Give ctx a deadline: QEMU cannot end its connection to a destination that does not answer. QEMU may
// still cancel the migration after ctx has ended.
//
// Cancel returns an error that matches:
//   - [ErrCompleted]: QEMU has sent all of the machine.
//   - [ErrGoesOn]: ctx ended, QEMU refused, the migration is in postcopy, or this QEMU is the destination.
//   - [ErrPaused]: postcopy is paused.
//   - [*FailedError]: the migration failed in postcopy, or the machine is halted.
//   - [ErrUnknown]: the connection was lost.
func Cancel(ctx context.Context, conn qmp.Conn) (Progress, error) {
	state, err := runState(ctx, conn)
	switch {
	case err != nil && ctx.Err() != nil:
		return Progress{}, end(ErrGoesOn, "", wait.Err(ctx))
	case err != nil:
		return Progress{}, end(ErrUnknown, "", err)
	case state == qemu.RunStateInmigrate:
		return Progress{}, end(ErrGoesOn, "an incoming migration cannot be cancelled; end the destination's QEMU instead")
	}
	w := follow(conn, nil)
	defer w.close()
	p, err := w.cancel(ctx)
	failed, _ := errors.AsType[*FailedError](err)
	switch {
	case err == nil && !w.here:
		return p, ErrCompleted
	case err == nil:
		return p, nil
	case errors.Is(err, ErrCancelled), errors.Is(err, ErrNone), failed != nil && !failed.Postcopy && !failed.Halted:
		return p, nil
	}
	return p, err
}

// abandon ends a wait that owns the migration, because of why: it cancels, with its own time
// limit.
func (w *watch) abandon(ctx context.Context, why ...error) (Progress, error) {
	ctx, done := without(ctx)
	defer done()
	return w.cancel(ctx, why...)
}

// cancel cancels the migration, if that is possible, and returns how it has ended. It looks first: a
// migration in postcopy must not be cancelled, and one that has ended need not.
func (w *watch) cancel(ctx context.Context, why ...error) (Progress, error) {
	var asked bool
	var refusal error
	begun := time.Now()
	for {
		if err := w.look(ctx); err != nil {
			if ctx.Err() != nil && len(why) == 0 {
				return w.last, end(ErrGoesOn, "", wait.Err(ctx))
			}
			switch {
			case ctx.Err() == nil || time.Since(w.answered) > silence:
			case w.unsettled:
				_, err := w.settled()
				return w.last, because(err, why...)
			default:
				return w.last, end(ErrGoesOn, notYet, why...)
			}
			return w.last, end(ErrUnknown, "", append([]error{unanswered(ctx, err)}, why...)...)
		}
		ended, err := w.settled()
		switch {
		case ended && err == nil:
			return w.last, nil // and the machine is there
		case ended:
			return w.last, because(err, why...)
		case w.switched || w.asked:
			return w.last, end(ErrGoesOn, "postcopy cannot be cancelled", why...)
		case refusal != nil:
			return w.last, end(ErrGoesOn, "it could not be cancelled", append([]error{refusal}, why...)...)
		case !asked && w.unreadable == 0 && (time.Since(begun) > handOverLimit || !w.handsOver(ctx)):
			asked = true
			refusal = qemu.MigrateCancel{}.Do(ctx, w.conn)
			continue
		}
		if err := w.next(ctx, cancelInterval); err != nil {
			if len(why) == 0 {
				why = []error{err}
			}
			return w.last, end(ErrGoesOn, notYet, why...)
		}
	}
}

// handsOver reports whether QEMU may be giving the disks to the destination, which takes milliseconds. If a QEMU older
// than 10.0 is asked to cancel then, it forgets to take the disks back: the machine continues at the source, and QEMU
// terminates when the guest writes.
func (w *watch) handsOver(ctx context.Context) bool {
	old, err := isBefore(ctx, w.conn, 10, 0)
	if err == nil && !old {
		return false
	}
	switch w.last.Status {
	case qemu.MigrationStatusDevice:
		return true
	case qemu.MigrationStatusPreSwitchover:
		return w.continued // the state changes a moment after migrate-continue
	case qemu.MigrationStatusActive: // without pause-before-switchover, only the run state shows it
		state, err := runState(ctx, w.conn)
		return err == nil && state == qemu.RunStateFinishMigrate
	}
	return false
}
