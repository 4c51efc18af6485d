package job_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
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

// images starts a pc with a qcow2 image, which QEMU creates, as "data1".
func images(t *testing.T, q *qemutest.QEMU) *server {
	t.Helper()
	c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "32"}}).Dial(t)
	s := &server{c, c.Version().Major, t.TempDir()}
	s.qcow2(t, "data1")
	s.add(t, overlay("data1", qemu.BlockdevRefOrNull{Null: new(qmp.Null{})}, s))
	return s
}

// overlay is the node of an image that was created with [server.qcow2].
func overlay(name string, backing qemu.BlockdevRefOrNull, s *server) *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{NodeName: new(name), Branch: &qemu.BlockdevOptionsQcow2{
		File: qemu.BlockdevRef{Reference: new(name + ".file")}, Backing: &backing,
	}}
}

// TestAllKinds runs a job of each kind.
func TestAllKinds(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		s := images(t, q)
		ctx := within(t)
		for _, name := range []string{"top", "over"} {
			s.qcow2(t, name)
		}
		null := qemu.BlockdevRefOrNull{Null: new(qmp.Null{})}
		for _, step := range []struct{ below, name string }{{"data1", "top"}, {"top", "over"}} {
			s.add(t, overlay(step.name, null, s))
			require.NoError(t, qemu.BlockdevSnapshot{Node: step.below, Overlay: step.name}.Do(ctx, s))
		}
		run := func(id string, request qmp.Request) {
			t.Helper()
			require.NoError(t, job.Run(ctx, s, id, request, nil))
			require.Empty(t, s.jobs(t))
		}
		// over on top on data1: first top into data1, then over, the active layer.
		run("", qemu.BlockCommit{Device: "over", TopNode: new("top"), BaseNode: new("data1"), BackingFile: new(s.path("data1"))})
		require.NoError(t, qemu.BlockdevDel{NodeName: "top"}.Do(ctx, s))
		run("", qemu.BlockCommit{Device: "over", BaseNode: new("data1")})
		require.NoError(t, qemu.BlockdevDel{NodeName: "over"}.Do(ctx, s))

		s.add(t, overlay("top", null, s))
		require.NoError(t, qemu.BlockdevSnapshot{Node: "data1", Overlay: "top"}.Do(ctx, s))
		run("", qemu.BlockStream{Device: "top"})
		require.NoError(t, qemu.BlockdevDel{NodeName: "data1"}.Do(ctx, s))
		run("", qemu.XBlockdevAmend{NodeName: "top", Options: qemu.BlockdevAmendOptions{Branch: &qemu.BlockdevAmendOptionsQcow2{}}})
		if q.AtLeast(6, 0) {
			run("", qemu.SnapshotSave{Tag: "one", VMState: "top", Devices: []string{"top"}})
			run("", qemu.SnapshotLoad{Tag: "one", VMState: "top", Devices: []string{"top"}})
			run("", qemu.SnapshotDelete{Tag: "one", Devices: []string{"top"}})
		}
	})
}

// TestNodes: the nodes of jobs of each kind, with and without a name for the filter.
func TestNodes(t *testing.T) {
	onServers(t, func(t *testing.T, s *server) {
		ctx := within(t)
		nodes, err := job.Nodes(ctx, s)
		require.NoError(t, err)
		require.Empty(t, nodes)
		null := qemu.BlockdevRefOrNull{Null: new(qmp.Null{})}
		for _, name := range []string{"data1", "middle", "top", "free"} {
			s.qcow2(t, name)
			s.add(t, overlay(name, null, s))
		}
		for _, step := range []struct{ below, name string }{{"data1", "middle"}, {"middle", "top"}} {
			require.NoError(t, qemu.BlockdevSnapshot{Node: step.below, Overlay: step.name}.Do(ctx, s))
		}
		s.raw(t, "other", imageSize, 1)
		s.raw(t, "t1", imageSize, 0)
		// Without data to copy, a job ends at once. A paused one does not, and neither does one that waits for the end.
		for name, of := range map[string]struct {
			request qmp.Request
			has     []string
			lacks   []string
		}{
			"mirror": {qemu.BlockdevMirror{Device: "top", Target: "free", Sync: qemu.MirrorSyncModeFull, AutoFinalize: new(false)},
				[]string{"top", "free"}, []string{"other", "t1", "top.file"}},
			"named mirror": {qemu.BlockdevMirror{Device: "other", Target: "t1", Sync: qemu.MirrorSyncModeFull, FilterNodeName: new("filter")},
				[]string{"filter", "t1"}, []string{"top", "middle"}},
			"backup": {qemu.BlockdevBackup{Device: "other", Target: "t1", Sync: qemu.MirrorSyncModeNone},
				[]string{"other", "t1"}, []string{"top", "data1"}},
			"active commit": {qemu.BlockCommit{Device: "top", BaseNode: new("middle")},
				[]string{"top", "middle"}, []string{"other"}},
			"commit": {qemu.BlockCommit{Device: "top", TopNode: new("middle"), BaseNode: new("data1"), AutoFinalize: new(false)},
				[]string{"middle", "data1"}, []string{"other", "free"}},
			"stream": {qemu.BlockStream{Device: "top", BaseNode: new("data1"), AutoFinalize: new(false)},
				[]string{"top", "middle"}, []string{"other", "free"}},
		} {
			j, err := job.Start(ctx, s, "of-any-disk", of.request)
			require.NoError(t, err, name)
			if name != "backup" {
				require.NoError(t, j.WaitReady(ctx, nil), name)
			}
			nodes, err := job.Nodes(ctx, s)
			require.NoError(t, err, name)
			require.Len(t, nodes, 1, name)
			require.Subset(t, nodes["of-any-disk"], of.has, name)
			for _, node := range of.lacks {
				require.NotContains(t, nodes["of-any-disk"], node, name)
			}
			on := func(disk string, of ...string) bool {
				isOn := func(node string) bool { return slices.Contains(of, node) }
				return len(job.OnDisk(s.jobs(t), nodes, disk, isOn)) > 0
			}
			require.True(t, on("", of.has[0]), name)
			require.True(t, on("of-any-disk", "x", of.has[1]), name)
			require.False(t, on("", of.lacks...), name)
			require.NoError(t, j.Cancel(ctx), name)
			nodes, err = job.Nodes(ctx, s)
			require.NoError(t, err, name)
			require.Empty(t, nodes, name)
		}

		j, err := job.Start(ctx, s, "data1.new.create", qemu.BlockdevCreate{Options: qemu.BlockdevCreateOptions{
			Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevCreateOptionsFile{Filename: s.path("new")}}})
		require.NoError(t, err)
		nodes, err = job.Nodes(ctx, s)
		require.NoError(t, err)
		for disk, want := range map[string]int{"data1": 0, "data1.new": 1, "data": 0, "": 0} {
			require.Len(t, job.OnDisk(s.jobs(t), nodes, disk, func(string) bool { return false }), want, disk)
		}
		require.NoError(t, j.Wait(ctx, nil))
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
