package block_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestMergeWhileGuestWrites has a guest that writes before, during and after each operation, and a bitmap that has all its
// writes.
func TestMergeWhileGuestWrites(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(ctx, m))
		g := m.guestOf(t, "data1", 1)
		const speed = 4 << 20 // so that the guest can write meanwhile
		check := func(format qemu.BlockdevDriver, image string, nodes ...string) {
			t.Helper()
			g.work(t)
			g.holds(t, format, m.path(image))
			m.onlyUses(t, "data1", nodes...)
			changed := 0
			for at := 0; at < imageSize; at += 64 << 10 {
				if bytes.Count(g.content[at:at+64<<10], []byte{1}) < 64<<10 {
					changed += 64 << 10
				}
			}
			require.GreaterOrEqual(t, int(m.bitmaps(t, "data1")["b"].Count), changed)
		}
		m.overlay(t, "data1", "o1", "data1.img")
		check("qcow2", "o1", "o1", "data1")
		m.overlay(t, "data1", "o2", "o1")
		check("qcow2", "o2", "o2", "o1", "data1")
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1",
			&block.CommitOptions{Top: "o1", BackingFile: m.path("data1.img"), Speed: speed, Progress: g.works(t)})))
		check("qcow2", "o2", "o2", "data1")
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", &block.CommitOptions{Speed: speed, Progress: g.works(t)})))
		check("raw", "data1.img", "data1")
		m.overlay(t, "data1", "o3", "data1.img")
		require.NoError(t, errorsOf(m.disks.Stream(ctx, "data1", &block.StreamOptions{Speed: speed, Progress: g.works(t)})))
		check("qcow2", "o3", "o3")
		m.removed(t, "data1")
	})
}

// TestMergeArguments: what cannot be merged is refused before anything happens.
func TestMergeArguments(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.ErrorIs(t, errorsOf(m.disks.Commit(ctx, "data1", nil)), block.ErrNoDisk)
		require.ErrorIs(t, errorsOf(m.disks.Stream(ctx, "data1", nil)), block.ErrNoDisk)
		m.plugged(t, "data1", 1)
		require.ErrorIs(t, errorsOf(m.disks.Commit(ctx, "data1", nil)), block.ErrNoLayer)
		for _, name := range []string{"o1", "o2", "o3"} {
			m.overlay(t, "data1", name, "data1.img")
		}
		for _, opts := range []block.CommitOptions{
			{Top: "none"}, {Base: "none"}, {Top: "data1"}, {Top: "o2", Base: "o2"}, {Top: "o1", Base: "o2"},
		} {
			require.ErrorIs(t, errorsOf(m.disks.Commit(ctx, "data1", &opts)), block.ErrNoLayer)
		}
		for _, opts := range []block.StreamOptions{{Top: "none"}, {Base: "none"}, {Top: "o2", Base: "o3"}} {
			require.ErrorIs(t, errorsOf(m.disks.Stream(ctx, "data1", &opts)), block.ErrNoLayer)
		}
		require.ErrorContains(t, errorsOf(m.disks.Commit(ctx, "data1", &block.CommitOptions{BaseFile: &qemu.BlockdevOptions{}})), "NodeName")
		require.Equal(t, []string{"o3", "o2", "o1", "data1"}, m.layers(t, "data1"))

		require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{ID: "data1", NodeName: "t1", Backend: hotplug.File{Path: m.raw(t, "t1", 2)}}))
		j, err := job.Start(ctx, m, "copy", qemu.BlockdevMirror{Device: "o3", Target: "t1", Sync: qemu.MirrorSyncModeFull})
		require.NoError(t, err)
		require.ErrorIs(t, errorsOf(m.disks.Commit(ctx, "data1", nil)), block.ErrBusy)
		require.ErrorIs(t, errorsOf(m.disks.Stream(ctx, "data1", nil)), block.ErrBusy)
		_ = j.Cancel(ctx)
		require.NoError(t, errorsOf(m.disks.Clean(ctx, "data1")))

		// Several layers at once, into an image that is not the next one.
		require.NoError(t, errorsOf(m.disks.Stream(ctx, "data1", &block.StreamOptions{Top: "o2"})))
		require.Equal(t, []string{"o3", "o2"}, m.layers(t, "data1"))
		m.overlay(t, "data1", "o4", "o3")
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", &block.CommitOptions{Base: "o2"})))
		require.Equal(t, []string{"o2"}, m.layers(t, "data1"))
		m.removedAll(t, "data1")
	})
}

// TestCommitIntoTree commits into the backing image of a tree that AddDisk has added with descriptors. The file of that
// image is open for writing, or QEMU opens it again.
func TestCommitIntoTree(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		base, top := m.raw(t, "base", 1), m.path("top")
		for _, writable := range []bool{true, false} {
			require.NoError(t, os.RemoveAll(top))
			out, err := m.image("create", "-f", "qcow2", "-b", base, "-F", "raw", top)
			require.NoError(t, err, out)
			file := func(path, node string, readOnly bool) qemu.BlockdevRef {
				return qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{Driver: "file", NodeName: qmp.NonZero(node), ReadOnly: new(readOnly),
					Branch: &qemu.BlockdevOptionsFile{Filename: path}}}
			}
			tree := qemu.BlockdevOptions{Driver: "qcow2", Branch: &qemu.BlockdevOptionsQcow2{File: file(top, "", false),
				Backing: &qemu.BlockdevRefOrNull{Definition: &qemu.BlockdevOptions{Driver: "raw", NodeName: new("lower"), ReadOnly: new(true),
					Branch: &qemu.BlockdevOptionsRaw{File: file(base, "lowerfile", !writable)}}}}}
			disk := hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Blockdev{Options: tree, Open: open}}
			if !writable {
				disk.Backend = hotplug.Blockdev{Options: tree}
			}
			require.NoError(t, m.plug.AddDisk(ctx, disk))
			w := &written{m, "data1", m.raw(t, "expected", 1)}
			w.put(t, 2, 0)
			opts := &block.CommitOptions{}
			if !writable {
				err := errorsOf(m.disks.Commit(ctx, "data1", opts))
				require.ErrorIs(t, err, job.ErrNotStarted)
				require.ErrorContains(t, err, "set BaseFile")
				require.Equal(t, []string{"data1", "lower"}, m.layers(t, "data1"))
				opts.BaseFile = file(base, "lowerfile", true).Definition
			}
			require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", opts)))
			require.Equal(t, []string{"lower"}, m.layers(t, "data1"))
			w.put(t, 3, 1)
			m.same(t, "raw", base, w.expected)
			m.removedAll(t, "data1")
			base = m.raw(t, "base", 1)
		}
	})
}

func open(path string, flags int) (*os.File, error) {
	return os.OpenFile(filepath.Clean(path), flags, 0)
}

// A refusing is a connection to a QEMU that refuses a command.
type refusing struct {
	*qmp.Client
	command string
}

func (c refusing) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == c.command {
		return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "injected"}
	}
	return c.Client.Execute(ctx, call)
}

// TestBitmapNotMoved: if the base does not get a bitmap, the bitmap is still there, and so is what it lacks.
func TestBitmapNotMoved(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(ctx, m))
		m.overlay(t, "data1", "o1", "data1.img")
		m.write(t, "data1", 2, 0, mib)
		kept, err := block.New(refusing{m.Client, "transaction"}).Commit(ctx, "data1", nil)
		require.NoError(t, err)
		require.Len(t, kept, 1)
		require.Equal(t, "o1", kept[0].Name)
		require.ErrorContains(t, kept[0].Err, `bitmap "b"`)
		m.write(t, "data1", 3, mib, mib)
		b := qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}
		require.NoError(t, b.Do(ctx, m))
		require.NoError(t, qemu.BlockDirtyBitmapMerge{Node: "data1", Target: "b", Bitmaps: []qemu.BlockDirtyBitmapOrStr{
			{External: &qemu.BlockDirtyBitmap{Node: "o1", Name: "b"}}, {Local: new("data1.commit")},
		}}.Do(ctx, m))
		require.EqualValues(t, 2*mib, m.bitmaps(t, "data1")["b"].Count)
		require.NoError(t, errorsOf(m.disks.Clean(ctx, "data1")))

		// The bitmap of an interrupted commit does not stop the next one.
		m.overlay(t, "data1", "o2", "data1.img")
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "data1.commit"}.Do(ctx, m))
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", nil)))
		require.Len(t, m.bitmaps(t, "data1"), 1)
		m.removedAll(t, "data1")
	})
}

// TestMergeOfOthers merges images that another manager has added, as libvirt does: each has a node for its file. Nothing of
// what the disk does not use any more is left.
func TestMergeOfOthers(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		add := func(name string, driver qemu.BlockdevDriver, path string, members qmp.Args) {
			m.add(t, name+"-storage", "file", qmp.Args{"filename": path, "auto-read-only": true, "discard": "unmap"})
			members["file"] = name + "-storage"
			m.add(t, name+"-format", driver, members)
		}
		add("base", "raw", m.raw(t, "base", 1), qmp.Args{})
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "base-format"}}))
		g := m.guestOf(t, "data1", 1)
		g.work(t)
		for _, name := range []string{"o1", "o2", "o3"} {
			below := map[string][]string{"o1": {"base", "raw"}, "o2": {"o1", "qcow2"}, "o3": {"o2", "qcow2"}}[name]
			out, err := m.image("create", "-f", "qcow2", "-u", "-b", m.path(below[0]), "-F", below[1], m.path(name), "8M")
			require.NoError(t, err, out)
			add(name, "qcow2", m.path(name), qmp.Args{"backing": nil})
			require.NoError(t, qemu.BlockdevSnapshot{Node: below[0] + "-format", Overlay: name + "-format"}.Do(ctx, m))
			g.work(t)
		}
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", &block.CommitOptions{Top: "o2-format"})))
		g.holds(t, "qcow2", m.path("o3"))
		m.onlyUses(t, "data1", "o3-format", "o1-format", "base-format")
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", nil)))
		g.work(t)
		g.holds(t, "qcow2", m.path("o1"))
		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", Target: block.Target{NodeName: "own", Backend: hotplug.File{Path: m.path("own")}}}}, nil))
		g.work(t)
		require.NoError(t, errorsOf(m.disks.Stream(ctx, "data1", &block.StreamOptions{Base: "base-format"})))
		g.holds(t, "qcow2", m.path("own"))
		require.NoError(t, errorsOf(m.disks.Stream(ctx, "data1", nil)))
		g.holds(t, "qcow2", m.path("own"))
		m.onlyUses(t, "data1", "own")
		m.removed(t, "data1")
	})
}

// TestMergeFails has images that cannot be read or written. The disk stays as it was, with its bitmap.
func TestMergeFails(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		broken := func(id, direction string) {
			rule := qmp.Args{"event": "none", "iotype": direction, "errno": 28, "once": false}
			require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.Blockdev{Open: open, Options: qemu.BlockdevOptions{
				Driver: "raw", Branch: &qemu.RawBranch{Members: qmp.Args{"file": qmp.Args{"driver": "blkdebug", "inject-error": []qmp.Args{rule},
					"image": qmp.Args{"driver": "file", "filename": m.raw(t, id, 1)}}}},
			}}}))
			require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: id, Name: "b"}.Do(ctx, m))
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: id, BackingFile: m.path(id),
				Target: block.Target{NodeName: id + "o", Backend: hotplug.File{Path: m.path(id + "o")}}}}, nil))
			m.write(t, id, 2, 0, mib)
		}
		for id, merge := range map[string]func() error{
			"write": func() error { return errorsOf(m.disks.Commit(ctx, "write", nil)) },
			"read":  func() error { return errorsOf(m.disks.Stream(ctx, "read", nil)) },
		} {
			broken(id, id)
			for range 2 {
				err := merge()
				failed, ok := errors.AsType[*job.FailedError](err)
				require.True(t, ok, err)
				require.NotEmpty(t, failed.Reason)
				require.Equal(t, []string{id + "o", id}, m.layers(t, id))
				require.EqualValues(t, mib, m.bitmaps(t, id)["b"].Count)
				require.Len(t, m.bitmaps(t, id), 1)
			}
			m.write(t, id, 3, mib, mib)
			m.read(t, id, 2, 0, mib)
		}
		m.removedAll(t, "read", "write")
	})
}

// A before is a connection on which something happens before a command.
type before struct {
	*qmp.Client
	command string
	do      func()
}

func (c *before) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == c.command && c.do != nil {
		c.do()
		c.do = nil
	}
	return c.Client.Execute(ctx, call)
}

// TestMergeEnded: the context ends, and another client cancels, ends or completes the job.
func TestMergeEnded(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(ctx, m))
		m.overlay(t, "data1", "o1", "data1.img")
		m.write(t, "data1", 2, 0, 4*mib)
		unchanged := func() {
			t.Helper()
			require.Equal(t, []string{"o1", "data1"}, m.layers(t, "data1"))
			require.EqualValues(t, 4*mib, m.bitmaps(t, "data1")["b"].Count)
			require.Len(t, m.bitmaps(t, "data1"), 1)
			m.read(t, "data1", 2, 0, 4*mib)
			m.read(t, "data1", 1, 4*mib, mib)
		}
		for _, run := range []func(ctx context.Context, progress func(job.Progress)) error{
			func(ctx context.Context, progress func(job.Progress)) error {
				return errorsOf(m.disks.Commit(ctx, "data1", &block.CommitOptions{Speed: 64 << 10, Progress: progress}))
			},
			func(ctx context.Context, progress func(job.Progress)) error {
				return errorsOf(m.disks.Stream(ctx, "data1", &block.StreamOptions{Speed: 64 << 10, Progress: progress}))
			},
		} {
			ended, cancel := context.WithCancel(ctx)
			err := run(ended, func(job.Progress) { cancel() })
			require.ErrorIs(t, err, job.ErrCancelled)
			require.ErrorIs(t, err, context.Canceled)
			unchanged()
			cancel()
			id := ""
			err = run(ctx, func(job.Progress) {
				jobs, err := job.List(ctx, m)
				require.NoError(t, err)
				if id == "" {
					id = jobs[0].ID
					require.NoError(t, qemu.JobCancel{ID: id}.Do(ctx, m))
				}
			})
			require.ErrorIs(t, err, job.ErrCancelled)
			unchanged()
		}
		conn := &before{m.Client, "job-complete", func() {
			require.NoError(t, qemu.BlockJobCancel{Device: "data1.commit", Force: new(false)}.Do(ctx, m))
			require.Eventually(t, func() bool {
				jobs, err := job.List(ctx, m)
				return err == nil && len(jobs) == 1 && jobs[0].Status == qemu.JobStatusConcluded
			}, 10*time.Second, time.Millisecond)
		}}
		err := errorsOf(block.New(conn).Commit(ctx, "data1", nil))
		require.Error(t, err)
		unchanged()
		conn.do = func() { require.NoError(t, qemu.JobComplete{ID: "data1.commit"}.Do(ctx, m)) }
		require.NoError(t, errorsOf(block.New(conn).Commit(ctx, "data1", nil)))
		require.Equal(t, []string{"data1"}, m.layers(t, "data1"))
		require.EqualValues(t, 4*mib, m.bitmaps(t, "data1")["b"].Count)
		m.removedAll(t, "data1")
	})
}

// TestQEMUKilledDuringMerge: the images hold the disk, if they are opened by their headers.
func TestQEMUKilledDuringMerge(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		w := m.written(t, "data1", 1)
		m.overlay(t, "data1", "o1", "data1.img")
		w.put(t, 2, 0)
		m.overlay(t, "data1", "o2", "o1")
		w.put(t, 3, 1)
		err := errorsOf(m.disks.Commit(ctx, "data1", &block.CommitOptions{Base: "data1", Speed: 64 << 10, Progress: func(p job.Progress) {
			_ = m.vm.Close()
		}}))
		require.ErrorIs(t, err, job.ErrUnknown)
		m.same(t, "qcow2", m.path("o2"), w.expected)
		m.sound(t, m.path("o2"))
	})
}

// TestFaultsOfMerge lets each command of Commit and of Stream go wrong. The disk has its data and its bitmap afterwards.
// It has the same layers, or fewer if the operation succeeds.
func TestFaultsOfMerge(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(within(t), m))
		file := func(node string) string {
			if node == "data1" {
				return m.path("data1.img")
			}
			return m.path(node)
		}
		overlays := 0
		faults := map[string][]fakeqemu.Fault{ // all for each would take long
			"commit":       {fakeqemu.Refused, fakeqemu.LostAfter},
			"commit below": {fakeqemu.CtxEnds},
			"stream":       {fakeqemu.LostBefore},
		}
		for name, do := range map[string]func(ctx context.Context, vm *block.VM, layers []string) ([]hotplug.Kept, error){
			"commit": func(ctx context.Context, vm *block.VM, _ []string) ([]hotplug.Kept, error) {
				return vm.Commit(ctx, "data1", nil)
			},
			"commit below": func(ctx context.Context, vm *block.VM, layers []string) ([]hotplug.Kept, error) {
				return vm.Commit(ctx, "data1", &block.CommitOptions{Top: layers[1], BackingFile: file(layers[2])})
			},
			"stream": func(ctx context.Context, vm *block.VM, layers []string) ([]hotplug.Kept, error) {
				return vm.Stream(ctx, "data1", &block.StreamOptions{Base: layers[2], BackingFile: file(layers[2])})
			},
		} {
			for _, fault := range faults[name] {
				var before []string
				var kept []hotplug.Kept
				_, err := fakeqemu.AtEveryStep(within(t), m.Client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
					for before = m.layers(t, "data1"); len(before) < 3; before = m.layers(t, "data1") {
						overlays++
						m.overlay(t, "data1", fmt.Sprintf("o%d", overlays), filepath.Base(file(before[0])))
						m.write(t, "data1", byte(overlays), int64(len(before)-1)*mib, mib)
					}
					var err error
					kept, err = do(ctx, block.New(conn), before)
					return err
				}, func(command string, err error) {
					what := fmt.Sprintf("%s, %s: %s: %v, %v", name, fault, command, err, kept)
					require.NoError(t, errorsOf(m.disks.Clean(within(t), "data1")), what)
					after := m.layers(t, "data1")
					if err != nil {
						require.Equal(t, before, after, what)
					} else {
						require.Len(t, after, 2, what)
					}
					bitmaps := m.bitmaps(t, "data1")
					require.NotZero(t, bitmaps["b"].Count, what)
					if len(kept) == 0 {
						require.Len(t, bitmaps, 1, what)
					}
				})
				require.NoError(t, err)
				m.read(t, "data1", byte(overlays), mib, mib)
				m.read(t, "data1", 1, 2*mib, mib)
			}
		}
		m.removedAll(t, "data1")
	})
}

// TestStreamCutOff loses the connection at each command of Stream. A new client waits for the job and cleans.
func TestStreamCutOff(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		overlays := 0
		for at := 1; ; at++ {
			for below := m.layers(t, "data1"); len(below) < 3; below = m.layers(t, "data1") {
				overlays++
				m.overlay(t, "data1", fmt.Sprintf("o%d", overlays), below[0])
				m.write(t, "data1", 2, int64(len(below)-1)*mib, mib)
			}
			ctx := within(t)
			c := &cutter{Client: m.Client, at: at, after: at%2 == 0}
			_, err := block.New(c).Stream(ctx, "data1", &block.StreamOptions{Base: "data1", BackingFile: m.path("data1.img")})
			if c.met == "" {
				require.NoError(t, err)
				break
			}
			m.reconnect(t)
			j, err := job.Find(ctx, m, "data1.stream")
			if err == nil {
				err = j.Wait(ctx, nil)
			}
			if !errors.Is(err, job.ErrGone) {
				require.NoError(t, err, c.met)
			}
			require.NoError(t, errorsOf(m.disks.Clean(ctx, "data1")), c.met)
			require.NotEmpty(t, m.layers(t, "data1"))
			m.read(t, "data1", 2, 0, 2*mib)
			m.read(t, "data1", 1, 2*mib, mib)
		}
		m.removed(t, "data1")
	})
}
