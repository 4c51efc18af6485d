package migration

import (
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Run sends the machine to a target and waits until the migration has ended. Before it begins, it
// checks that the capabilities for the callbacks are on.
//
// If ctx ends, Run cancels the migration (migrate_cancel), and returns when QEMU has done so, 15
// seconds later at most. Run also cancels if a callback fails, or if QEMU refuses the command that
// follows a callback.
//
// A nil error means that QEMU has sent all of the machine and is in run state postmigrate. The package
// comment lists the errors.
func Run(ctx context.Context, conn qmp.Conn, to Target, opts *Options) (Progress, error) {
	if err := opts.check(ctx, conn); err != nil {
		return Progress{}, unstarted(err)
	}
	w := follow(conn, opts) // before migrate causes events
	defer w.close()
	if err := Start(ctx, conn, to); err != nil {
		return Progress{}, err
	}
	w.owns()
	return w.wait(ctx)
}

// Wait waits until the migration that this QEMU sends has ended, even if another client began it.
// It returns the last progress.
//
// If no migration is running, Wait returns the outcome of the last one. After a nil error this QEMU
// may still run the machine: if cont was sent since, or if that migration brought the machine to this
// QEMU.
//
// If ctx ends, Wait returns at once an error that matches [ErrGoesOn] and the context's error. The
// migration continues; [Cancel] cancels it. Wait itself cancels the migration only if
// [Options.PreSwitchover] returns an error before ctx has ended. The other errors are those of [Run],
// and [ErrNone].
func Wait(ctx context.Context, conn qmp.Conn, opts *Options) (Progress, error) {
	w := follow(conn, opts)
	defer w.close()
	return w.wait(ctx)
}

// WaitIncoming waits at the destination until this QEMU has the machine. The machine then runs, unless
// QEMU was started with -S or the machine was stopped before.
//
// WaitIncoming returns an error that matches:
//   - [ErrGoesOn] and the context's error: ctx ended. QEMU continues to wait for the machine: an
//     incoming migration cannot be cancelled.
//   - [*FailedError]: the migration failed.
//   - [ErrUnknown]: the connection was lost. A QEMU older than 9.1 exits if the migration fails.
//   - [ErrNone]: this QEMU has not received a machine and does not wait for one.
func WaitIncoming(ctx context.Context, conn qmp.Conn, opts *IncomingOptions) (Progress, error) {
	w := follow(conn, opts.options())
	defer w.close()
	w.incoming = true
	return w.wait(ctx)
}

// wait asks until the migration has ended, or the wait has.
func (w *watch) wait(ctx context.Context) (Progress, error) {
	for {
		err := w.look(ctx)
		if err != nil && (ctx.Err() == nil || !w.cancels && !errors.Is(err, ctx.Err())) {
			return w.last, end(ErrUnknown, "", err, wait.Err(ctx))
		}
		if err == nil {
			if ended, err := w.settled(); ended {
				return w.last, err
			}
			err = w.act(ctx)
		}
		if err == nil {
			err = w.next(ctx, w.opts.Interval)
		}
		if err != nil {
			return w.stop(ctx, err)
		}
	}
}

// stop ends the wait before the migration has ended, because of why.
func (w *watch) stop(ctx context.Context, why error) (Progress, error) {
	ctxErr := wait.Err(ctx)
	if ctxErr != nil && errors.Is(why, ctx.Err()) {
		why, ctxErr = ctxErr, nil // instead of "a query was not answered, since ctx ended"
	}
	if w.cancels {
		return w.abandon(ctx, why, ctxErr)
	}
	if ctx.Err() == nil && w.look(ctx) == nil { // a command came too late, perhaps
		if ended, err := w.settled(); ended {
			return w.last, err
		}
	}
	return w.last, end(ErrGoesOn, "", why, ctxErr)
}

// act does the step that the migration waits for in the state that was seen last.
func (w *watch) act(ctx context.Context) error {
	if w.unreadable > 0 {
		return nil
	}
	switch w.last.Status {
	case qemu.MigrationStatusActive:
		if w.opts.Postcopy == nil || w.asked || !w.opts.Postcopy(w.last) {
			return nil
		}
		w.asked = true
		err := qemu.MigrateStartPostcopy{}.Do(ctx, w.conn)
		if err != nil && !qmp.MayHaveExecuted(err) {
			w.asked = false
		}
		return err
	case qemu.MigrationStatusPreSwitchover:
		if w.opts.PreSwitchover == nil || w.paused {
			return nil
		}
		w.paused = true
		if err := w.opts.PreSwitchover(ctx); err != nil {
			w.cancels = w.cancels || ctx.Err() == nil // the callback wants it
			return err
		}
		err := qemu.MigrateContinue{State: qemu.MigrationStatusPreSwitchover}.Do(ctx, w.conn)
		w.continued = err == nil || qmp.MayHaveExecuted(err)
		return err
	}
	return nil
}
