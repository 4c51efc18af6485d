package job_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

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
		// Without data to copy, a job ends at once, unless it is paused or waits for the end.
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
