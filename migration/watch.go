package migration

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// maxUnreadable is how many answers in a row may be unreadable: QEMU can print a rate that is no
// number, and has another one soon.
const maxUnreadable = 10

// QEMU reports the end of a migration a moment before it has the last figures, and before it has
// changed the run state. Up to figuresTries times the watch asks again after settleInterval; for the
// run state it asks until ownLimit is over.
const (
	settleInterval = 5 * time.Millisecond
	figuresTries   = 20
)

// A watch follows one migration by asking, and takes events only as a reason to ask again.
type watch struct {
	conn     qmp.Conn
	opts     Options
	incoming bool      // it is the destination's
	cancels  bool      // the end of the context cancels the migration
	begun    time.Time // until when QEMU may not know yet of the migration that it began; or zero

	events     qmp.EventStream // nil when there are none any more
	last       Progress
	answered   time.Time // when last was
	unreadable int       // answers in a row

	expected  bool      // at a destination: there is none yet, and it waits for one
	unsettled bool      // it has ended, but the run state is still that of a migration
	here      bool      // it is completed, and the machine is here: it came by it, or cont was sent since
	switched  bool      // the machine is, or was about to be, handed over
	asked     bool      // for postcopy
	paused    bool      // the callback before the switchover was called
	continued bool      // migrate-continue was sent
	resumed   time.Time // until when a paused state is what was before Resume; zero for no such time
}

// follow makes a watch with a subscription, which is closed by close.
func follow(conn qmp.Conn, opts *Options) *watch {
	return &watch{
		conn:   conn,
		opts:   opts.withDefaults(),
		events: conn.Events(qemu.EventMigration),
	}
}

// owns makes the watch that of a migration which was begun here, and is cancelled if the wait for it ends.
func (w *watch) owns() {
	w.cancels, w.begun = true, time.Now().Add(ownLimit)
}

func (w *watch) close() {
	if w.events != nil {
		_ = w.events.Close() // returns nil
	}
}

// look asks how far the migration is.
func (w *watch) look(ctx context.Context) error {
	p, err := w.query(ctx)
	if _, is := errors.AsType[*qmp.DecodeError](err); is && w.unreadable < maxUnreadable {
		w.unreadable++
		return nil
	}
	if err != nil {
		return err
	}
	w.unreadable = 0
	w.last = p
	if w.opts.Progress != nil {
		w.opts.Progress(p)
	}
	return nil
}

// query asks for the state of the migration, and for the run state where that decides what the answer
// means. If the migration has ended query waits until QEMU is done with it.
func (w *watch) query(ctx context.Context) (Progress, error) {
	for start, tries := time.Now(), 0; ; tries++ {
		w.unsettled, w.here = false, false
		p, err := Query(ctx, w.conn)
		if err == nil && w.incoming && p.Status == "" {
			p, err = w.queryExpected(ctx)
		}
		if err != nil {
			return p, err
		}
		w.answered = time.Now()
		w.note(p.Status)
		w.switched = w.switched || p.Info.RAM != nil && qmp.Value(p.Info.RAM.PostcopyBytes) > 0
		if w.incoming || !isFinal(p.Status) {
			return p, nil
		}
		state, err := runState(ctx, w.conn)
		if err != nil {
			return p, err
		}
		completed := p.Status == qemu.MigrationStatusCompleted
		w.unsettled = state == qemu.RunStateFinishMigrate && (completed || !w.switched)
		w.here = completed && isHere(state, p)
		switch {
		case w.unsettled && time.Since(start) < ownLimit:
		case completed && p.Elapsed == 0 && tries < figuresTries:
		default:
			return p, nil
		}
		w.last = p
		if err := sleep(ctx, settleInterval); err != nil {
			return p, err
		}
	}
}

// queryExpected queries a destination again if it has reported no migration. The machine may come
// at any time, so the order decides: if the run state is no longer inmigrate, a migration that is
// still unknown afterwards has never begun.
func (w *watch) queryExpected(ctx context.Context) (Progress, error) {
	state, err := runState(ctx, w.conn)
	if err != nil {
		return Progress{}, err
	}
	w.expected = state == qemu.RunStateInmigrate
	if w.expected {
		return Progress{}, nil
	}
	return Query(ctx, w.conn)
}

// isHere reports whether a QEMU in this run state has the machine, although its migration is completed.
func isHere(state qemu.RunState, p Progress) bool {
	switch state {
	case "", qemu.RunStateFinishMigrate, qemu.RunStatePostmigrate:
		return false
	case qemu.RunStatePrelaunch: // of a source that was reset after it had sent the machine
		return p.Info.RAM == nil
	}
	return true
}

// isFinal reports whether a migration stays in a state.
func isFinal(status qemu.MigrationStatus) bool {
	switch status {
	case qemu.MigrationStatusCompleted, qemu.MigrationStatusCancelled, qemu.MigrationStatusFailed:
		return true
	}
	return false
}

// runState asks for the run state (query-status). It is empty if the server does not have the command,
// as one in front of QEMU that lets only some commands pass.
func runState(ctx context.Context, x qmp.Executor) (qemu.RunState, error) {
	status, err := qemu.QueryStatus{}.Do(ctx, x)
	if errors.Is(err, qmp.ErrCommandNotFound) {
		return "", nil
	}
	return status.Status, err
}

// note takes note of a state that the migration is in, or was in for a moment.
func (w *watch) note(status qemu.MigrationStatus) {
	w.switched = w.switched || inPostcopy(status)
	if status != qemu.MigrationStatusPostcopyPaused {
		w.resumed = time.Time{}
	}
}

// settled reports whether the migration, as it was last seen, has ended, and how.
func (w *watch) settled() (ended bool, err error) {
	const stuck = "QEMU reports its end, but is still in run state finish-migrate"
	if w.unreadable > 0 {
		return false, nil // the progress from before may be incomplete
	}
	switch w.last.Status {
	case qemu.MigrationStatusCompleted:
		if w.unsettled {
			return true, end(ErrGoesOn, stuck)
		}
		return true, nil
	case qemu.MigrationStatusCancelled:
		if w.switched { // which only QEMUs before 10.0 let happen
			return true, &FailedError{Reason: "it was cancelled", Postcopy: true}
		}
		if w.unsettled {
			return true, end(ErrGoesOn, stuck)
		}
		return true, ErrCancelled
	case qemu.MigrationStatusFailed:
		return true, &FailedError{
			Reason:   qmp.Value(w.last.Info.ErrorDesc),
			Postcopy: w.switched,
			Halted:   w.unsettled,
		}
	case qemu.MigrationStatusPostcopyPaused:
		if time.Now().Before(w.resumed) {
			return false, nil
		}
		if reason := qmp.Value(w.last.Info.ErrorDesc); reason != "" {
			return true, end(ErrPaused, reason)
		}
		return true, ErrPaused
	case "":
		switch {
		case w.expected || time.Now().Before(w.begun):
			return false, nil
		case !w.begun.IsZero():
			return true, end(ErrUnknown, "QEMU accepted the migration but reports none")
		}
		return true, ErrNone
	}
	return false, nil // whatever state that is
}

// sleep waits for so long. The error is that of ctx.
func sleep(ctx context.Context, interval time.Duration) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return wait.Err(ctx)
}

// next waits for an event, or for so long. The error is that of ctx.
func (w *watch) next(ctx context.Context, interval time.Duration) error {
	if w.events == nil {
		return sleep(ctx, interval)
	}
	tick, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	raw, err := w.events.Next(tick)
	switch {
	case err == nil:
		if event, _, err := qmp.EventAs[qemu.MigrationEvent](raw); err == nil {
			w.note(event.Status)
		}
	case tick.Err() != nil, errors.Is(err, qmp.ErrEventsLost):
	default:
		w.close()
		w.events = nil // the next query returns the reason
	}
	return wait.Err(ctx)
}
