package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// ownLimit is the time limit of steps that do not end with the context of an operation: to begin a
// migration, which QEMU does at once, and to cancel one, which it does when it has told the
// destination.
const ownLimit = 15 * time.Second

// without returns a context with this limit instead of the end of ctx.
func without(ctx context.Context) (context.Context, context.CancelFunc) {
	return wait.Detach(ctx, ownLimit)
}

// descriptor is the name under which QEMU gets the descriptor of a target.
const descriptor = "qmpkit:migration"

// Start begins to send the machine (migrate) and returns when QEMU has accepted the target. QEMU finds out
// later whether it can reach the target; [Wait] reports that. Start turns on the capability "events".
//
// If ctx has ended, Start does nothing. After Start has begun to send migrate, it waits for the reply
// even if ctx ends, 15 seconds at most.
//
// Start returns an error that matches:
//   - [ErrNotStarted]: the migration has not begun. It may also match a [*StateError]: bring the
//     machine into another state first.
//   - [ErrUnknown]: QEMU did not answer, and the migration may have begun.
func Start(ctx context.Context, conn qmp.Conn, to Target) error {
	err := prepare(ctx, conn, to, "migrate")
	if err == nil {
		err = checkState(ctx, conn)
	}
	if err == nil {
		err = waitClosed(ctx, conn)
	}
	if err == nil {
		err = enableEvents(ctx, conn)
	}
	if err != nil {
		return unstarted(err)
	}
	return begin(ctx, conn, to, func(ctx context.Context, uri *string) error {
		//qmp:allow migrate/arg-type/channels prepare has asked for what the target needs
		return qemu.Migrate{URI: uri, Channels: to.channels}.Do(ctx, conn)
	})
}

// StartIncoming makes a QEMU that was started with "-incoming defer" listen for the machine, or load
// it from a file (migrate-incoming). It returns when QEMU listens. [WaitIncoming] waits for the
// machine. StartIncoming turns on the capability "events".
//
// If the migration fails, QEMU 9.1 and newer keep running to report the reason: end the process then. An
// older QEMU exits. The errors are those of Start.
func StartIncoming(ctx context.Context, conn qmp.Conn, from Target) error {
	err := prepare(ctx, conn, from, "migrate-incoming")
	if err == nil {
		err = enableEvents(ctx, conn)
	}
	var exits *bool
	if err == nil {
		exits, err = staysOnError(ctx, conn)
	}
	if err != nil {
		return unstarted(err)
	}
	return begin(ctx, conn, from, func(ctx context.Context, uri *string) error {
		//qmp:allow migrate-incoming/arg-type/channels prepare has asked for what the target needs
		return qemu.MigrateIncoming{URI: uri, Channels: from.channels, ExitOnError: exits}.Do(ctx, conn)
	})
}

// staysOnError returns the value for exit-on-error: false if QEMU has it.
func staysOnError(ctx context.Context, x qmp.Executor) (*bool, error) {
	has, err := has(ctx, x, "migrate-incoming/arg-type/exit-on-error")
	if err != nil || !has {
		return nil, err
	}
	return new(false), nil
}

// closeLimit is how long QEMU may take to close what the migration before has used.
const closeLimit = time.Second

// waitClosed waits until QEMU has closed the connection of the migration before, which can take some milliseconds after its
// end. Until then, QEMU 6.0 and later refuse to begin another one, because they would have two connections to yank.
func waitClosed(ctx context.Context, x qmp.Executor) error {
	isMigration := func(i qemu.YankInstance) bool { return i.Type == qemu.YankInstanceTypeMigration }
	for begun := time.Now(); ; {
		connections, err := qemu.QueryYank{}.Do(ctx, x)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil || !slices.ContainsFunc(connections, isMigration) || time.Since(begun) > closeLimit {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return wait.Err(ctx)
		}
	}
}

// prepare checks whether a migration would fail, before it sends the command.
func prepare(ctx context.Context, x qmp.Executor, t Target, command string) error {
	if err := wait.Err(ctx); err != nil {
		return err
	}
	return t.check(ctx, x, command)
}

func enableEvents(ctx context.Context, x qmp.Executor) error {
	return Enable(qemu.MigrationCapabilityEvents).Do(ctx, x)
}

// begin sends the command that begins a migration, with the target's descriptor if it has one,
// with its own time limit.
func begin(ctx context.Context, conn qmp.Conn, t Target, send func(ctx context.Context, uri *string) error) error {
	ctx, cancel := without(ctx)
	defer cancel()
	uri := t.uri
	if t.file != nil {
		uri = "fd:" + descriptor
		if err := qmpfd.Send(ctx, conn, descriptor, t.file); err != nil {
			return unstarted(unanswered(ctx, err))
		}
	}
	err := send(ctx, qmp.NonZero(uri))
	if err == nil {
		return nil
	}
	var kept error
	if t.file != nil {
		kept = takeBack(ctx, conn)
	}
	if qmp.MayHaveExecuted(err) {
		return end(ErrUnknown, "", unanswered(ctx, err), kept)
	}
	return end(ErrNotStarted, "", unanswered(ctx, err), kept)
}

// takeBack closes the descriptor if QEMU has not taken it.
func takeBack(ctx context.Context, conn qmp.Conn) error {
	ctx, cancel := without(ctx)
	defer cancel()
	if err := qmpfd.Close(ctx, conn, descriptor); err != nil {
		return fmt.Errorf("QEMU may still have the descriptor %q: %w", descriptor, unanswered(ctx, err))
	}
	return nil
}
