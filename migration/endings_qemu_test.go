package migration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// arrivesBetween is a connection to a destination at which the machine arrives after query-migrate and
// before query-status.
type arrivesBetween struct {
	side
	arrive func()
}

func (c *arrivesBetween) Execute(ctx context.Context, call *qmp.Call) error {
	if arrive := c.arrive; call.Command == "query-status" && arrive != nil {
		c.arrive = nil
		arrive()
	}
	return c.side.Execute(ctx, call)
}

// TestArrival: WaitIncoming reports each machine, even if it comes between two questions or while both
// sides ask all the time.
func TestArrival(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, ctx := machine(t, q, "pc", disk(t)...), limit(t)
		destination := func() side { return machine(t, q, "pc", append(disk(t), "-incoming", "defer")...) }
		back := func(dst side) {
			require.Equal(t, qemu.RunStateRunning, runState(t, dst))
			require.NoError(t, dst.VM.Close())
			require.NoError(t, qemu.Cont{}.Do(ctx, src))
		}
		dst := destination()
		_, err := migration.WaitIncoming(ctx, &arrivesBetween{dst, func() {
			moved(t, src, dst, listens(t, dst), nil)
		}}, nil)
		require.NoError(t, err)
		back(dst)
		for range arrivals {
			dst := destination()
			to := listens(t, dst)
			arrived := make(chan error, 1)
			go func() {
				_, err := migration.WaitIncoming(ctx, dst, &migration.IncomingOptions{Interval: time.Microsecond})
				arrived <- err
			}()
			_, err := migration.Run(ctx, src, to, &migration.Options{Interval: time.Microsecond})
			require.NoError(t, err)
			require.Equal(t, qemu.RunStatePostmigrate, runState(t, src))
			require.NoError(t, <-arrived)
			back(dst)
		}
	})
}

// arrivals is how often TestArrival moves a machine. A wait that asks in the wrong order misses one
// arrival in ten to twenty-five.
const arrivals = 5

// TestContAfterTheEnd: QEMU accepts cont at once after every end of a migration.
func TestContAfterTheEnd(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src := machine(t, q, "pc", disk(t)...)
		targets := []migration.Target{nowhere, migration.URI("exec:false"), migration.Unix(src.path("nobody"))}
		if q.AtLeast(8, 2) {
			targets = append(targets, migration.File(src.path("state"), 0))
		}
		for i := range 5 * len(targets) {
			_, err := migration.Run(limit(t), src, targets[i%len(targets)], nil)
			require.Contains(t, []string{"nil", "failed"}, endingOf(t, err), "%v", err)
			want := qemu.RunStateRunning
			if err == nil {
				want = qemu.RunStatePostmigrate
			}
			require.Equal(t, want, runState(t, src))
			require.NoError(t, qemu.Cont{}.Do(t.Context(), src))
		}
	})
}

// runWhenReady runs a migration. QEMU refuses to begin one for some milliseconds after a dump has ended, while it still closes
// the file.
func runWhenReady(t *testing.T, s side, to migration.Target) (err error) {
	t.Helper()
	for range 20 {
		_, err = migration.Run(limit(t), s, to, nil)
		if !errors.Is(err, migration.ErrNotStarted) || !errors.Is(err, qmp.ErrGeneric) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// TestSentAlready: Start refuses to send a machine again, which would end QEMU 5.2, and QEMU still runs.
// The same is so for the other states that end one of the versions.
func TestSentAlready(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		forbidden := func(s side, state qemu.RunState) {
			t.Helper()
			_, err := migration.Run(limit(t), s, nowhere, nil)
			require.ErrorIs(t, err, migration.ErrNotStarted)
			var forbidden *migration.StateError
			require.ErrorAs(t, err, &forbidden)
			require.Equal(t, state, forbidden.RunState)
			require.Equal(t, state, runState(t, s), "QEMU still runs")
		}
		allowed := func(s side) {
			t.Helper()
			_, err := migration.Run(limit(t), s, nowhere, nil)
			require.NoError(t, err)
			require.Equal(t, qemu.RunStatePostmigrate, runState(t, s))
		}
		src := machine(t, q, "pc", append(disk(t), filled(t)...)...)
		allowed(src)
		forbidden(src, qemu.RunStatePostmigrate)
		require.NoError(t, qemu.SystemReset{}.Do(t.Context(), src))
		forbidden(src, qemu.RunStatePrelaunch)
		require.NoError(t, qemu.Cont{}.Do(t.Context(), src))
		require.NoError(t, qemu.Stop{}.Do(t.Context(), src))
		allowed(src)
		require.NoError(t, qemu.Cont{}.Do(t.Context(), src))

		if q.AtLeast(7, 2) {
			return // and takes a backup that runs
		}
		require.NoError(t, qemu.BlockdevAdd{
			NodeName: new("target"), Driver: qemu.BlockdevDriverNullCo,
			Branch: &qemu.BlockdevOptionsNull{Size: new(int64(1 << 20))},
		}.Do(t.Context(), src))
		require.NoError(t, qemu.BlockdevBackup{
			JobID: new("backup"), Device: "d", Target: "target", Sync: qemu.MirrorSyncModeFull, Speed: new(int64(1 << 18)),
		}.Do(t.Context(), src))
		forbidden(src, qemu.RunStateRunning)
		require.Eventually(t, func() bool {
			jobs, err := qemu.QueryJobs{}.Do(t.Context(), src)
			return err == nil && len(jobs) == 0
		}, time.Minute, 10*time.Millisecond)
		allowed(src)
	})
}

// TestDumpIsWritten: Start refuses to migrate during a dump, which would end QEMU 5.2.
func TestDumpIsWritten(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src := machine(t, q, "pc", "-m", "1024")
		require.NoError(t, qemu.DumpGuestMemory{Paging: false, Protocol: "file:" + src.path("dump"), Detach: new(true)}.Do(t.Context(), src))
		_, err := migration.Run(limit(t), src, nowhere, nil)
		require.ErrorIs(t, err, migration.ErrNotStarted)
		var forbidden *migration.StateError
		require.ErrorAs(t, err, &forbidden)
		require.Equal(t, qemu.RunStateSaveVM, forbidden.RunState)
		require.Eventually(t, func() bool { return runState(t, src) == qemu.RunStateRunning }, time.Minute, 10*time.Millisecond)
		require.NoError(t, runWhenReady(t, src, nowhere))
	})
}

// TestStoppedMachine moves a stopped machine several times. With late-block-activate its disks are
// inactive at the destination: sending it on would end QEMU 5.2 and 7.2, and works with 10.0.
func TestStoppedMachine(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		args := disk(t)
		at := machine(t, q, "pc", append([]string{"-S"}, args...)...)
		for _, late := range []bool{false, false, true} {
			next := machine(t, q, "pc", append([]string{"-S", "-incoming", "defer"}, args...)...)
			if late {
				turnOn(t, qemu.MigrationCapabilityLateBlockActivate, next)
			}
			_, err := migration.Run(limit(t), at, listens(t, next), nil)
			require.NoError(t, err)
			_, err = migration.WaitIncoming(limit(t), next, nil)
			require.NoError(t, err)
			require.NoError(t, at.VM.Close())
			at = next
		}
		_, err := migration.Run(limit(t), at, nowhere, nil)
		if q.AtLeast(10, 0) {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, migration.ErrNotStarted)
		require.ErrorAs(t, err, new(*migration.StateError))
		require.NoError(t, qemu.Cont{}.Do(t.Context(), at))
		require.NoError(t, qemu.Stop{}.Do(t.Context(), at))
		require.NoError(t, migration.Disable(qemu.MigrationCapabilityLateBlockActivate).Do(t.Context(), at))
		_, err = migration.Run(limit(t), at, nowhere, nil)
		require.NoError(t, err)
	})
}

// TestWaitOfOthers: Wait ends with its context, and the migration of another client continues
// until it is cancelled.
func TestWaitOfOthers(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src := machine(t, q, "pc", filled(t)...)
		slow(t, src)
		_, err := migration.Cancel(t.Context(), src)
		require.NoError(t, err, "there is none")
		require.NoError(t, migration.Start(t.Context(), src, nowhere))
		ctx, opts := onActive(limit(t))
		p, err := migration.Wait(ctx, src, opts)
		require.ErrorIs(t, err, migration.ErrGoesOn)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, qemu.MigrationStatusActive, p.Status)
		p, err = migration.Query(t.Context(), src)
		require.NoError(t, err)
		require.Equal(t, qemu.MigrationStatusActive, p.Status)

		for range 2 {
			p, err = migration.Cancel(limit(t), src)
			require.NoError(t, err)
			require.Equal(t, qemu.MigrationStatusCancelled, p.Status)
			require.Equal(t, qemu.RunStateRunning, runState(t, src))
		}
		_, err = migration.Wait(limit(t), src, nil)
		require.ErrorIs(t, err, migration.ErrCancelled)
		fast(t, src)
		_, err = migration.Run(limit(t), src, nowhere, nil)
		require.NoError(t, err)
		_, err = migration.Cancel(limit(t), src)
		require.ErrorIs(t, err, migration.ErrCompleted)
	})
}

// TestReturnPath: the destination lacks a device. With return-path, the source learns that it
// could not load the machine. Without return-path, the migration may complete, and cont brings the
// machine back when the destination has ended.
func TestReturnPath(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst := pair(t, q, "-device", "virtio-rng-pci")
		turnOn(t, qemu.MigrationCapabilityReturnPath, src, dst)
		_, err := migration.Run(limit(t), src, listens(t, dst), nil)
		require.ErrorAs(t, err, new(*migration.FailedError))
		require.Equal(t, qemu.RunStateRunning, runState(t, src))

		dst = machine(t, q, "pc", "-incoming", "defer")
		require.NoError(t, migration.Disable(qemu.MigrationCapabilityReturnPath).Do(t.Context(), src))
		_, err = migration.Run(limit(t), src, listens(t, dst), nil)
		_, inErr := migration.WaitIncoming(limit(t), dst, nil)
		require.Error(t, inErr)
		if err == nil {
			require.Equal(t, qemu.RunStatePostmigrate, runState(t, src))
			require.NoError(t, dst.VM.Close())
			require.NoError(t, qemu.Cont{}.Do(t.Context(), src))
		}
		require.Equal(t, qemu.RunStateRunning, runState(t, src))
	})
}
