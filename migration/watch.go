package migration

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// maxUnreadable is how many answers in a row may be unreadable: QEMU can print a rate that is no
// number, and has another one soon.
const maxUnreadable = 10

// How often to ask for the last figures, and after what time.
const (
	figuresTries    = 20
	figuresInterval = 5 * time.Millisecond
)

// A watch follows one migration by asking, and takes events only as a reason to ask again.
type watch struct {
	conn     Conn
	opts     Options
	incoming bool // it is the destination's

	events     qmp.EventStream // nil when there are none any more
	last       Progress
	unreadable int // answers in a row

	expected bool      // at a destination: there is none yet, and it waits for one
	switched bool      // the machine is, or was about to be, handed over
	asked    bool      // for postcopy
	paused   bool      // the callback before the switchover was called
	resumed  time.Time // until when a paused state is what was before Resume; zero for no such time
}

// follow makes a watch with a subscription, which is closed by close.
func follow(conn Conn, opts *Options) *watch {
	return &watch{
		conn:   conn,
		opts:   opts.withDefaults(),
		events: conn.Events((*qemu.MigrationEvent)(nil).EventName()),
	}
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
	w.note(p.Status)
	w.switched = w.switched || p.Info.RAM != nil && qmp.Value(p.Info.RAM.PostcopyBytes) > 0
	w.last = p
	if w.incoming && p.Status == "" {
		status, err := qemu.QueryStatus{}.Do(ctx, w.conn)
		if err != nil {
			return err
		}
		w.expected = status.Status == qemu.RunStateInmigrate
	}
	if w.opts.Progress != nil {
		w.opts.Progress(p)
	}
	return nil
}

// query is Query, which asks again while a migration that is completed has no figures: QEMU tells
// that it is a moment before it has them.
func (w *watch) query(ctx context.Context) (Progress, error) {
	p, err := Query(ctx, w.conn)
	for range figuresTries {
		if err != nil || w.incoming || p.Status != qemu.MigrationStatusCompleted || p.Elapsed > 0 {
			break
		}
		time.Sleep(figuresInterval)
		if again, err := Query(ctx, w.conn); err == nil {
			p = again
		}
	}
	return p, err
}

// note takes note of a state that the migration is in, or was in for a moment.
func (w *watch) note(status qemu.MigrationStatus) {
	w.switched = w.switched || inPostcopy(status)
	if status != qemu.MigrationStatusPostcopyPaused {
		w.resumed = time.Time{}
	}
}

// settled tells whether the migration, as it was last seen, has ended, and how.
func (w *watch) settled() (ended bool, err error) {
	switch w.last.Status {
	case qemu.MigrationStatusCompleted:
		return true, nil
	case qemu.MigrationStatusCancelled:
		if w.switched { // which only QEMUs before 10.0 let happen
			return true, &FailedError{Reason: "it was cancelled", Postcopy: true}
		}
		return true, ErrCancelled
	case qemu.MigrationStatusFailed:
		return true, &FailedError{Reason: qmp.Value(w.last.Info.ErrorDesc), Postcopy: w.switched}
	case qemu.MigrationStatusPostcopyPaused:
		if time.Now().Before(w.resumed) {
			return false, nil
		}
		return true, paused(qmp.Value(w.last.Info.ErrorDesc))
	case "":
		if w.expected || w.unreadable > 0 {
			return false, nil
		}
		return true, ErrNone
	}
	return false, nil // whatever state that is
}

// sleep waits for an event, or for so long. The error is that of ctx.
func (w *watch) sleep(ctx context.Context, interval time.Duration) error {
	tick, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	if w.events == nil {
		<-tick.Done()
		return ctx.Err()
	}
	raw, err := w.events.Next(tick)
	switch {
	case err == nil:
		if event, _, err := qmp.EventAs[qemu.MigrationEvent](raw); err == nil {
			w.note(event.Status)
		}
	case tick.Err() != nil, errors.Is(err, qmp.ErrEventsLost):
	default:
		w.close()
		w.events = nil // asking tells why
	}
	return ctx.Err()
}
