package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Limits are the limits of a migration. Set them at the source, before the migration or during it. 0 leaves a
// limit unchanged, except PostcopyBandwidth. [qemu.MigrateSetParameters] sets all other parameters.
type Limits struct {
	// Bandwidth is in bytes per second. QEMU's default is 128 MiB/s.
	Bandwidth uint64

	// PostcopyBandwidth limits the pages that postcopy sends in advance, in bytes per second; 0 means the
	// value of Bandwidth, if that is set. QEMU 3.0 and newer have this limit. Pages that the machine waits for are not
	// limited.
	PostcopyBandwidth uint64

	// Downtime is the longest time that the machine may stand still while QEMU sends the last
	// part. It is rounded up to milliseconds. QEMU's default is 300 ms.
	Downtime time.Duration
}

// SetLimits sets limits (migrate-set-parameters). If PostcopyBandwidth is set and this QEMU does not have this
// limit, the error matches [errors.ErrUnsupported], and SetLimits changes no limit.
func SetLimits(ctx context.Context, x qmp.Executor, l Limits) error {
	if l.Downtime < 0 {
		return fmt.Errorf("migration: set limits: downtime %s is negative (%w)", l.Downtime, qmp.ErrNotSent)
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
			return fmt.Errorf("migration: set limits: this QEMU has no limit for postcopy; 3.0 and newer have it: %w", errors.ErrUnsupported)
		}
	}
	return set.Do(ctx, x)
}
