package job_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// two is a transaction of two backups.
func two(grouped bool) job.Transaction {
	return job.Transaction{Grouped: grouped, Jobs: []job.Planned{
		{Request: qemu.BlockdevBackup{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull}},
		{ID: "second", Request: qemu.BlockdevBackup{Device: "data2", Target: "t2", Sync: qemu.MirrorSyncModeFull}},
	}}
}

// TestTransaction backs up two nodes at one moment: both, one, or none succeeds.
func TestTransaction(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		for _, name := range []string{"data1", "data2"} {
			s.raw(t, name, imageSize, name[4])
		}
		for _, name := range []string{"t1", "t2"} {
			s.raw(t, name, imageSize, 0)
		}
		bitmap := func(node string) qemu.TransactionAction {
			return qemu.TransactionAction{Branch: &qemu.BlockDirtyBitmapAdd{Node: node, Name: "b"}}
		}
		for _, grouped := range []bool{true, false} {
			ids := map[string]bool{}
			require.NoError(t, job.RunAll(ctx, s, two(grouped), func(id string, _ job.Progress) { ids[id] = true }))
			s.same(t, "data1", "t1")
			s.same(t, "data2", "t2")
			if s.version > 5 { // there, a job that is so fast ends without a query
				require.Equal(t, map[string]bool{"data1.backup": true, "second": true}, ids)
			}
			require.Empty(t, s.jobs(t))
		}

		// QEMU refuses the second one: the bitmap and the first job are gone.
		refused := two(false)
		refused.Jobs[1].Request = qemu.BlockdevBackup{Device: "data2", Target: "missing", Sync: qemu.MirrorSyncModeFull}
		refused.Actions = []qemu.TransactionAction{bitmap("data1")}
		_, err := job.StartAll(ctx, s, refused)
		require.ErrorIs(t, err, job.ErrNotStarted)
		_, ok := errors.AsType[*qmp.Error](err)
		require.True(t, ok)
		require.Empty(t, s.jobs(t))
		refused.Jobs = two(false).Jobs
		require.NoError(t, job.RunAll(ctx, s, refused, nil))
		require.Error(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(ctx, s))

		// The second one fails.
		s.add(t, &qemu.BlockdevOptions{NodeName: new("bad"), Branch: &qemu.BlockdevOptionsBlkdebug{
			Image: qemu.BlockdevRef{Reference: new("t2")},
			InjectError: []qemu.BlkdebugInjectErrorOptions{
				{Event: qemu.BlkdebugEventNone, Errno: new(int64(28)), IOType: new(qemu.BlkdebugIOTypeWrite)},
			},
		}})
		for _, grouped := range []bool{true, false} {
			for _, policy := range []qemu.BlockdevOnError{qemu.BlockdevOnErrorReport, qemu.BlockdevOnErrorStop} {
				fails := two(grouped)
				fails.Jobs[1].Request = qemu.BlockdevBackup{
					Device: "data2", Target: "bad", Sync: qemu.MirrorSyncModeFull, OnTargetError: &policy,
				}
				err = job.RunAll(ctx, s, fails, nil)
				_, failed := errors.AsType[*job.FailedError](err)
				_, stopped := errors.AsType[*job.StoppedError](err)
				require.Equal(t, policy == qemu.BlockdevOnErrorReport, failed, "%v", err)
				require.Equal(t, policy == qemu.BlockdevOnErrorStop, stopped, "%v", err)
				require.Empty(t, s.jobs(t))
			}
		}

		// ctx ends: both are cancelled.
		slow := two(true)
		for i := range slow.Jobs {
			request := slow.Jobs[i].Request.(qemu.BlockdevBackup)
			request.Speed = new(int64(1 << 20))
			slow.Jobs[i].Request = request
		}
		ending, cancel := context.WithCancel(ctx)
		jobs, err := job.StartAll(ending, s, slow)
		require.NoError(t, err)
		cancel()
		for _, j := range jobs {
			require.ErrorIs(t, j.Wait(ending, nil), job.ErrCancelled)
		}
		require.Empty(t, s.jobs(t))
		ending, cancel = context.WithCancel(ctx)
		err = job.RunAll(ending, s, slow, func(string, job.Progress) { cancel() })
		require.ErrorIs(t, err, job.ErrCancelled)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, s.jobs(t))
	})
}

// TestTransactionFinalizes: one job-finalize ends a group, and QEMU refuses no command.
func TestTransactionFinalizes(t *testing.T) {
	for _, version := range []qmp.Version{oldest, newest} {
		inBubble(t, version, func(t *testing.T, f *fake) {
			require.NoError(t, job.RunAll(t.Context(), f.client, two(true), nil))
			require.Zero(t, f.client.Stats().Refused)
			require.Empty(t, f.States())
		})
	}
}

// TestTransactionRefused: requests that cannot be in a transaction are not sent.
func TestTransactionRefused(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		twice := two(false)
		twice.Jobs[0].ID = "second"
		merge := two(false)
		merge.Actions = []qemu.TransactionAction{{Branch: &qemu.BlockDirtyBitmapMerge{Node: "data1", Target: "b"}}}
		for _, bad := range []job.Transaction{
			{}, twice, merge, {Grouped: true, Jobs: two(true).Jobs, Actions: []qemu.TransactionAction{{Branch: &qemu.Abort{}}}},
			{Jobs: []job.Planned{{Request: mirror}}},
			{Jobs: []job.Planned{{ID: "one"}}},
		} {
			require.ErrorIs(t, job.RunAll(t.Context(), f.client, bad, nil), job.ErrNotStarted)
			require.Empty(t, f.States())
		}
		f.Hold(true)
		_, err := job.Start(t.Context(), f.client, "second", backup)
		require.NoError(t, err)
		_, err = job.StartAll(t.Context(), f.client, two(true))
		require.ErrorIs(t, err, job.ErrNotStarted)
		require.ErrorIs(t, err, job.ErrExists)
		require.Equal(t, []string{"second running"}, f.States())
	})
}

// TestTransactionFaults: whatever command goes wrong, the wait ends, and the error says what is known.
func TestTransactionFaults(t *testing.T) {
	for _, version := range []qmp.Version{oldest, newest} {
		for _, fault := range fakeqemu.Faults {
			t.Run(version.String()+"/"+string(fault), func(t *testing.T) {
				inBubble(t, version, func(t *testing.T, f *fake) {
					run := func(ctx context.Context, conn *fakeqemu.Faulty) error { return job.RunAll(ctx, conn, two(true), nil) }
					met, err := fakeqemu.AtEveryStep(t.Context(), f.client, fault, run, func(command string, err error) {
						left := f.States()
						if err == nil || errors.Is(err, job.ErrNotStarted) || errors.Is(err, job.ErrCancelled) {
							require.Empty(t, left, "%s: %v", command, err)
						}
						for _, id := range []string{"data1.backup", "second"} {
							j, findErr := job.Find(t.Context(), f.client, id)
							if errors.Is(findErr, job.ErrGone) {
								continue
							}
							require.NoError(t, findErr)
							require.NotErrorIs(t, j.Wait(t.Context(), nil), job.ErrGoesOn, "%s: %v", command, err)
						}
						require.Empty(t, f.States())
					})
					require.NoError(t, err)
					require.Contains(t, met, "transaction")
				})
			})
		}
	}
}
