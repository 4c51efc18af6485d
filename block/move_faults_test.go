package block_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ofTarget is a new qcow2 image as a target.
func (m *machine) ofTarget(t *testing.T) block.Target {
	t.Helper()
	file, err := os.CreateTemp(m.dir, "target")
	require.NoError(t, err)
	file.Close()
	return block.Target{Backend: hotplug.File{Path: file.Name(), Format: "qcow2"}, Create: true}
}

// dropTargets removes the names of the images that ofTarget has made: they take no space when QEMU closes them.
func (m *machine) dropTargets(t *testing.T) {
	t.Helper()
	all, err := filepath.Glob(m.path("target*"))
	require.NoError(t, err)
	for _, file := range all {
		require.NoError(t, os.Remove(file))
	}
}

// TestMoveFaults lets each command of Move go wrong: QEMU refuses it, the context ends before it, or its answer is lost.
// The disk uses the old nodes or the new ones, and Clean finds nothing to do.
func TestMoveFaults(t *testing.T) {
	onFaults(t, func(t *testing.T, m *machine, fault fakeqemu.Fault) {
		node := m.disk(t, "data1").Layers[0].Node
		var kept []hotplug.Kept
		met, err := fakeqemu.AtEveryStep(within(t), m.Client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) (err error) {
			if d := m.disk(t, "data1"); len(d.Bitmaps) == 0 {
				require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: d.Layers[0].Node, Name: "changes"}.Do(t.Context(), m))
			}
			m.write(t, "data1", 1, 0, 1<<20)
			kept, err = block.New(conn).Move(ctx, "data1", m.ofTarget(t), nil)
			m.dropTargets(t)
			if err != nil {
				require.Empty(t, kept)
			}
			return err
		}, func(command string, err error) {
			d := m.disk(t, "data1")
			require.Len(t, d.Layers, 1, command)
			if len(kept) == 0 {
				require.Len(t, d.Bitmaps, 1, command)
				require.Equal(t, "changes", *d.Bitmaps[0].Name, command)
				require.EqualValues(t, 1<<20, d.Bitmaps[0].Count, command)
			}
			if err != nil {
				require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
				require.Equal(t, node, d.Layers[0].Node, command)
				require.Empty(t, d.Left, command)
				require.Empty(t, d.Jobs, command)
			}
			node = d.Layers[0].Node
			left, err := m.disks.Clean(within(t), "data1") // an old node or the job can be left
			require.NoError(t, err, command)
			require.Empty(t, left, command)
			m.onlyUses(t, "data1", node)
		})
		require.NoError(t, err)
		require.Subset(t, met, []string{"add-fd", "blockdev-create", "blockdev-add", "blockdev-mirror", "block-dirty-bitmap-add",
			"job-complete", "job-dismiss", "transaction", "block-dirty-bitmap-remove", "blockdev-del", "remove-fd"})
	})
}

// onFaults has a machine with a disk data1 for each kind of fault.
func onFaults(t *testing.T, test func(t *testing.T, m *machine, fault fakeqemu.Fault)) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		for _, fault := range fakeqemu.Faults {
			t.Run(string(fault), func(t *testing.T) {
				test(t, m, fault)
				m.read(t, "data1", 1, 0, imageSize)
			})
		}
		m.removed(t, "data1")
	})
}

// TestCopyFaults is TestMoveFaults for Copy.
func TestCopyFaults(t *testing.T) {
	onFaults(t, func(t *testing.T, m *machine, fault fakeqemu.Fault) {
		node := m.disk(t, "data1").Layers[0].Node
		met, err := fakeqemu.AtEveryStep(within(t), m.Client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
			_, err := block.New(conn).Copy(ctx, "data1", m.ofTarget(t), nil)
			m.dropTargets(t)
			return err
		}, func(command string, err error) {
			if err != nil {
				require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
				require.Empty(t, m.disk(t, "data1").Left, command)
				require.Empty(t, m.disk(t, "data1").Jobs, command)
			}
			kept, err := m.disks.Clean(within(t), "data1")
			require.NoError(t, err, command)
			require.Empty(t, kept, command)
			m.onlyUses(t, "data1", node)
		})
		require.NoError(t, err)
		require.Contains(t, met, "block-job-cancel")
	})
}

// A cutter closes the connection before or after one command.
type cutter struct {
	*qmp.Client
	at    int
	after bool
	met   string
}

func (c *cutter) Execute(ctx context.Context, call *qmp.Call) error {
	c.at--
	if c.at != 0 {
		return c.Client.Execute(ctx, call)
	}
	c.met = call.Command
	if !c.after {
		c.Close()
	}
	err := c.Client.Execute(ctx, call)
	c.Close()
	return err
}

// TestMoveCutOff loses the connection at each command, as a manager that is killed does. A new one finishes: it waits for
// the job and cleans.
func TestMoveCutOff(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		m := startMachine(t, q, t.TempDir())
		m.plugged(t, "data1", 1)
		for at := 1; ; at++ {
			c := &cutter{Client: m.Client, at: at, after: at%2 == 0}
			_, err := block.New(c).Move(within(t), "data1", m.ofTarget(t), nil)
			if c.met == "" {
				require.NoError(t, err)
				break
			}
			m.reconnect(t)
			ctx := within(t)
			j, err := job.Find(ctx, m, "data1.move")
			if err == nil {
				err = j.Wait(ctx, nil)
			}
			if !errors.Is(err, job.ErrGone) {
				require.NoError(t, err, c.met)
			}
			if j, err = job.Find(ctx, m, "data1.create"); err == nil {
				require.NoError(t, j.Wait(ctx, nil))
			}
			kept, err := m.disks.Clean(ctx, "data1")
			require.NoError(t, err, c.met)
			require.Empty(t, kept, c.met)
			d := m.disk(t, "data1")
			require.Len(t, d.Layers, 1)
			m.onlyUses(t, "data1", d.Layers[0].Node)
			nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, m)
			require.NoError(t, err)
			require.LessOrEqual(t, len(nodes), 2, c.met)
			sets, err := qemu.QueryFDSets{}.Do(ctx, m)
			require.NoError(t, err)
			require.Len(t, sets, 1, c.met)
		}
		m.read(t, "data1", 1, 0, imageSize)
		m.removed(t, "data1")
	})
}

// reconnect replaces the connection.
func (m *machine) reconnect(t *testing.T) {
	t.Helper()
	m.Client.Close()
	m.Client = m.vm.Dial(t)
	m.plug, m.disks = hotplug.New(m.Client, nil), block.New(m.Client)
}

// TestMoveWithOthers has another client that ends the job, and a guest that loses the disk.
func TestMoveWithOthers(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		// meanwhile does something once when the job is ready.
		meanwhile := func(do func() error) func(job.Progress) {
			return func(p job.Progress) {
				if p.Status == qemu.JobStatusReady && do != nil {
					require.NoError(t, do())
					do = nil
				}
			}
		}
		cancel := func() error { return qemu.JobCancel{ID: "data1.move"}.Do(ctx, m) }
		complete := func(id string) func() error { return func() error { return qemu.JobComplete{ID: id}.Do(ctx, m) } }
		softly := func() error { return qemu.BlockJobCancel{Device: "data1.move", Force: new(false)}.Do(ctx, m) }

		for _, end := range []func() error{cancel, softly} {
			_, err := m.disks.Move(ctx, "data1", m.ofTarget(t), &block.MoveOptions{Progress: meanwhile(end)})
			require.ErrorIs(t, err, job.ErrCancelled)
			require.NotErrorAs(t, err, new(*hotplug.RollbackError))
			m.onlyUses(t, "data1", "data1")
		}
		_, err := m.disks.Copy(ctx, "data1", m.ofTarget(t), &block.CopyOptions{Progress: meanwhile(complete("data1.copy"))})
		require.ErrorIs(t, err, job.ErrTooLate)
		require.NotErrorAs(t, err, new(*hotplug.RollbackError))
		moved := nodesOf(m.disk(t, "data1"))
		require.NotEqual(t, []string{"data1"}, moved)
		require.Equal(t, []string{"data1"}, m.disk(t, "data1").Left)
		kept, err := m.disks.Move(ctx, "data1", m.ofTarget(t), &block.MoveOptions{Progress: meanwhile(complete("data1.move"))})
		require.NoError(t, err)
		require.Empty(t, kept)
		require.NotEqual(t, moved, nodesOf(m.disk(t, "data1")))
		moved = nodesOf(m.disk(t, "data1"))
		kept, err = m.disks.Clean(ctx, "data1")
		require.NoError(t, err)
		require.Empty(t, kept)
		m.onlyUses(t, "data1", moved...)

		_, err = m.disks.Move(ctx, "data1", m.ofTarget(t), &block.MoveOptions{Progress: meanwhile(func() error {
			require.NoError(t, qemu.DeviceDel{ID: "data1"}.Do(ctx, m))
			require.Eventually(t, func() bool { _, err := m.disks.Disk(ctx, "data1"); return errors.Is(err, block.ErrNoDisk) }, 10*time.Second, time.Millisecond)
			return nil
		})})
		require.ErrorIs(t, err, block.ErrNoDisk)
		m.removed(t, "data1")
	})
}

// TestMovesAtOnce starts several operations on a disk at once. One succeeds.
func TestMovesAtOnce(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		results := make(chan error)
		for range 4 {
			target := m.ofTarget(t)
			go func() {
				_, err := m.disks.Move(within(t), "data1", target, nil)
				results <- err
			}()
		}
		succeeded := 0
		for range 4 {
			err := <-results
			if err == nil {
				succeeded++
				continue
			}
			// QEMU has refused a job that came too late, and can have no job at all since. Or the disk has moved twice.
			require.True(t, errors.Is(err, block.ErrBusy) || errors.Is(err, job.ErrNotStarted) || errors.Is(err, job.ErrCancelled), err)
			require.NotErrorAs(t, err, new(*hotplug.RollbackError))
		}
		require.Positive(t, succeeded)
		require.Len(t, m.disk(t, "data1").Layers, 1)
		m.onlyUses(t, "data1", m.disk(t, "data1").Layers[0].Node)
		m.read(t, "data1", 1, 0, imageSize)
		m.removed(t, "data1")
	})
}

// A closing connection closes before a command.
type closing struct {
	*qmp.Client
	at string
}

func (c *closing) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == c.at {
		c.Close()
	}
	return c.Client.Execute(ctx, call)
}

// TestMoveInterrupted has a manager that ends while the job runs, and the next one.
func TestMoveInterrupted(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		g := m.guestOf(t, "data1", 1)
		target := m.ofTarget(t)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "changes"}.Do(t.Context(), m))
		conn := &closing{Client: m.Client, at: "job-complete"}
		_, err := block.New(conn).Move(within(t), "data1", target, nil)
		require.ErrorIs(t, err, job.ErrUnknown)
		require.ErrorAs(t, err, new(*hotplug.RollbackError))

		m.reconnect(t)
		g.work(t)
		ctx := within(t)
		d := m.disk(t, "data1")
		require.Len(t, d.Jobs, 1)
		require.Len(t, d.Left, 1)
		target1 := d.Left[0]
		kept, err := m.disks.Clean(ctx, "data1") // does not disturb the job
		require.NoError(t, err)
		require.Len(t, kept, 1)
		require.ErrorIs(t, kept[0].Err, hotplug.ErrInUse)
		require.ErrorContains(t, kept[0].Err, "data1.move")

		j, err := job.Find(ctx, m, "data1.move")
		require.NoError(t, err)
		require.NoError(t, j.Wait(ctx, nil))
		require.Equal(t, []string{"data1"}, m.disk(t, "data1").Left)
		require.Equal(t, "data1.move", *m.disk(t, "data1").Bitmaps[0].Name)
		for range 2 {
			kept, err = m.disks.Clean(ctx, "data1")
			require.NoError(t, err)
			require.Empty(t, kept)
			m.onlyUses(t, "data1", target1)
			require.Empty(t, m.disk(t, "data1").Bitmaps, "it would lack writes")
		}
		g.work(t)
		g.holds(t, "qcow2", target.Backend.(hotplug.File).Path)

		_, err = m.disks.Clean(ctx, "data2")
		require.ErrorIs(t, err, block.ErrNoDisk)
		m.removed(t, "data1")
	})
}

// TestCleanJobs dismisses the jobs of the package that have ended.
func TestCleanJobs(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		m.add(t, "image", "file", qmp.Args{"filename": m.raw(t, "image", 0)})
		for _, id := range []string{"data1.create", "other.create"} {
			require.NoError(t, qemu.BlockdevCreate{JobID: id, Options: qemu.BlockdevCreateOptions{
				Branch: &qemu.BlockdevCreateOptionsQcow2{File: qemu.BlockdevRef{Reference: new("image")}, Size: 1 << 20}}}.Do(ctx, m))
			require.Eventually(t, func() bool {
				jobs, err := job.List(ctx, m)
				return err == nil && !slices.ContainsFunc(jobs, func(j qemu.JobInfo) bool { return j.Status != qemu.JobStatusConcluded })
			}, 10*time.Second, time.Millisecond)
		}
		_, err := m.disks.Move(ctx, "data1", m.ofTarget(t), nil)
		require.ErrorIs(t, err, block.ErrBusy)
		_, err = m.disks.Clean(ctx, "data1")
		require.NoError(t, err)
		jobs, err := job.List(ctx, m)
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		m.onlyUses(t, "data1", "data1")
		require.NoError(t, qemu.JobDismiss{ID: "other.create"}.Do(ctx, m))
		_, err = m.plug.RemoveNode(ctx, "image")
		require.NoError(t, err)
		m.removed(t, "data1")
	})
}

// TestMoveToFullTarget has targets without room, that do not answer, and that go away.
func TestMoveToFullTarget(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		g := m.guestOf(t, "data1", 1)
		fails := func(options qemu.BlockdevOptions, opts *block.MoveOptions) {
			t.Helper()
			g.work(t)
			begin := time.Now()
			_, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.Blockdev{Options: options}}, opts)
			require.ErrorAs(t, err, new(*job.FailedError))
			require.NotErrorAs(t, err, new(*hotplug.RollbackError))
			require.Less(t, time.Since(begin), 10*time.Second)
			m.onlyUses(t, "data1", "data1")
			g.work(t)
			g.holds(t, "raw", m.path("data1.img"))
		}
		full := qemu.BlockdevOptions{Driver: "blkdebug", Branch: &qemu.RawBranch{Members: qmp.Args{
			"image":        fileNode(m.raw(t, "full", 0)),
			"inject-error": []any{qmp.Args{"event": "none", "iotype": "write", "errno": 28}},
		}}}
		fails(full, nil)
		server, nbd := m.nbdServer(t, m.raw(t, "served", 0))
		fails(nbd, &block.MoveOptions{Speed: 8 << 20, Progress: func(job.Progress) { require.NoError(t, server.Close()) }})
		m.removed(t, "data1")
	})
}

// TestMoveWithQEMUKilled has a QEMU that ends while the job runs.
func TestMoveWithQEMUKilled(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		begin := time.Now()
		_, err := m.disks.Move(within(t), "data1", m.ofTarget(t), &block.MoveOptions{Speed: 1 << 20, Progress: func(job.Progress) {
			require.NoError(t, m.vm.Close())
		}})
		require.ErrorIs(t, err, job.ErrUnknown)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.Less(t, time.Since(begin), 5*time.Second)
		m.same(t, "raw", m.path("data1.img"), m.raw(t, "content", 1))
	})
}

// TestCopy copies a disk, and the guest goes on with the same node.
func TestCopy(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		base := m.raw(t, "base", 1)
		m.add(t, "base", "file", qmp.Args{"filename": base})
		m.add(t, "data1", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "overlay", base)}, "backing": "base"})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "data1"}}))
		m.add(t, "mine", "file", qmp.Args{"filename": m.raw(t, "mine", 9)})
		g := m.guestOf(t, "data1", 1)
		for i, target := range []block.Target{
			{Backend: hotplug.File{Path: m.path("a")}, Create: true},
			{Backend: hotplug.File{Path: m.path("b"), Format: "qcow2"}, Create: true},
			{Backend: hotplug.File{Path: m.path("c"), Format: "qcow2"}, Create: true},
			{Backend: hotplug.File{Path: m.raw(t, "d", 1)}}, // has what the base has
			{Backend: hotplug.Node{Name: "mine"}},
		} {
			g.work(t)
			kept, err := m.disks.Copy(ctx, "data1", target, &block.CopyOptions{Top: i == 2 || i == 3, WriteBlocking: i == 1, Speed: 64 << 20, Progress: g.works(t)})
			require.NoError(t, err)
			require.Empty(t, kept)
			format, path := qemu.BlockdevDriver("raw"), m.path("mine")
			if f, ok := target.Backend.(hotplug.File); ok {
				format, path = f.Format, f.Path
			}
			if format == "" {
				format = "raw"
			}
			g.holds(t, format, path)
			copied := filepath.Join(m.dir, "as-copied"+strconv.Itoa(i))
			out, err := m.image("convert", "-U", "-f", string(format), "-O", "raw", path, copied)
			require.NoError(t, err, out)
			g.work(t)
			out, err = m.image("compare", "-U", "-f", string(format), "-F", "raw", path, copied)
			require.NoError(t, err, "the copy does not change any more: %s", out)
			m.onlyUses(t, "data1", "data1", "base")
		}
		require.NoError(t, qemu.BlockdevDel{NodeName: "mine"}.Do(ctx, m))
		_, err := m.disks.Copy(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path("a")}, Create: true}, nil)
		require.ErrorIs(t, err, block.ErrNotEmpty)
		nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, m)
		require.NoError(t, err)
		require.Len(t, nodes, 3)
	})
}
