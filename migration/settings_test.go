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
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestLimits(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{}).Dial(t)
		ctx := t.Context()
		for _, step := range []struct {
			set                           migration.Limits
			bandwidth, postcopy, downtime uint64
		}{
			{migration.Limits{Bandwidth: 5 << 20, Downtime: 150 * time.Millisecond}, 5 << 20, 5 << 20, 150},
			{migration.Limits{PostcopyBandwidth: 3 << 20}, 5 << 20, 3 << 20, 150},
			{migration.Limits{Downtime: time.Second + time.Nanosecond}, 5 << 20, 3 << 20, 1001},
			{migration.Limits{}, 5 << 20, 3 << 20, 1001},
		} {
			require.NoError(t, migration.SetLimits(ctx, c, step.set))
			p, err := qemu.QueryMigrateParameters{}.Do(ctx, c)
			require.NoError(t, err)
			require.Equal(t, step.bandwidth, qmp.Value(p.MaxBandwidth))
			require.Equal(t, step.postcopy, qmp.Value(p.MaxPostcopyBandwidth))
			require.Equal(t, step.downtime, qmp.Value(p.DowntimeLimit))
		}
		require.ErrorIs(t, migration.SetLimits(ctx, c, migration.Limits{Downtime: -1}), qmp.ErrNotSent)
		require.ErrorIs(t, migration.SetLimits(ctx, c, migration.Limits{Downtime: time.Hour}), qmp.ErrGeneric)
	})
}

// TestLimitsOfOldQEMUs has a QEMU without a limit for postcopy.
func TestLimitsOfOldQEMUs(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", qmptest.Return([]map[string]any{
		{"name": "migrate-set-parameters", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
		{"name": "0", "meta-type": "object", "members": []any{}},
	}))
	s.Expect("migrate-set-parameters").With(map[string]any{"max-bandwidth": 1})
	c := s.Dial()
	err := migration.SetLimits(t.Context(), c, migration.Limits{Bandwidth: 1, PostcopyBandwidth: 2})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, migration.SetLimits(t.Context(), c, migration.Limits{Bandwidth: 1}))
}

func TestCapabilities(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{}).Dial(t)
		ctx := t.Context()
		both := []qemu.MigrationCapability{qemu.MigrationCapabilityReturnPath, qemu.MigrationCapabilityAutoConverge}
		require.NoError(t, migration.Enable(both...).Do(ctx, c))
		require.True(t, areOn(t, c, both...))
		require.NoError(t, migration.Disable(both...).Do(ctx, c))
		require.False(t, areOn(t, c, both...))
		err := migration.Enable(qemu.MigrationCapabilityReturnPath, "x-nonesuch").Do(ctx, c)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.False(t, areOn(t, c, both...), "all or none")
	})
}

// areOn reports whether all of them are on, or, if not, that none is.
func areOn(t *testing.T, c *qmp.Client, capabilities ...qemu.MigrationCapability) bool {
	t.Helper()
	states, err := qemu.QueryMigrateCapabilities{}.Do(t.Context(), c)
	require.NoError(t, err)
	on := 0
	for _, s := range states {
		for _, wanted := range capabilities {
			if s.Capability == wanted && s.State {
				on++
			}
		}
	}
	require.Contains(t, []int{0, len(capabilities)}, on)
	return on > 0
}

// TestNoMigration: Wait, WaitIncoming and Cancel without a migration.
func TestNoMigration(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		idle, waiting := machine(t, q, "none"), machine(t, q, "none", "-incoming", "defer")
		_, err := migration.Wait(t.Context(), idle, nil)
		require.ErrorIs(t, err, migration.ErrNone)
		_, err = migration.WaitIncoming(t.Context(), idle, nil)
		require.ErrorIs(t, err, migration.ErrNone)

		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err = migration.WaitIncoming(ctx, waiting, nil)
			require.ErrorIs(t, err, migration.ErrGoesOn)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			if p, err := migration.Query(t.Context(), waiting); err != nil || p.Info.SocketAddress == nil {
				require.NoError(t, err)
				listens(t, waiting)
			}
		}
		_, err = migration.Cancel(t.Context(), waiting)
		require.ErrorIs(t, err, migration.ErrGoesOn)
		_, err = migration.Cancel(t.Context(), idle)
		require.NoError(t, err)
		err = migration.StartIncoming(t.Context(), idle, migration.Unix(idle.path("m")))
		require.ErrorIs(t, err, qmp.ErrGeneric, "QEMU was not started with -incoming defer")
	})
}

func TestInvalidTargets(t *testing.T) {
	c := qemutest.Get(t, "").Start(t, qemutest.Config{}).Dial(t)
	for _, wrong := range []migration.Target{
		{}, migration.Unix(""), migration.TCP("host"), migration.TCP("::1:4444"), migration.TCP("host:http"),
		migration.TCP("host:65536"), migration.TCP("host,to=9:4444"), migration.FD(nil), migration.File("", 0),
		migration.Channels(), migration.URI(""),
	} {
		require.ErrorIs(t, migration.Start(t.Context(), c, wrong), qmp.ErrNotSent)
		require.ErrorIs(t, migration.Start(t.Context(), c, wrong), migration.ErrNotStarted)
		require.ErrorIs(t, migration.StartIncoming(t.Context(), c, wrong), qmp.ErrNotSent)
		_, err := migration.Resume(t.Context(), c, wrong, nil)
		require.ErrorIs(t, err, qmp.ErrNotSent)
	}
}
