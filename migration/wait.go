package migration

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Run sends the machine to a target, and waits until that has ended: [Start] and [Wait]. Before it
// begins it makes sure that the capabilities which the callbacks need are on.
func Run(ctx context.Context, conn Conn, to Target, opts *Options) (Progress, error) {
	if err := opts.check(ctx, conn); err != nil {
		return Progress{}, unstarted(err)
	}
	w := follow(conn, opts) // before migrate causes events
	defer w.close()
	if err := Start(ctx, conn, to); err != nil {
		return Progress{}, err
	}
	return w.wait(ctx)
}

// Wait waits until the migration that this QEMU sends has ended, whoever began it, and returns how
// far it came. The package comment tells what its errors mean for the machine.
//
// When ctx ends the migration is cancelled (migrate_cancel), also if ctx had ended before. So it is
// when a callback fails, or what it asked for is refused. Wait returns when QEMU has cancelled, or
// after 15 seconds.
func Wait(ctx context.Context, conn Conn, opts *Options) (Progress, error) {
	w := follow(conn, opts)
	defer w.close()
	return w.wait(ctx)
}

func (w *watch) wait(ctx context.Context) (Progress, error) {
	for {
		err := w.look(ctx)
		if err != nil && ctx.Err() == nil {
			return w.last, silent(err)
		}
		if err == nil {
			if ended, err := w.settled(); ended {
				return w.last, err
			}
			err = w.act(ctx)
		}
		if err == nil {
			err = w.sleep(ctx, w.opts.Interval)
		}
		if err != nil {
			return w.abandon(ctx, err)
		}
	}
}

// act does what the migration, as it was last seen, waits for.
func (w *watch) act(ctx context.Context) error {
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
			return err
		}
		return qemu.MigrateContinue{State: qemu.MigrationStatusPreSwitchover}.Do(ctx, w.conn)
	}
	return nil
}

// WaitIncoming waits at the destination until the machine has come, and this QEMU runs it, or would
// if it had not been started with -S or the machine not been stopped before.
//
// An incoming migration cannot be cancelled: when ctx ends the error matches [ErrGoesOn], and QEMU
// goes on to wait. Where the migration has failed the error is a [*FailedError]; a QEMU older than
// 9.1 is gone then, and the error matches [ErrOutcomeUnknown].
func WaitIncoming(ctx context.Context, conn Conn, opts *Options) (Progress, error) {
	w := follow(conn, opts)
	defer w.close()
	w.incoming = true
	w.opts.Postcopy, w.opts.PreSwitchover = nil, nil
	return w.wait(ctx)
}
