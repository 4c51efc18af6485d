package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Options configures [Run] and [Wait]. nil, and the zero value, mean the defaults.
type Options struct {
	// Progress is called with each answer to query-migrate, the last one included; nil for none.
	Progress func(Progress)

	// Interval is how long to wait for an event before asking again; 0 means a second. It is
	// also how often Progress is called while nothing changes, and how late the end is noticed
	// if events are lost.
	Interval time.Duration

	// Postcopy is asked while the migration is active, with what Progress was called with, whether
	// to hand the machine over now and send the rest of its memory afterwards; nil for never. It
	// needs the capability postcopy-ram on both sides, which [Run] checks at the source before
	// it begins. Once it has returned true it is not asked again. If QEMU refuses, Run cancels the
	// migration, and [Wait] returns [ErrGoesOn].
	//
	//	Postcopy: func(p migration.Progress) bool { return p.Pass > 2 || p.Elapsed > time.Minute }
	Postcopy func(Progress) bool

	// PreSwitchover is called once when the machine stands still and nothing of it has been handed
	// over, in the state pre-switchover. It needs the capability pause-before-switchover, which [Run]
	// checks before it begins. If it returns nil the migration goes on (migrate-continue), otherwise
	// it is cancelled: in [Wait] too, unless the context of Wait has ended. Without a function somebody
	// else has to let the migration go on.
	PreSwitchover func(context.Context) error
}

// IncomingOptions configures [WaitIncoming]. nil, and the zero value, mean the defaults. When to hand
// the machine over is decided at the source, by [Options].
type IncomingOptions struct {
	Progress func(Progress) // as in [Options]
	Interval time.Duration  // as in [Options]
}

func (o *IncomingOptions) options() *Options {
	if o == nil {
		return nil
	}
	return &Options{Progress: o.Progress, Interval: o.Interval}
}

const defaultInterval = time.Second

// withDefaults returns a copy of the options, complete.
func (o *Options) withDefaults() Options {
	var all Options
	if o != nil {
		all = *o
	}
	if all.Interval <= 0 {
		all.Interval = defaultInterval
	}
	return all
}

// needs are the capabilities without which callbacks would be useless.
func (o *Options) needs() (needs []qemu.MigrationCapability) {
	if o != nil && o.Postcopy != nil {
		needs = append(needs, qemu.MigrationCapabilityPostcopyRAM)
	}
	if o != nil && o.PreSwitchover != nil {
		needs = append(needs, qemu.MigrationCapabilityPauseBeforeSwitchover)
	}
	return needs
}

// check returns an error if a callback would be useless.
func (o *Options) check(ctx context.Context, x qmp.Executor) error {
	for _, capability := range o.needs() {
		on, err := isOn(ctx, x, capability)
		if err != nil {
			return err
		}
		if !on {
			return fmt.Errorf("a callback needs the capability %s", capability)
		}
	}
	return nil
}

// isOn reports whether a capability is on.
func isOn(ctx context.Context, x qmp.Executor, capability qemu.MigrationCapability) (bool, error) {
	states, err := qemu.QueryMigrateCapabilities{}.Do(ctx, x)
	return slices.Contains(states, qemu.MigrationCapabilityStatus{Capability: capability, State: true}), err
}
