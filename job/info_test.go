package job_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// cause waits until a job has a cause, and returns its description.
func (s *server) cause(t *testing.T, id string, want job.Cause) job.Info {
	t.Helper()
	var last []job.Info
	for ctx := within(t); ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		var err error
		last, err = job.Describe(ctx, s)
		require.NoError(t, err)
		for _, i := range last {
			if i.ID == id && i.Cause == want {
				return i
			}
		}
	}
	require.Fail(t, "the job does not get the cause", "%s of %s: %+v", want, id, last)
	return job.Info{}
}

// TestDescribe has jobs that stand still for each cause.
func TestDescribe(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		for _, name := range []string{"t1", "t2", "t3"} {
			s.raw(t, name, imageSize, 0)
		}
		all, err := job.Describe(ctx, s)
		require.NoError(t, err)
		require.Empty(t, all)

		slow := qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull, Speed: new(int64(1))}
		j, err := job.Start(ctx, s, "slow", slow)
		require.NoError(t, err)
		defer j.Detach()
		info := s.cause(t, "slow", job.CauseSpeed)
		require.EqualValues(t, 1, info.Block.Speed)
		require.Equal(t, qemu.JobTypeMirror, info.Type)
		require.NoError(t, j.Pause(ctx))
		s.cause(t, "slow", job.CausePaused)
		require.NoError(t, j.Resume(ctx))
		require.NoError(t, j.SetSpeed(ctx, 0))
		require.NoError(t, j.WaitReady(ctx, nil))
		s.cause(t, "slow", job.CauseComplete)
		require.NoError(t, j.Pause(ctx)) // standby
		s.cause(t, "slow", job.CausePaused)
		p, err := j.Progress(ctx)
		require.NoError(t, err)
		require.Equal(t, job.CausePaused, p.Cause)
		require.NoError(t, j.Resume(ctx))
		require.NoError(t, j.EndWithoutPivot(ctx))

		held := s.mirror("t2")
		held.AutoFinalize = new(false)
		j, err = job.Start(ctx, s, "held", held)
		require.NoError(t, err)
		require.NoError(t, j.WaitPending(ctx, nil))
		require.False(t, s.cause(t, "held", job.CauseFinalize).Block.AutoFinalize)
		require.NoError(t, j.Cancel(ctx))

		request := qemu.BlockdevCreate{JobID: "made", Options: qemu.BlockdevCreateOptions{Branch: &qemu.BlockdevCreateOptionsFile{Filename: "/nowhere/at/all"}}}
		require.NoError(t, request.Do(ctx, s))
		info = s.cause(t, "made", job.CauseDismiss)
		require.Nil(t, info.Block)
		require.NotEmpty(t, qmp.Value(info.Error))

		bad := func(name string, errno int64) {
			s.add(t, &qemu.BlockdevOptions{NodeName: new(name), Branch: &qemu.BlockdevOptionsBlkdebug{
				Image: qemu.BlockdevRef{Reference: new("t3")}, InjectError: []qemu.BlkdebugInjectErrorOptions{
					{Event: qemu.BlkdebugEventNone, Errno: &errno, IOType: new(qemu.BlkdebugIOTypeWrite)},
				}}})
			r := s.mirror(name)
			r.OnTargetError = new(qemu.BlockdevOnErrorStop)
			j, err = job.Start(ctx, s, name, r)
			require.NoError(t, err)
		}
		bad("full", 28)
		s.cause(t, "full", job.CauseNoSpace)
		var seen job.Progress
		require.Error(t, j.Wait(ctx, func(p job.Progress) { seen = p }))
		require.Equal(t, job.CauseNoSpace, seen.Cause)
		require.NoError(t, j.Cancel(ctx))
		bad("broken", 5)
		s.cause(t, "broken", job.CauseIOError)
		require.NoError(t, j.Cancel(ctx))

		together := job.Transaction{Grouped: true, Jobs: []job.Planned{
			{ID: "first", Request: qemu.BlockdevBackup{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull}},
			{ID: "second", Request: qemu.BlockdevBackup{Device: "data1", Target: "t2", Sync: qemu.MirrorSyncModeFull, Speed: new(int64(1))}},
		}}
		jobs, err := job.StartAll(ctx, s, together)
		require.NoError(t, err)
		s.cause(t, "first", job.CauseOthers)
		s.cause(t, "second", job.CauseSpeed)
		for _, j := range jobs {
			require.NoError(t, j.Cancel(ctx))
		}
	})
}

// TestDescribeDrain: QEMU pauses a job for a moment, which is no cause. The queries fail.
func TestDescribeDrain(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		var asked atomic.Int64
		status := func(first qemu.JobStatus) {
			asked.Store(0)
			f.Handle("query-jobs", func(*qmptest.Request) (any, error) {
				now := first
				if asked.Add(1) > 1 {
					now = qemu.JobStatusPaused
				}
				return []qemu.JobInfo{{ID: "one", Type: qemu.JobTypeBackup, Status: now}, {ID: "two", Type: qemu.JobTypeBackup, Status: qemu.JobStatusPaused}}, nil
			})
		}
		f.Handle("query-block-jobs", qmptest.Return([]map[string]any{{"type": "backup", "device": "one", "len": 0, "offset": 0, "busy": false, "paused": true,
			"speed": 0, "io-status": "ok", "ready": false, "status": "paused", "auto-finalize": true, "auto-dismiss": true}}))
		causes := func() (causes []job.Cause) {
			all, err := job.Describe(t.Context(), f.client)
			require.NoError(t, err)
			for _, i := range all {
				causes = append(causes, i.Cause)
			}
			return causes
		}
		status(qemu.JobStatusReady)
		require.Equal(t, []job.Cause{"", job.CausePaused}, causes())
		require.EqualValues(t, 2, asked.Load())
		status(qemu.JobStatusPaused)
		require.Equal(t, []job.Cause{job.CausePaused, job.CausePaused}, causes())

		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // during the pause
		defer cancel()
		_, err := job.Describe(ctx, f.client)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		f.Handle("query-block-jobs", qmptest.Refuse(qmp.ErrCommandNotFound, "none"))
		require.Equal(t, []job.Cause{job.CausePaused, job.CausePaused}, causes())
		j, err := job.Find(t.Context(), f.client, "one")
		require.ErrorContains(t, err, "none") // query-block-jobs
		require.Nil(t, j)
		for _, command := range []string{"query-block-jobs", "query-jobs"} {
			f.Handle(command, qmptest.Refuse(qmp.ErrGeneric, "injected"))
			_, err = job.Describe(t.Context(), f.client)
			require.ErrorContains(t, err, "injected")
		}
	})
}
