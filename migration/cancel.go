package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// cancelInterval is how often to ask whether QEMU has cancelled, where there are no events.
const cancelInterval = 50 * time.Millisecond

// abandon ends a wait because of why: it cancels the migration, if that is possible, and tells
// where the machine is. It looks first: a migration in postcopy must not be cancelled, and one that
// has ended need not.
func (w *watch) abandon(ctx context.Context, why error) (Progress, error) {
	why = reason{why}
	ctx, cancel := without(ctx)
	defer cancel()
	var asked bool
	var refusal error
	for {
		if err := w.look(ctx); err != nil {
			return w.last, fmt.Errorf("%w; %w", silent(err), why)
		}
		ended, err := w.settled()
		switch {
		case ended && err == nil:
			return w.last, nil // and the machine is there
		case ended:
			return w.last, fmt.Errorf("%w: %w", err, why)
		case w.incoming:
			return w.last, goesOn("what comes in cannot be cancelled", why)
		case w.switched || w.asked:
			return w.last, goesOn("postcopy cannot be cancelled", why)
		case refusal != nil:
			return w.last, fmt.Errorf("%w; %w", goesOn("it could not be cancelled", why), reason{refusal})
		case !asked && w.unreadable == 0:
			asked = true
			refusal = qemu.MigrateCancel{}.Do(ctx, w.conn)
			continue
		}
		if w.sleep(ctx, cancelInterval) != nil {
			return w.last, goesOn("QEMU has not cancelled it yet", why)
		}
	}
}
