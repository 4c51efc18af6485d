package operate_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestJobs(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		begin := func(id string, speed int64) {
			source := qemu.BlockdevAdd{NodeName: new(id + "-a"), Branch: &qemu.BlockdevOptionsNull{Size: new(int64(64 << 20)), ReadZeroes: new(false)}, Driver: qemu.BlockdevDriverNullCo}
			require.NoError(t, source.Do(t.Context(), s.c))
			source.NodeName = new(id + "-b")
			require.NoError(t, source.Do(t.Context(), s.c))
			j, err := job.Start(t.Context(), s.c, id, qemu.BlockdevMirror{Device: id + "-a", Target: id + "-b", Sync: qemu.MirrorSyncModeFull, Speed: &speed})
			require.NoError(t, err)
			j.Detach()
		}
		status := func(id string) qemu.JobStatus {
			all, err := job.List(t.Context(), s.c)
			require.NoError(t, err)
			for _, j := range all {
				if j.ID == id {
					return j.Status
				}
			}
			return ""
		}
		begin("j1", 1<<20)
		require.Regexp(t, `^j1: mirror, running, .* of 64 MiB\n$`, s.do("job", "list"))
		require.Equal(t, "job j1 pauses\n", s.do("job", "pause", "j1"))
		require.Eventually(t, func() bool { return status("j1") == qemu.JobStatusPaused }, time.Minute, time.Second/50)
		require.Equal(t, "job j1 continues\n", s.do("job", "resume", "j1"))
		require.Equal(t, "job j1 has a limit of 2 MiB a second\n", s.do("job", "speed", "j1", "2M"))
		s.refused(nil, "job", "dismiss", "j1")
		require.Equal(t, "job j1 is cancelled\n", s.do("job", "cancel", "j1"))
		require.Empty(t, status("j1"))
		s.refused(job.ErrGone, "job", "cancel", "j1")

		begin("j2", 0)
		require.Equal(t, "job j2 has succeeded\n", s.do("job", "complete", "j2"))
		begin("j3", 0)
		require.Equal(t, "job j3 has succeeded\n", s.do("job", "wait", "j3"))
		require.Empty(t, s.do("job", "list"))

		begin("j4", 1<<20)
		op, values, err := operate.Parse([]string{"job", "wait", "j4"})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/5)
		defer cancel()
		require.ErrorIs(t, op.Run(ctx, s.env, values), job.ErrGoesOn) // an interrupted wait leaves the job
		require.Equal(t, qemu.JobStatusRunning, status("j4"))
		s.do("job", "cancel", "j4")

		require.NoError(t, qemu.BlockdevCreate{JobID: "c1", Options: qemu.BlockdevCreateOptions{
			Branch: &qemu.BlockdevCreateOptionsFile{Filename: "/nowhere/at/all", Size: 1 << 20}}}.Do(t.Context(), s.c))
		require.Eventually(t, func() bool { return status("c1") == qemu.JobStatusConcluded }, time.Minute, time.Second/50)
		require.Contains(t, s.do("job", "list"), "c1: create, concluded, ")
		require.Equal(t, "job c1 is dismissed\n", s.do("job", "dismiss", "c1"))
		require.Empty(t, status("c1"))
	})
}
