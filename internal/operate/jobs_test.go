package operate_test

import (
	"bytes"
	"context"
	"os"
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
			t.Helper()
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
		require.Regexp(t, `^j1: mirror, running, .* of 64 MiB\n  it has a limit of 1 MiB a second: job speed j1 0 takes it off\n$`, s.do("job", "list"))
		require.Equal(t, "job j1 pauses\n", s.do("job", "pause", "j1"))
		require.Eventually(t, func() bool { return status("j1") == qemu.JobStatusPaused }, time.Minute, time.Second/50)
		require.Regexp(t, `^j1: mirror, paused, .*\n  a person or a program has paused it: job resume j1\n$`, s.do("job", "list"))
		require.Regexp(t, "^job j1 continues: it has a limit of 1 MiB a second", s.do("job", "resume", "j1"))
		require.Equal(t, "job j1 has a limit of 2 MiB a second\n", s.do("job", "speed", "j1", "2M"))
		s.refused(nil, "job", "dismiss", "j1")
		require.Equal(t, "job j1 is cancelled\n", s.do("job", "cancel", "j1"))
		require.Empty(t, status("j1"))
		require.Regexp(t, `^QEMU has no job j1: it never was, or it has ended .*; there are no jobs$`, s.refused(job.ErrGone, "job", "cancel", "j1"))

		begin("j2", 0)
		require.Equal(t, "job j2 has succeeded\n", s.do("job", "complete", "j2"))
		begin("j3", 0)
		require.Equal(t, "job j3 has succeeded\n", s.do("job", "wait", "j3"))
		require.Empty(t, s.do("job", "list"))

		begin("j4", 1<<20)
		op, values, err := operate.Parse([]string{"job", "wait", "j4"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.env.Progress = func(string, int64, int64) { cancel() } // once it waits
		err = op.Run(ctx, s.env, values)
		require.ErrorIs(t, err, job.ErrGoesOn)
		require.ErrorContains(t, err, "job j4 goes on: only the wait was ended") // an interrupted wait leaves the job
		s.env.Progress = nil
		require.Equal(t, qemu.JobStatusRunning, status("j4"))
		require.Contains(t, s.out.String(), "job j4: it has a limit of 1 MiB a second: job speed j4 0 takes it off\n")
		require.Regexp(t, "; the jobs are j4$", s.refused(job.ErrGone, "job", "wait", "j1"))
		s.do("job", "cancel", "j4")

		for name, errno := range map[string]int64{"full": 28, "broken": 5} {
			for _, end := range []string{"-a", "-b"} {
				path := s.file(name+end, 1<<20)
				require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600))
				require.NoError(t, qemu.BlockdevAdd{NodeName: new(name + end), Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: path}}.Do(t.Context(), s.c))
			}
			require.NoError(t, qemu.BlockdevAdd{NodeName: &name, Branch: &qemu.BlockdevOptionsBlkdebug{
				Image: qemu.BlockdevRef{Reference: new(name + "-b")}, InjectError: []qemu.BlkdebugInjectErrorOptions{
					{Event: qemu.BlkdebugEventNone, Errno: &errno, IOType: new(qemu.BlkdebugIOTypeWrite)},
				}}}.Do(t.Context(), s.c))
			j, err := job.Start(t.Context(), s.c, name, qemu.BlockdevMirror{Device: name + "-a", Target: name, Sync: qemu.MirrorSyncModeFull,
				OnTargetError: new(qemu.BlockdevOnErrorStop)})
			require.NoError(t, err)
			j.Detach()
			why := map[string]string{"full": "no space is left for it: make room, then job resume full",
				"broken": "an I/O error has stopped it: mend the storage, then job resume broken; or job cancel broken"}[name]
			var stopped *job.StoppedError
			_, err = s.try("job", "wait", name)
			require.ErrorAs(t, err, &stopped)
			require.EqualError(t, err, "job "+name+" stands still: "+why)
			require.Contains(t, s.do("job", "list"), "\n  "+why+"\n")
			_, err = s.try("job", "resume", name) // nothing was mended
			require.ErrorAs(t, err, &stopped)
			require.EqualError(t, err, "job "+name+" stands still: "+why)
			s.do("job", "cancel", name)
		}

		begin("j5", 0)
		require.Eventually(t, func() bool { return status("j5") == qemu.JobStatusReady }, time.Minute, time.Second/50)
		require.Contains(t, s.do("job", "list"), "\n  it has copied everything, and waits for job complete j5 or job cancel j5\n")
		s.do("job", "pause", "j5")
		require.Equal(t, "job j5 continues: it has copied everything, and waits for job complete j5 or job cancel j5\n", s.do("job", "resume", "j5"))
		s.do("job", "cancel", "j5")

		require.NoError(t, qemu.BlockdevCreate{JobID: "c1", Options: qemu.BlockdevCreateOptions{
			Branch: &qemu.BlockdevCreateOptionsFile{Filename: "/nowhere/at/all", Size: 1 << 20}}}.Do(t.Context(), s.c))
		require.Eventually(t, func() bool { return status("c1") == qemu.JobStatusConcluded }, time.Minute, time.Second/50)
		require.Contains(t, s.do("job", "list"), "\n  it has failed: ")
		require.Equal(t, "job c1 is dismissed\n", s.do("job", "dismiss", "c1"))
		require.Empty(t, status("c1"))
	})
}
