package migration_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// postcopyPair is a pair that can do postcopy, slowly, with more arguments for both. QEMU refuses the capability at a destination
// whose host does not let it catch page faults, which may be so for users other than root.
func postcopyPair(t *testing.T, q *qemutest.QEMU, args ...string) (src, dst side, can bool) {
	t.Helper()
	src = machine(t, q, "pc", append(args, filled(t)...)...)
	dst = machine(t, q, "pc", append(args, "-incoming", "defer")...)
	slow(t, src)
	turnOn(t, qemu.MigrationCapabilityPostcopyRAM, src)
	err := migration.Enable(qemu.MigrationCapabilityPostcopyRAM).Do(t.Context(), dst)
	if err != nil {
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.NotZero(t, os.Geteuid(), "root is let")
	}
	return src, dst, err == nil
}

// atOnce asks for postcopy as soon as that is possible.
func atOnce(migration.Progress) bool { return true }

// TestPostcopy lets the destination run before it has all of the memory.
func TestPostcopy(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst, can := postcopyPair(t, q)
		if !can {
			return
		}
		asked, handedOver := 0, false
		moved(t, src, dst, listens(t, dst), &migration.Options{
			Postcopy: func(p migration.Progress) bool {
				asked++
				return p.Pass > 0
			},
			Progress: func(p migration.Progress) {
				if p.Status == qemu.MigrationStatusPostcopyActive && !handedOver {
					handedOver = true
					require.Positive(t, p.Remaining)
					fast(t, src)
				}
			},
		})
		require.True(t, handedOver)
		require.Positive(t, asked)
	})
}

// TestPostcopyIsNotCancelled: neither side has the whole machine. Instead, postcopy is paused and
// resumed. The machine is stopped, because a machine that runs and waits for memory can keep QEMU
// from answering.
func TestPostcopyIsNotCancelled(t *testing.T) {
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst, can := postcopyPair(t, q, "-S")
		if !can {
			return
		}
		ctx, cancel := context.WithCancel(limit(t))
		_, err := migration.Run(ctx, src, listens(t, dst), &migration.Options{
			Postcopy: atOnce,
			Progress: func(p migration.Progress) {
				if p.Status == qemu.MigrationStatusPostcopyActive {
					cancel()
				}
			},
		})
		require.ErrorIs(t, err, migration.ErrGoesOn)
		require.ErrorIs(t, err, context.Canceled)
		ctx = limit(t)

		require.Eventually(t, func() bool { // one that is paused before does not survive it
			return runState(t, dst) == qemu.RunStatePaused
		}, time.Minute, 10*time.Millisecond)
		begun := transferred(t, src)
		require.Eventually(t, func() bool { // while QEMU 7.2 begins postcopy, a pause is a failure
			return transferred(t, src) > begun
		}, time.Minute, 10*time.Millisecond)
		require.NoError(t, qemu.MigratePause{}.Do(ctx, src))
		_, err = migration.Wait(ctx, src, nil)
		require.ErrorIs(t, err, migration.ErrPaused)
		_, err = migration.WaitIncoming(ctx, dst, nil)
		require.ErrorIs(t, err, migration.ErrPaused)

		for _, to := range []migration.Target{migration.Unix(src.path("nobody")), migration.TCP("127.0.0.1:1")} {
			p, err := migration.Resume(ctx, src, to, nil) // QEMU 5.2 does not survive its own second attempt
			require.ErrorIs(t, err, migration.ErrPaused)
			if q.AtLeast(10, 0) {
				require.ErrorContains(t, err, qmp.Value(p.Info.ErrorDesc))
				require.NotEmpty(t, p.Info.ErrorDesc)
			}
		}
		if !q.AtLeast(7, 2) {
			_, err = migration.Resume(ctx, src, migration.URI("vsock:2:1"), nil)
			require.ErrorIs(t, err, migration.ErrNotStarted)
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
		again := dst.path("again")
		require.NoError(t, qemu.MigrateRecover{URI: "unix:" + again}.Do(ctx, dst))
		fast(t, src)
		_, err = migration.Resume(ctx, src, migration.Unix(again), nil)
		require.NoError(t, err)
		_, err = migration.WaitIncoming(ctx, dst, nil)
		require.NoError(t, err)
		require.NoError(t, qemu.Cont{}.Do(ctx, dst))
		require.Equal(t, qemu.RunStateRunning, runState(t, dst))
	})
}

// transferred is how much memory the source has sent, in bytes.
func transferred(t *testing.T, src side) int64 {
	t.Helper()
	info, err := qemu.QueryMigrate{}.Do(t.Context(), src)
	require.NoError(t, err)
	require.NotNil(t, info.RAM)
	return info.RAM.Transferred
}

// TestPostcopyWithoutTheCapability: Run fails before it begins, and Wait when QEMU refuses. QEMU
// refuses a second migration, and the first continues.
func TestPostcopyWithoutTheCapability(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst := pair(t, q, filled(t)...)
		slow(t, src)
		to := listens(t, dst)
		opts := &migration.Options{Postcopy: atOnce}
		_, err := migration.Run(t.Context(), src, to, opts)
		require.ErrorIs(t, err, migration.ErrNotStarted)
		require.ErrorContains(t, err, "postcopy-ram")
		_, err = migration.Wait(t.Context(), src, nil)
		require.ErrorIs(t, err, migration.ErrNone)

		require.NoError(t, migration.Start(t.Context(), src, to))
		var refusal *qmp.Error
		require.ErrorAs(t, migration.Start(t.Context(), src, to), &refusal)
		_, err = migration.Wait(limit(t), src, opts)
		require.ErrorIs(t, err, migration.ErrGoesOn)
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "migrate-start-postcopy", refusal.Command)
		require.True(t, qmp.MayHaveExecuted(err), "there is a migration")
		_, err = migration.Cancel(limit(t), src)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStateRunning, runState(t, src))
	})
}

// TestPreSwitchover: the callback fails the first time and succeeds the second time.
func TestPreSwitchover(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst := pair(t, q)
		busy := errors.New("the storage is not ready")
		opts := &migration.Options{PreSwitchover: func(context.Context) error { return busy }}
		to := listens(t, dst)
		_, err := migration.Run(limit(t), src, to, opts)
		require.ErrorIs(t, err, migration.ErrNotStarted)
		require.ErrorContains(t, err, "pause-before-switchover")

		turnOn(t, qemu.MigrationCapabilityPauseBeforeSwitchover, src)
		_, err = migration.Run(limit(t), src, to, opts)
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, busy)
		require.Equal(t, qemu.RunStateRunning, runState(t, src))

		dst = machine(t, q, "pc", "-incoming", "defer")
		called := 0
		moved(t, src, dst, listens(t, dst), &migration.Options{PreSwitchover: func(context.Context) error {
			called++
			require.Equal(t, qemu.RunStateFinishMigrate, runState(t, src))
			return nil
		}})
		require.Equal(t, 1, called)
	})
}
