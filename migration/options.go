package migration

import (
	"context"
	"time"
)

// Options are what a wait for a migration can be told. nil, and the zero value, mean the defaults.
// [WaitIncoming] needs Progress and Interval only.
type Options struct {
	// Progress is called with each answer to query-migrate, the last one included; nil for none.
	Progress func(Progress)

	// Interval is how long to wait for an event before asking again; 0 means a second. It is
	// also how often Progress is called while nothing changes, and how late the end is noticed
	// where events are lost.
	Interval time.Duration

	// Postcopy is asked while the migration is active, with what Progress was called with, whether
	// to hand the machine over now and send the rest of its memory afterwards; nil for never. It
	// needs the capability postcopy-ram on both sides, which [Run] checks at the source before
	// it begins. Once it has returned true it is not asked again.
	//
	//	Postcopy: func(p migration.Progress) bool { return p.Pass > 2 || p.Elapsed > time.Minute }
	Postcopy func(Progress) bool

	// PreSwitchover is called once when the machine stands still and nothing of it has been handed
	// over, in the state pre-switchover, which the capability pause-before-switchover brings
	// about. When it returns nil the migration goes on (migrate-continue), otherwise it is
	// cancelled. Where there is the state and no function, somebody else has to let it go on.
	PreSwitchover func(context.Context) error
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
