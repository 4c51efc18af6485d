package block_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// same checks that an image holds the same as a raw one.
func (m *machine) same(t *testing.T, format qemu.BlockdevDriver, image, raw string) {
	t.Helper()
	out, err := m.image("compare", "-U", "-f", string(format), "-F", "raw", image, raw)
	require.NoError(t, err, out)
}

// A guest writes to a disk and knows what the disk holds.
type guest struct {
	*machine
	disk    string // its path
	content []byte
	writes  int
}

// guestOf is a guest whose disk is filled with a byte.
func (m *machine) guestOf(t *testing.T, id string, fill byte) *guest {
	t.Helper()
	g := &guest{machine: m, disk: m.disk(t, id).Path, content: make([]byte, imageSize)}
	for i := range g.content {
		g.content[i] = fill
	}
	return g
}

// work writes to the next parts of the disk.
func (g *guest) work(t *testing.T) {
	t.Helper()
	for range 3 {
		g.writes++
		offset := g.writes * 832 << 10 % (imageSize - 64<<10)
		g.write(t, g.disk, byte(g.writes), int64(offset), 64<<10)
		for i := range 64 << 10 {
			g.content[offset+i] = byte(g.writes)
		}
	}
}

// works is work for the progress of an operation.
func (g *guest) works(t *testing.T) func(job.Progress) { return func(job.Progress) { g.work(t) } }

// file writes what the disk holds to a raw image.
func (g *guest) file(t *testing.T) string {
	t.Helper()
	require.NoError(t, os.WriteFile(g.path("content"), g.content, 0o600))
	return g.path("content")
}

// holds checks that an image, which the disk may use, holds what the disk holds.
func (g *guest) holds(t *testing.T, format qemu.BlockdevDriver, image string) {
	t.Helper()
	_, err := qemu.HumanMonitorCommand{CommandLine: "qemu-io -d " + g.disk + " flush"}.Do(within(t), g)
	require.NoError(t, err)
	g.same(t, format, image, g.file(t))
}

// open opens a file for QEMU until the end of the test.
func (m *machine) open(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func fileNode(path string) *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: path}}
}

// onlyUses checks that the disk uses these nodes, and that nothing is left over.
func (m *machine) onlyUses(t *testing.T, id string, nodes ...string) {
	t.Helper()
	d := m.disk(t, id)
	require.Equal(t, nodes, nodesOf(d))
	require.Empty(t, d.Left)
	require.Empty(t, d.Jobs)
}

// removed removes a disk, and checks that nothing is left.
func (m *machine) removed(t *testing.T, id string) {
	t.Helper()
	kept, err := m.plug.RemoveDisk(within(t), id)
	require.NoError(t, err)
	require.Empty(t, kept)
	m.clean(t)
}

// blockDevice makes a block device with an image, where that can be done.
func (m *machine) blockDevice(t *testing.T, image string) (path string, ok bool) {
	t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", image).CombinedOutput()
	if err != nil {
		t.Logf("no loop device: %v: %s", err, out)
		return "", false
	}
	path = strings.TrimSpace(string(out))
	t.Cleanup(func() { require.NoError(t, exec.Command("losetup", "--detach", path).Run()) })
	return path, true
}

// nbdServer serves a raw image until the end of the test, and returns the node for it.
func (m *machine) nbdServer(t *testing.T, image string) (*qemutest.Server, qemu.BlockdevOptions) {
	t.Helper()
	socket := image + ".nbd"
	s := m.qemu.StartStorage(t, "--blockdev", "file,node-name=f,filename="+image,
		"--nbd-server", "addr.type=unix,addr.path="+socket, "--export", "nbd,id=e,node-name=f,name=x,writable=on")
	s.Dial(t) // it answers when it exports
	return s, qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNBD{
		Server: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: socket}}, Export: new("x")}}
}

// TestMove moves a disk from target to target while the guest writes.
func TestMove(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		g := m.guestOf(t, "data1", 1)
		old := "data1"
		move := func(name string, target block.Target, format qemu.BlockdevDriver, image string, opts *block.MoveOptions) {
			t.Helper()
			if opts == nil {
				opts = &block.MoveOptions{}
			}
			before := len(g.content)
			g.work(t)
			called := 0
			opts.Progress = func(job.Progress) { called++; g.work(t) }
			kept, err := m.disks.Move(within(t), "data1", target, opts)
			require.NoError(t, err, name)
			require.Empty(t, kept, name)
			require.Positive(t, called, name)
			d := m.disk(t, "data1")
			require.Len(t, d.Layers, 1, name)
			require.NotEqual(t, old, d.Layers[0].Node, name)
			old = d.Layers[0].Node
			m.onlyUses(t, "data1", old)
			g.work(t)
			require.Len(t, g.content, before)
			g.holds(t, format, image)
		}
		file := func(name string, format qemu.BlockdevDriver) (block.Target, qemu.BlockdevDriver, string) {
			return block.Target{Backend: hotplug.File{Path: m.path(name), Format: format}, Create: true}, format, m.path(name)
		}
		created := func(name string, target block.Target, format qemu.BlockdevDriver, image string) {
			t.Helper()
			move(name, target, format, image, nil)
		}
		target, format, image := file("raw", "raw")
		created("raw", target, format, image)
		target, format, image = file("qcow2", "qcow2")
		target.ClusterSize, target.NodeName = 4096, "my-name"
		move("qcow2", target, format, image, &block.MoveOptions{WriteBlocking: true})
		require.Equal(t, "my-name", old)
		move("direct", block.Target{Backend: &hotplug.File{Path: m.path("direct"), Format: "qcow2", Direct: true}, Create: true}, "qcow2", m.path("direct"), nil)
		move("descriptor", block.Target{Backend: hotplug.Descriptor{File: m.open(t, m.path("fd"), os.O_RDWR|os.O_CREATE), Format: "qcow2"}, Create: true},
			"qcow2", m.path("fd"), &block.MoveOptions{Speed: 16 << 20})
		move("old content", block.Target{Backend: hotplug.Descriptor{File: m.open(t, m.raw(t, "junk", 99), os.O_RDWR)}}, "raw", m.path("junk"), nil)
		move("existing qcow2", block.Target{Backend: hotplug.File{Path: m.qcow2(t, "existing", ""), Format: "qcow2"}}, "qcow2", m.path("existing"), nil)
		opened := 0
		move("blockdev, opened", block.Target{Backend: &hotplug.Blockdev{Options: *fileNode(m.raw(t, "opened", 98)), Open: func(path string, flags int) (*os.File, error) {
			opened++
			return os.OpenFile(path, flags, 0)
		}}}, "raw", m.path("opened"), nil)
		require.Positive(t, opened)
		move("blockdev, by path", block.Target{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
			File: qemu.BlockdevRef{Definition: fileNode(m.qcow2(t, "path", ""))}}}}}, "qcow2", m.path("path"), nil)
		_, nbd := m.nbdServer(t, m.raw(t, "served", 97))
		move("nbd", block.Target{Backend: hotplug.Blockdev{Options: nbd}}, "raw", m.path("served"), nil)
		m.add(t, "a-node", "raw", qmp.Args{"file": qmp.Args{"driver": "file", "node-name": "its-file", "filename": m.raw(t, "node", 96)}})
		move("node", block.Target{Backend: hotplug.Node{Name: "a-node"}}, "raw", m.path("node"), nil)
		require.Equal(t, "a-node", old)
		require.NoError(t, os.Truncate(m.raw(t, "large", 95), imageSize+1<<20))
		if device, ok := m.blockDevice(t, m.path("large")); ok {
			_, err := m.disks.Move(within(t), "data1", block.Target{Backend: hotplug.Descriptor{File: m.open(t, device, os.O_RDWR)}}, nil)
			require.ErrorIs(t, err, block.ErrSize)
			_, err = m.disks.Copy(within(t), "data1", block.Target{Backend: hotplug.File{Path: device}, Create: true}, nil)
			require.NoError(t, err)
			got, err := os.ReadFile(device)
			require.NoError(t, err)
			require.Equal(t, g.content, got[:imageSize])
		}
		target, format, image = file("last", "qcow2")
		created("qcow2", target, format, image)
		m.removed(t, "data1")
	})
}

// TestMoveRefuses has targets and options that do not fit. Nothing changes.
func TestMoveRefuses(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		move := func(target block.Target, opts *block.MoveOptions) error {
			t.Helper()
			kept, err := m.disks.Move(within(t), "data1", target, opts)
			require.Error(t, err)
			require.Empty(t, kept)
			m.onlyUses(t, "data1", "data1")
			nodes, nodesErr := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(t.Context(), m)
			require.NoError(t, nodesErr)
			require.Len(t, nodes, 1)
			return err
		}
		full := m.raw(t, "full", 1)
		small := m.raw(t, "small", 1)
		require.NoError(t, os.Truncate(small, 1<<20))
		require.ErrorIs(t, move(block.Target{Backend: hotplug.File{Path: full}, Create: true}, nil), block.ErrNotEmpty)
		require.ErrorIs(t, move(block.Target{Backend: hotplug.File{Path: small}}, nil), block.ErrSize)
		require.ErrorIs(t, move(block.Target{Backend: hotplug.File{Path: m.path("missing")}}, nil), os.ErrNotExist)
		out, err := m.image("create", "-f", "qcow2", m.path("small2"), "1M")
		require.NoError(t, err, out)
		require.ErrorIs(t, move(block.Target{Backend: hotplug.File{Path: m.path("small2"), Format: "qcow2"}}, nil), block.ErrSize)
		failed, ok := errors.AsType[*job.FailedError](move(block.Target{Backend: hotplug.Blockdev{Options: *fileNode(small)}}, nil))
		require.True(t, ok)
		require.NotEmpty(t, failed.Reason)
		for text, target := range map[string]block.Target{
			"target is a <nil>":               {},
			"target is a *hotplug.File":       {Backend: (*hotplug.File)(nil)},
			"target is a hotplug.VhostUser":   {Backend: hotplug.VhostUser{}},
			"needs a Path":                    {Backend: hotplug.File{}},
			"must not be ReadOnly":            {Backend: hotplug.File{Path: full, ReadOnly: true}},
			"needs a File":                    {Backend: hotplug.Descriptor{}},
			"open for reading only":           {Backend: hotplug.Descriptor{File: m.open(t, full, os.O_RDONLY)}},
			"must be raw or qcow2":            {Backend: hotplug.File{Path: full, Format: "vmdk"}},
			"ClusterSize is for qcow2":        {Backend: hotplug.File{Path: full}, ClusterSize: 4096},
			"is not a qcow2 image":            {Backend: hotplug.File{Path: full, Format: "qcow2"}},
			"Create needs a File":             {Backend: hotplug.Blockdev{Options: *fileNode(full)}, Create: true},
			"do not fit a target that is a N": {Backend: hotplug.Node{Name: "x"}, Create: true},
			"Node needs a Name":               {Backend: hotplug.Node{}},
			"not started":                     {Backend: hotplug.Node{Name: "missing"}},
			"name of the node":                {Backend: hotplug.File{Path: full}, NodeName: "data1"},
		} {
			err := move(target, nil)
			if text != "name of the node" {
				require.ErrorContains(t, err, text)
			} else {
				require.ErrorIs(t, err, hotplug.ErrExists)
			}
		}
		require.ErrorContains(t, move(block.Target{Backend: hotplug.File{Path: m.path("n")}}, &block.MoveOptions{Top: true}), "has no image below it")
		require.NotErrorIs(t, move(block.Target{Backend: hotplug.File{Path: m.path("data1.img")}}, nil), block.ErrSize, "the disk's own image")

		_, err = (&block.VM{}).Move(t.Context(), "data1", block.Target{}, nil)
		require.ErrorContains(t, err, "not made by New")
		_, err = m.disks.Move(within(t), "data2", block.Target{Backend: hotplug.File{Path: full}}, nil)
		require.ErrorIs(t, err, block.ErrNoDisk)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = m.disks.Move(ended, "data1", block.Target{Backend: hotplug.File{Path: full}}, nil)
		require.ErrorIs(t, err, context.Canceled)
		m.removed(t, "data1")
	})
}

// TestMoveTop moves only the overlay of a disk, to targets of every kind.
func TestMoveTop(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		base := m.raw(t, "base", 1)
		reference := qemu.BlockdevRefOrNull{Reference: new("base")}
		m.add(t, "base", "file", qmp.Args{"filename": base, "read-only": true})
		m.add(t, "inner", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "overlay", base)}, "backing": "base"})
		m.add(t, "data1", "throttle", qmp.Args{"throttle-group": m.throttleGroup(t), "file": "inner"})
		require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "data1"}}))
		g := m.guestOf(t, "data1", 1)
		move := func(target block.Target, opts block.MoveOptions) error {
			t.Helper()
			g.work(t)
			opts.Top, opts.Progress = true, g.works(t)
			kept, err := m.disks.Move(within(t), "data1", target, &opts)
			require.Empty(t, kept)
			g.work(t)
			d := m.disk(t, "data1")
			require.Equal(t, []string{"data1", "base"}, []string{d.Layers[0].Node, d.Layers[2].Node})
			require.Len(t, d.Layers, 3)
			require.Empty(t, d.Left)
			return err
		}
		blockdev := func(name string, backing *qemu.BlockdevRefOrNull) hotplug.Blockdev {
			return hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
				File: qemu.BlockdevRef{Definition: fileNode(m.qcow2(t, name, ""))}, Backing: backing}}}
		}
		moved := func(name string, backend hotplug.DiskBackend, create bool, opts block.MoveOptions) {
			t.Helper()
			require.NoError(t, move(block.Target{Backend: backend, Create: create}, opts), name)
			out, err := m.image("rebase", "-u", "-U", "-f", "qcow2", "-F", "raw", "-b", base, m.path(name))
			if create {
				require.NoError(t, err, out)
			}
		}
		require.NoError(t, move(block.Target{Backend: hotplug.File{Path: m.path("a"), Format: "qcow2"}, Create: true}, block.MoveOptions{}))
		g.holds(t, "qcow2", m.path("a")) // by its header
		require.NoError(t, move(block.Target{Backend: hotplug.Descriptor{File: m.open(t, m.path("b"), os.O_RDWR|os.O_CREATE), Format: "qcow2"}, Create: true},
			block.MoveOptions{BackingFile: "./base"}))
		g.holds(t, "qcow2", m.path("b"))
		moved("c", hotplug.File{Path: m.qcow2(t, "c", base), Format: "qcow2"}, false, block.MoveOptions{})
		g.holds(t, "qcow2", m.path("c"))
		require.NoError(t, move(block.Target{Backend: blockdev("d", nil)}, block.MoveOptions{}), "with the backing node from Move")
		require.NoError(t, move(block.Target{Backend: blockdev("e", &reference)}, block.MoveOptions{}))
		raw := hotplug.Blockdev{Options: qemu.BlockdevOptions{Driver: "qcow2", Branch: &qemu.RawBranch{Members: qmp.Args{
			"file": fileNode(m.qcow2(t, "f", ""))}}}}
		require.NoError(t, move(block.Target{Backend: raw}, block.MoveOptions{}))
		m.add(t, "ready-made", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "g", base)}, "backing": "base"})
		require.NoError(t, move(block.Target{Backend: hotplug.Node{Name: "ready-made"}}, block.MoveOptions{}))
		g.holds(t, "qcow2", m.path("g"))

		null := &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}
		m.add(t, "alone", "qcow2", qmp.Args{"file": qmp.Args{"driver": "file", "filename": m.qcow2(t, "h", "")}, "backing": nil})
		for name, backend := range map[string]hotplug.DiskBackend{
			"raw":             hotplug.File{Path: m.raw(t, "r", 0)},
			"null":            blockdev("i", null),
			"a raw blockdev":  hotplug.Blockdev{Options: *fileNode(m.raw(t, "r2", 0))},
			"another backing": hotplug.File{Path: m.qcow2(t, "j", ""), Format: "qcow2", Backing: null},
			"a node":          hotplug.Node{Name: "alone"},
		} {
			err := move(block.Target{Backend: backend}, block.MoveOptions{})
			require.Regexp(t, "must have node|raw image has no backing", err, name)
			require.Equal(t, "ready-made", m.disk(t, "data1").Layers[1].Node)
		}
		require.NoError(t, qemu.BlockdevDel{NodeName: "alone"}.Do(within(t), m))

		// Without Top the throttle stays, too.
		kept, err := m.disks.Move(within(t), "data1", block.Target{Backend: hotplug.File{Path: m.path("all")}, Create: true}, nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		g.work(t)
		require.Len(t, m.disk(t, "data1").Layers, 2)
		require.Equal(t, "data1", m.disk(t, "data1").Layers[0].Node)
		g.holds(t, "raw", m.path("all"))
		require.NoError(t, func() error { _, err := m.plug.RemoveDisk(within(t), "data1"); return err }())
	})
}

// TestMoveBitmaps moves a disk with bitmaps of every kind. No write is missing in them.
func TestMoveBitmaps(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.File{Path: m.qcow2(t, "data1", ""), Format: "qcow2"}}))
		const mib = 1 << 20
		add := func(b qemu.BlockDirtyBitmapAdd) {
			t.Helper()
			b.Node = "data1"
			require.NoError(t, b.Do(ctx, m))
		}
		add(qemu.BlockDirtyBitmapAdd{Name: "all", Persistent: new(true)})
		add(qemu.BlockDirtyBitmapAdd{Name: "fine", Granularity: new(uint32(4096))})
		m.write(t, "data1", 1, 0, mib)
		add(qemu.BlockDirtyBitmapAdd{Name: "later"})
		require.NoError(t, qemu.BlockDirtyBitmapDisable{Node: "data1", Name: "fine"}.Do(ctx, m))
		counts := func(persistent bool, all, fine, later int64) {
			t.Helper()
			d := m.disk(t, "data1")
			got := map[string]int64{}
			for _, b := range d.Bitmaps {
				got[*b.Name] = b.Count
				require.Equal(t, *b.Name != "fine", b.Recording)
				require.Equal(t, persistent && *b.Name == "all", b.Persistent, *b.Name)
				require.Equal(t, *b.Name == "fine", b.Granularity == 4096)
			}
			require.Equal(t, map[string]int64{"all": all, "fine": fine, "later": later}, got)
		}
		counts(true, mib, mib, 0)
		move := func(target block.Target, opts block.MoveOptions) []hotplug.Kept {
			t.Helper()
			kept, err := m.disks.Move(ctx, "data1", target, &opts)
			require.NoError(t, err)
			return kept
		}
		require.Empty(t, move(m.ofTarget(t), block.MoveOptions{Progress: func(job.Progress) { m.write(t, "data1", 2, 2*mib, mib) }}))
		m.write(t, "data1", 3, 4*mib, mib)
		counts(true, 3*mib, mib, 2*mib)
		raw := block.Target{Backend: hotplug.File{Path: m.path("raw")}, Create: true}
		require.Empty(t, move(raw, block.MoveOptions{}))
		m.write(t, "data1", 4, 6*mib, mib)
		counts(false, 4*mib, mib, 3*mib)

		// A bitmap that another client uses cannot be moved. It stays.
		require.NoError(t, qemu.NBDServerStart{Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd")}}}.Do(ctx, m))
		node := m.disk(t, "data1").Layers[0].Node
		require.NoError(t, qemu.BlockExportAdd{ID: "e", NodeName: node, Branch: &qemu.BlockExportOptionsNBD{
			Bitmaps: []qemu.BlockDirtyBitmapOrStr{{Local: new("fine")}}}}.Do(ctx, m))
		kept := move(m.ofTarget(t), block.MoveOptions{})
		require.Len(t, kept, 1)
		require.Equal(t, node, kept[0].Name)
		require.ErrorContains(t, kept[0].Err, `bitmap "fine"`)
		require.NoError(t, qemu.NBDServerStop{}.Do(ctx, m))
		_, err := m.disks.Clean(ctx, "data1")
		require.NoError(t, err)

		require.Empty(t, move(m.ofTarget(t), block.MoveOptions{DropBitmaps: true}))
		require.Empty(t, m.disk(t, "data1").Bitmaps)
		m.removed(t, "data1")
	})
}
