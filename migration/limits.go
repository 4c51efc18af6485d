package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Limits are what a migration may take, set at the source, before it or while it goes on. What is 0
// is left as it is. All else that can be set has [qemu.MigrateSetParameters].
type Limits struct {
	// Bandwidth is in bytes per second; QEMU's own is 128 MiB/s.
	Bandwidth uint64

	// PostcopyBandwidth is that of what postcopy sends unasked; 0 means as Bandwidth, where QEMU
	// has it (3.0 and newer). What the machine waits for is never held back.
	PostcopyBandwidth uint64

	// Downtime is how long the machine may stand still while its last part is sent, in whole
	// milliseconds, rounded up. QEMU's own is 300 ms.
	Downtime time.Duration
}

// SetLimits sets limits (migrate-set-parameters). A PostcopyBandwidth that this QEMU does not have
// is an error that matches [errors.ErrUnsupported]; nothing is set then.
func SetLimits(ctx context.Context, x qmp.Executor, l Limits) error {
	if l.Downtime < 0 {
		return fmt.Errorf("migration: a downtime of %s (%w)", l.Downtime, qmp.ErrNotSent)
	}
	if l == (Limits{}) {
		return nil
	}
	set := qemu.MigrateSetParameters{MaxBandwidth: qmp.NonZero(l.Bandwidth)}
	const millisecond = uint64(time.Millisecond)
	set.DowntimeLimit = qmp.NonZero((uint64(l.Downtime) + millisecond - 1) / millisecond)

	postcopy := l.PostcopyBandwidth
	if postcopy == 0 {
		postcopy = l.Bandwidth
	}
	if postcopy != 0 {
		has, err := has(ctx, x, "migrate-set-parameters/arg-type/max-postcopy-bandwidth")
		switch {
		case err != nil:
			return err
		case has:
			set.MaxPostcopyBandwidth = &postcopy
		case l.PostcopyBandwidth != 0:
			return fmt.Errorf("migration: this QEMU has no limit for postcopy, 3.0 and newer do: %w", errors.ErrUnsupported)
		}
	}
	return set.Do(ctx, x)
}
