package job_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var allVersions = qemutest.Versions

const imageSize = 8 << 20

// A server is a QEMU or a storage daemon, with a connection and a folder.
type server struct {
	*qmp.Client
	version int // the major one
	dir     string
}

// onServers runs a test on each QEMU and each storage daemon.
func onServers(t *testing.T, test func(t *testing.T, s *server)) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Run("QEMU", func(t *testing.T) {
			c := q.Start(t, qemutest.Config{}).Dial(t)
			test(t, &server{c, c.Version().Major, t.TempDir()})
		})
		t.Run("daemon", func(t *testing.T) {
			c := q.StartStorage(t).Dial(t)
			test(t, &server{c, c.Version().Major, t.TempDir()})
		})
	})
}

// within is a context for a test on a busy machine.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

// raw adds a node with a new image that is filled with a byte.
func (s *server) raw(t *testing.T, name string, size int, fill byte) {
	t.Helper()
	content := make([]byte, size)
	for i := range content {
		content[i] = fill
	}
	require.NoError(t, os.WriteFile(s.path(name), content, 0o600))
	s.add(t, &qemu.BlockdevOptions{Driver: qemu.BlockdevDriverFile, NodeName: new(name), Branch: &qemu.BlockdevOptionsFile{Filename: s.path(name)}})
}

func (s *server) add(t *testing.T, node *qemu.BlockdevOptions) {
	t.Helper()
	require.NoError(t, qemu.BlockdevAdd(*node).Do(t.Context(), s))
}

// qcow2 creates a qcow2 image, and adds a node for its file. It uses two jobs.
func (s *server) qcow2(t *testing.T, name string) {
	t.Helper()
	create := func(options qemu.BlockdevCreateOptionsBranch, driver qemu.BlockdevDriver) {
		t.Helper()
		request := qemu.BlockdevCreate{Options: qemu.BlockdevCreateOptions{Driver: driver, Branch: options}}
		require.NoError(t, job.Run(within(t), s, name+".create", request, nil))
	}
	create(&qemu.BlockdevCreateOptionsFile{Filename: s.path(name)}, qemu.BlockdevDriverFile)
	s.add(t, &qemu.BlockdevOptions{Driver: qemu.BlockdevDriverFile, NodeName: new(name + ".file"), Branch: &qemu.BlockdevOptionsFile{Filename: s.path(name)}})
	create(&qemu.BlockdevCreateOptionsQcow2{File: qemu.BlockdevRef{Reference: new(name + ".file")}, Size: imageSize}, qemu.BlockdevDriverQcow2)
}

func (s *server) jobs(t *testing.T) []qemu.JobInfo {
	t.Helper()
	all, err := job.List(t.Context(), s)
	require.NoError(t, err)
	return all
}

// same compares two images.
func (s *server) same(t *testing.T, a, b string) {
	t.Helper()
	first, err := os.ReadFile(s.path(a))
	require.NoError(t, err)
	second, err := os.ReadFile(s.path(b))
	require.NoError(t, err)
	require.True(t, string(first) == string(second), "the images %s and %s differ", a, b)
}

func (s *server) mirror(target string) qemu.BlockdevMirror {
	return qemu.BlockdevMirror{Device: "data1", Target: target, Sync: qemu.MirrorSyncModeFull}
}

// TestMirror runs a mirror in one call, and one step by step.
func TestMirror(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		var last job.Progress
		require.NoError(t, job.Run(ctx, s, "", s.mirror("t1"), func(p job.Progress) { last = p }))
		require.Equal(t, job.Progress{Status: qemu.JobStatusConcluded, Current: imageSize, Total: imageSize}, withoutSpeed(last))
		s.same(t, "data1", "t1")
		require.Empty(t, s.jobs(t))

		s.raw(t, "t2", imageSize, 0)
		j, err := job.Start(ctx, s, "data1.copy", s.mirror("t2"))
		require.NoError(t, err)
		require.Equal(t, "data1.copy", j.ID())
		require.Equal(t, qemu.JobTypeMirror, j.Type())
		require.NoError(t, j.WaitReady(ctx, func(p job.Progress) { last = p }))
		require.Equal(t, qemu.JobStatusReady, last.Status)
		require.NoError(t, j.EndWithoutPivot(ctx))
		require.NoError(t, j.Wait(ctx, nil), "the ending is kept")
		s.same(t, "data1", "t2")
		require.Empty(t, s.jobs(t))
	})
}

func withoutSpeed(p job.Progress) job.Progress { p.Speed = 0; return p }

// TestFailure: QEMU's reason is returned, and the job is dismissed.
func TestFailure(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "small", imageSize/2, 0)
		err := job.Run(ctx, s, "", s.mirror("small"), nil)
		failed, ok := errors.AsType[*job.FailedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "data1.mirror", failed.ID)
		require.Equal(t, qemu.JobTypeMirror, failed.Type)
		require.Contains(t, failed.Reason, "size")
		require.True(t, qmp.MayHaveExecuted(err))
		require.Empty(t, s.jobs(t))

		err = job.Run(ctx, s, "", s.mirror("nothing"), nil)
		require.ErrorIs(t, err, job.ErrNotStarted)
		require.False(t, qmp.MayHaveExecuted(err))
		require.Empty(t, s.jobs(t))
	})
}

// slowly starts a mirror that would take some seconds.
func (s *server) slowly(t *testing.T, target string) *job.Job {
	t.Helper()
	request := s.mirror(target)
	request.Speed = new(int64(imageSize / 8))
	j, err := job.Start(t.Context(), s, "data1.copy", request)
	require.NoError(t, err)
	t.Cleanup(j.Detach)
	return j
}

// TestCancel cancels a job that runs, one that is ready, and one that has ended.
func TestCancel(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		j := s.slowly(t, "t1")
		require.NoError(t, j.Cancel(ctx))
		require.ErrorIs(t, j.Wait(ctx, nil), job.ErrCancelled)
		require.NoError(t, j.Cancel(ctx), "it is cancelled already")
		require.Empty(t, s.jobs(t))

		j = s.slowly(t, "t1")
		require.NoError(t, j.SetSpeed(ctx, 0))
		require.NoError(t, j.WaitReady(ctx, nil))
		require.NoError(t, j.Cancel(ctx))
		require.Empty(t, s.jobs(t))

		j = s.slowly(t, "t1")
		require.NoError(t, j.SetSpeed(ctx, 0))
		require.NoError(t, j.Complete(ctx))
		require.ErrorIs(t, j.Cancel(ctx), job.ErrTooLate)
	})
}

// TestContext: the end of a context cancels the job.
func TestContext(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		errStop := errors.New("the operator has pressed stop")
		for name, waits := range map[string]func(ctx context.Context, j *job.Job) error{
			"Wait":            func(ctx context.Context, j *job.Job) error { return j.Wait(ctx, nil) },
			"WaitReady":       func(ctx context.Context, j *job.Job) error { return j.WaitReady(ctx, nil) },
			"EndWithoutPivot": func(ctx context.Context, j *job.Job) error { return j.EndWithoutPivot(ctx) },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			j := s.slowly(t, "t1")
			time.AfterFunc(100*time.Millisecond, func() { cancel(errStop) })
			err := waits(ctx, j)
			require.ErrorIs(t, err, job.ErrCancelled, name)
			require.ErrorIs(t, err, errStop, name)
			require.ErrorIs(t, err, context.Canceled, name)
			require.Empty(t, s.jobs(t), name)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		_, err := job.Start(ctx, s, "", s.mirror("t1"))
		require.ErrorIs(t, err, job.ErrNotStarted)
		require.ErrorIs(t, err, errStop)
		require.Empty(t, s.jobs(t))
	})
}

// TestFind takes jobs up in the states in which a manager can have left them.
func TestFind(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		find := func() *job.Job {
			t.Helper()
			j, err := job.Find(ctx, s, "data1.copy")
			require.NoError(t, err)
			t.Cleanup(j.Detach)
			require.Equal(t, qemu.JobTypeMirror, j.Type())
			return j
		}
		_, err := job.Find(ctx, s, "data1.copy")
		require.ErrorIs(t, err, job.ErrGone)

		// One that runs.
		s.slowly(t, "t1").Detach()
		j := find()
		require.NoError(t, j.SetSpeed(ctx, 0))
		require.NoError(t, j.WaitReady(ctx, nil))
		j.Detach()
		require.ErrorIs(t, j.Wait(ctx, nil), job.ErrGoesOn)

		// One that is ready.
		j = find()
		require.NoError(t, j.WaitReady(ctx, nil))
		require.NoError(t, j.Complete(ctx))

		// One that is pending.
		request := s.mirror("t1")
		request.AutoFinalize = new(false)
		j, err = job.Start(ctx, s, "data1.copy", request)
		require.NoError(t, err)
		require.NoError(t, j.WaitPending(ctx, nil))
		j.Detach()
		j = find()
		require.NoError(t, j.WaitPending(ctx, nil))
		p, err := j.Progress(ctx)
		require.NoError(t, err)
		require.Equal(t, qemu.JobStatusPending, p.Status)
		require.NoError(t, j.Wait(ctx, nil))
		_, err = j.Progress(ctx)
		require.ErrorIs(t, err, job.ErrGone)

		// One that has failed.
		s.raw(t, "small", imageSize/2, 0)
		j, err = job.Start(ctx, s, "data1.copy", s.mirror("small"))
		require.NoError(t, err)
		j.Detach()
		require.Eventually(t, func() bool { return s.jobs(t)[0].Status == qemu.JobStatusConcluded }, time.Minute, time.Millisecond)
		_, err = job.Start(ctx, s, "data1.copy", s.mirror("t1"))
		require.ErrorIs(t, err, job.ErrNotStarted)
		require.ErrorIs(t, err, job.ErrExists)
		err = find().Wait(ctx, nil)
		_, failed := errors.AsType[*job.FailedError](err)
		require.True(t, failed, "%v", err)
		require.Empty(t, s.jobs(t))
	})
}

// TestTwoWait: of two clients that wait for one job, one dismisses it, and both know its ending.
func TestTwoWait(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Monitors: 2})
		s := &server{vm.Dial(t), 0, t.TempDir()}
		ctx := within(t)
		second, err := qmp.Dial(ctx, vm.Sockets[1], nil)
		require.NoError(t, err)
		defer second.Close()
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		j := s.slowly(t, "t1")
		other, err := job.Find(ctx, second, "data1.copy")
		require.NoError(t, err)
		endings := make(chan error, 1)
		go func() { endings <- other.Wait(ctx, nil) }()
		require.NoError(t, j.SetSpeed(ctx, 0))
		require.NoError(t, j.Wait(ctx, nil))
		require.NoError(t, <-endings)
	})
}

// TestBackupAndStream: these dismiss themselves on some QEMUs, which query-named-block-nodes would terminate otherwise.
func TestBackupAndStream(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		s.raw(t, "small", imageSize/2, 0)
		listNodes := func() {
			t.Helper()
			_, err := qemu.QueryNamedBlockNodes{}.Do(ctx, s)
			require.NoError(t, err)
		}
		backup := qemu.BlockdevBackup{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull}
		require.NoError(t, job.Run(ctx, s, "", backup, nil))
		listNodes()
		s.same(t, "data1", "t1")

		backup.Speed = new(int64(imageSize / 8))
		j, err := job.Start(ctx, s, "", backup)
		require.NoError(t, err)
		require.Equal(t, "data1.backup", j.ID())
		require.NoError(t, j.Cancel(ctx))
		listNodes()

		// The target fails.
		s.add(t, &qemu.BlockdevOptions{NodeName: new("bad"), Branch: &qemu.BlockdevOptionsBlkdebug{
			Image: qemu.BlockdevRef{Reference: new("t1")},
			InjectError: []qemu.BlkdebugInjectErrorOptions{
				{Event: qemu.BlkdebugEventNone, Errno: new(int64(28)), IOType: new(qemu.BlkdebugIOTypeWrite)},
			},
		}})
		backup = qemu.BlockdevBackup{Device: "data1", Target: "bad", Sync: qemu.MirrorSyncModeFull}
		err = job.Run(ctx, s, "", backup, nil)
		failed, ok := errors.AsType[*job.FailedError](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, failed.Reason, "No space left")
		listNodes()

		// It stops, and a person can mend that.
		backup.OnTargetError = new(qemu.BlockdevOnErrorStop)
		j, err = job.Start(ctx, s, "", backup)
		require.NoError(t, err)
		err = j.Wait(ctx, nil)
		stopped, ok := errors.AsType[*job.StoppedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, qemu.BlockDeviceIOStatusNospace, stopped.IOStatus)
		require.NoError(t, j.Cancel(ctx))
		require.ErrorAs(t, job.Run(ctx, s, "", backup, nil), &stopped)
		require.Empty(t, s.jobs(t))
		listNodes()
	})
}

// TestGone: QEMU has ended.
func TestGone(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{})
		s := &server{vm.Dial(t), 0, t.TempDir()}
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		j := s.slowly(t, "t1")
		time.AfterFunc(100*time.Millisecond, func() { vm.Close() })
		err := j.Wait(within(t), nil)
		require.ErrorIs(t, err, job.ErrUnknown)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	})
}

// TestLateCancel: the job was cancelled by another client, and its ID is in use again. Cancel does not end the next job.
func TestLateCancel(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		j := s.slowly(t, "t1")
		other, err := job.Find(ctx, s, j.ID())
		require.NoError(t, err)
		require.NoError(t, other.Cancel(ctx))
		next := s.slowly(t, "t1")
		require.NoError(t, j.Cancel(ctx))
		require.ErrorIs(t, j.Wait(ctx, nil), job.ErrCancelled)
		require.Len(t, s.jobs(t), 1)
		require.NoError(t, next.Cancel(ctx))
	})
}

// TestEndWithoutPivotHeld ends a mirror that the caller finalizes, and refuses to do so after it was completed.
func TestEndWithoutPivotHeld(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		s.raw(t, "data1", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		request := s.mirror("t1")
		request.AutoFinalize = new(false)
		j, err := job.Start(ctx, s, "", request)
		require.NoError(t, err)
		require.NoError(t, j.EndWithoutPivot(ctx))
		s.same(t, "data1", "t1")

		j, err = job.Start(ctx, s, "", request)
		require.NoError(t, err)
		require.NoError(t, j.WaitPending(ctx, nil))
		require.ErrorIs(t, j.EndWithoutPivot(ctx), job.ErrGoesOn)
		require.NoError(t, j.Cancel(ctx))
		require.Empty(t, s.jobs(t))
	})
}
