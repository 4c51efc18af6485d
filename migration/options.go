package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Options configures [Run] and [Wait]. nil and the zero value mean the defaults.
type Options struct {
	// Progress, if not nil, is called with each answer to query-migrate, including the last one.
	Progress func(Progress)

	// Interval is the time between two queries if no event comes; 0 means a second. Progress is called at
	// least this often. A lost event delays the end of the wait by at most this time.
	Interval time.Duration

	// Postcopy, if not nil, is called after Progress while the migration is active. If it returns
	// true, QEMU hands over the machine now and sends the rest of its memory afterwards
	// (migrate-start-postcopy), and Postcopy is not called again. It needs the capability
	// postcopy-ram on both sides. [Run] checks this at the source before it begins. If QEMU
	// refuses, Run cancels the migration, and [Wait] returns [ErrGoesOn].
	//
	//	Postcopy: func(p migration.Progress) bool { return p.Pass > 2 || p.Elapsed > time.Minute }
	Postcopy func(Progress) bool

	// PreSwitchover is called once, in the state pre-switchover: the machine stands still, and the
	// source still has it. This state needs the capability pause-before-switchover, which [Run] checks
	// before it begins. If PreSwitchover returns nil, the migration continues (migrate-continue). If it
	// returns an error, Run cancels the migration. [Wait] does so, too, unless its context has ended.
	// If PreSwitchover is nil, another client must send migrate-continue.
	PreSwitchover func(context.Context) error
}

// IncomingOptions configures [WaitIncoming]. nil, and the zero value, mean the defaults. [Options] at the
// source decide when QEMU hands the machine over.
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
			return fmt.Errorf("a callback needs the capability %s, which is off", capability)
		}
	}
	return nil
}

// isOn reports whether a capability is on.
func isOn(ctx context.Context, x qmp.Executor, capability qemu.MigrationCapability) (bool, error) {
	states, err := qemu.QueryMigrateCapabilities{}.Do(ctx, x)
	return slices.Contains(states, qemu.MigrationCapabilityStatus{Capability: capability, State: true}), err
}
