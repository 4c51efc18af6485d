package guestagent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// FreezeOptions configures a freeze. nil and the zero value mean the defaults.
type FreezeOptions struct {
	// Mountpoints are the file systems to freeze. nil means all that stand on block devices.
	Mountpoints []string

	// Limit is the longest time of [Agent.WhileFrozen] from the request to freeze until the request to thaw. 0 means
	// 10 seconds: programs in the guest that write wait for so long.
	Limit time.Duration

	// ThawLimit is the time for thawing, with all attempts. 0 means 30 seconds.
	ThawLimit time.Duration
}

const (
	defaultFreezeLimit = 10 * time.Second
	defaultThawLimit   = 30 * time.Second
)

// worksFrozen are the commands that the agent executes while file systems are frozen.
var worksFrozen = map[string]bool{
	"guest-ping": true, "guest-info": true, "guest-sync": true, "guest-sync-delimited": true,
	"guest-fsfreeze-status": true, "guest-fsfreeze-thaw": true,
}

// frozenBy is a key of the context that the function of WhileFrozen gets.
type frozenBy struct{ agent *Agent }

// WhileFrozen freezes file systems of the guest, calls f, and thaws them. It thaws them also if f fails or panics, or if
// ctx or the connection ends. It repeats a failed attempt to thaw, and connects again if [Options.Redial] is set.
//
//	err := agent.WhileFrozen(ctx, nil, func(ctx context.Context) error {
//		return qemu.Transaction{Actions: actions}.Do(ctx, client) // takes a snapshot
//	})
//
// The context of f ends after opts.Limit. At that moment the file systems are thawed, even if f has not returned. f must not
// wait for something that writes in the guest. Methods of the Agent that need other commands than guest-ping, guest-info
// and guest-fsfreeze-status fail with that context: the error matches [ErrFrozen].
//
// WhileFrozen returns the error of f, and an error that matches:
//   - [ErrNotAllFrozen]: the agent has not frozen everything. f was not called.
//   - [ErrFrozen]: file systems were frozen already. They stay frozen, and f was not called.
//   - [ErrFreezeLimit]: f did not return in time.
//   - [ErrThawedEarly]: others have thawed file systems while f ran.
//   - [*ThawError]: file systems may still be frozen.
//   - the errors of [Agent.Execute]: the freeze failed, and f was not called.
//
// If the calling process ends in between, the guest stays frozen: call [Agent.Thaw] after a restart.
//
// Source: guest-fsfreeze-freeze, guest-fsfreeze-freeze-list, guest-fsfreeze-status, guest-fsfreeze-thaw.
func (a *Agent) WhileFrozen(ctx context.Context, opts *FreezeOptions, f func(ctx context.Context) error) error {
	return fail("freeze", "", a.Freezer(opts).while(ctx, f))
}

func (z *Freezer) while(ctx context.Context, f func(ctx context.Context) error) (err error) {
	short, cancel := context.WithTimeoutCause(ctx, cmp.Or(z.opts.Limit, defaultFreezeLimit), ErrFreezeLimit)
	defer cancel()
	thaw := func() error {
		longer, cancel := wait.Detach(ctx, cmp.Or(z.opts.ThawLimit, defaultThawLimit))
		defer cancel()
		return z.thaw(longer)
	}
	if err := z.freeze(short); err != nil {
		return join(err, thaw())
	}
	thawed := make(chan error, 1)
	stop := context.AfterFunc(short, func() { thawed <- thaw() })
	defer func() {
		if stop() {
			err = join(err, thaw())
			return
		}
		if err == nil { // f has returned too late
			err = wait.Err(short)
		}
		err = join(err, <-thawed)
	}()
	return f(context.WithValue(short, frozenBy{z.agent}, true))
}

// join makes one error from two, in one line.
func join(err, also error) error {
	switch {
	case also == nil:
		return err
	case err == nil:
		return also
	}
	return fmt.Errorf("%w; %w", err, also)
}

// Thaw thaws all file systems, whoever has frozen them. It repeats the request until the agent answers or ctx ends. Thawing
// when nothing is frozen is not an error. The error is a [*ThawError].
//
// Source: guest-fsfreeze-thaw.
func (a *Agent) Thaw(ctx context.Context) error {
	_, err := a.thaw(ctx)
	if err != nil {
		return fail("thaw", "", &ThawError{err})
	}
	return nil
}

// thaw returns the number of file systems that it has thawed, or -1 if an earlier attempt may have thawed them.
func (a *Agent) thaw(ctx context.Context) (count int64, err error) {
	var last error // of an attempt that ctx has not ended
	unknown := false
	for {
		short, cancel := context.WithTimeout(ctx, undoAttempt)
		count, err = guest.GuestFsfreezeThaw{}.Do(short, a)
		cancel()
		switch {
		case err == nil && unknown:
			return -1, nil
		case err == nil:
			return count, nil
		case errors.Is(err, ErrDisabled), errors.Is(err, ErrUnavailable), errors.Is(err, ErrVMEnded):
			return 0, err
		case ctx.Err() != nil && last != nil:
			return 0, last
		case ctx.Err() != nil, a.isClosed():
			return 0, err
		case a.opts.Redial == nil && errors.Is(err, ErrAgentGone) && a.disconnected():
			return 0, err
		}
		last, unknown = err, unknown || !errors.Is(err, qmp.ErrNotSent)
		if pause(ctx, lastPoll) != nil {
			return 0, err
		}
	}
}

// disconnected reports whether there is no connection to the agent.
func (a *Agent) disconnected() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn == nil || ended(a.conn) != nil
}

// A Freezer freezes and thaws file systems in two calls. It is a Freezer of package block:
//
//	err := disks.Snapshot(ctx, overlays, &block.SnapshotOptions{Freezer: agent.Freezer(nil)})
//
// Use a Freezer for one freeze at a time, and prefer [Agent.WhileFrozen], which always thaws.
type Freezer struct {
	agent  *Agent
	opts   FreezeOptions
	frozen int64 // how many; -1 if that is unknown
	ours   bool  // Thaw has something to thaw
}

// Freezer returns a Freezer. opts may be nil; it ignores the limits.
func (a *Agent) Freezer(opts *FreezeOptions) *Freezer {
	z := &Freezer{agent: a}
	if opts != nil {
		z.opts = *opts
	}
	return z
}

// Freeze freezes the file systems. Call Thaw after it, also if it fails.
//
// The error matches:
//   - [ErrNotAllFrozen]: the agent has not frozen everything.
//   - [ErrFrozen]: file systems were frozen already, perhaps by another client. Thaw then leaves them frozen.
//   - the errors of [Agent.Execute].
func (z *Freezer) Freeze(ctx context.Context) error { return fail("freeze", "", z.freeze(ctx)) }

// Thaw thaws the file systems that Freeze has frozen, like [Agent.Thaw]. If Freeze has frozen nothing, it does nothing.
//
// The error matches:
//   - [ErrThawedEarly]: others have thawed file systems before.
//   - [*ThawError]: file systems may still be frozen. Call Thaw again.
func (z *Freezer) Thaw(ctx context.Context) error { return fail("thaw", "", z.thaw(ctx)) }

func (z *Freezer) freeze(ctx context.Context) (err error) {
	z.ours, z.frozen = true, -1
	var count int64
	if len(z.opts.Mountpoints) > 0 {
		count, err = guest.GuestFsfreezeFreezeList{Mountpoints: z.opts.Mountpoints}.Do(ctx, z.agent)
	} else {
		count, err = guest.GuestFsfreezeFreeze{}.Do(ctx, z.agent)
	}
	if err != nil {
		z.ours = qmp.MayHaveExecuted(err) || errors.Is(err, qmp.ErrGeneric)
		return err
	}
	z.frozen = count
	switch wanted := int64(len(z.opts.Mountpoints)); {
	case count == 0:
		z.ours = false // thawing would thaw what somebody in the guest has frozen
		return fmt.Errorf("%w: the agent has frozen none", ErrNotAllFrozen)
	case count < wanted:
		return fmt.Errorf("%w: the agent has frozen %d of %d", ErrNotAllFrozen, count, wanted)
	}
	return nil
}

func (z *Freezer) thaw(ctx context.Context) error {
	if !z.ours {
		return nil
	}
	count, err := z.agent.thaw(ctx)
	if err != nil {
		return &ThawError{err}
	}
	z.ours = false
	if z.frozen >= 0 && count >= 0 && count < z.frozen {
		return fmt.Errorf("%w: %d of %d were still frozen", ErrThawedEarly, count, z.frozen)
	}
	return nil
}
