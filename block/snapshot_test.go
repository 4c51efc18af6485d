package block_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const mib = 1 << 20

// A written is a disk, with a raw image that has what the guest has written.
type written struct {
	*machine
	id       string
	expected string
}

// written adds a disk that is filled with a byte.
func (m *machine) written(t *testing.T, id string, fill byte) *written {
	t.Helper()
	m.plugged(t, id, fill)
	return &written{m, id, m.raw(t, id+".expected", fill)}
}

// put writes a byte to the MiB with this number.
func (w *written) put(t *testing.T, pattern byte, number int64) {
	t.Helper()
	w.write(t, w.id, pattern, number*mib, mib)
	w.flush(t, w.id)
	f, err := os.OpenFile(w.expected, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{pattern}, mib), number*mib)
	require.NoError(t, errors.Join(err, f.Close()))
}

// flush writes out what QEMU has in its caches, so that qemu-img finds it in the images.
func (m *machine) flush(t *testing.T, id string) {
	t.Helper()
	_, err := qemu.HumanMonitorCommand{CommandLine: "qemu-io -d " + id + " flush"}.Do(t.Context(), m)
	require.NoError(t, err)
}

// layers returns the nodes of a disk.
func (m *machine) layers(t *testing.T, id string) (nodes []string) {
	t.Helper()
	d, err := m.disks.Disk(within(t), id)
	require.NoError(t, err)
	require.Empty(t, d.Left)
	require.Empty(t, d.Jobs)
	for _, l := range d.Layers {
		nodes = append(nodes, l.Node)
	}
	return nodes
}

// overlay takes a snapshot of a disk with a new image NAME, as node NAME.
func (m *machine) overlay(t *testing.T, id, name, below string) {
	t.Helper()
	require.NoError(t, m.disks.Snapshot(within(t), []block.Overlay{{Disk: id, BackingFile: m.path(below),
		Target: block.Target{NodeName: name, Backend: hotplug.File{Path: m.path(name)}}}}, nil))
}

// removedAll removes disks and checks that nothing is left.
func (m *machine) removedAll(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		kept, err := m.plug.RemoveDisk(within(t), id)
		require.NoError(t, err)
		require.Empty(t, kept)
	}
	m.clean(t)
}

// sound checks a qcow2 image.
func (m *machine) sound(t *testing.T, image string) {
	t.Helper()
	out, err := m.image("check", "-U", "-f", "qcow2", image)
	require.NoError(t, err, out)
}

// TestRelativeName: QEMU was started with a relative path. In the header of an overlay in another folder, it would name
// another file, and the machine could not start again.
func TestRelativeName(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		dir := t.TempDir()
		here, err := os.Getwd()
		require.NoError(t, err)
		full := (&machine{dir: dir}).raw(t, "base.img", 1)
		relative, err := filepath.Rel(here, full)
		require.NoError(t, err)
		m := startMachine(t, q, dir, "-blockdev", "driver=raw,node-name=base,file.driver=file,file.filename="+relative)
		require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.Node{Name: "base"}}))

		overlay := block.Overlay{Disk: "data1", Target: block.Target{NodeName: "o1", Backend: hotplug.File{Path: m.path("o1")}}}
		err = m.disks.Snapshot(within(t), []block.Overlay{overlay}, nil)
		require.ErrorIs(t, err, block.ErrNoFileName)
		require.ErrorContains(t, err, relative)
		require.NoFileExists(t, m.path("o1"))
		require.Equal(t, []string{"base"}, m.layers(t, "data1"))

		m.overlay(t, "data1", "o1", "base.img")
		m.flush(t, "data1")
		m.same(t, "qcow2", m.path("o1"), full)
		m.overlay(t, "data1", "o2", "o1")
		_, err = m.disks.Commit(within(t), "data1", &block.CommitOptions{Top: "o1"})
		require.ErrorIs(t, err, block.ErrNoFileName)
		_, err = m.disks.Stream(within(t), "data1", &block.StreamOptions{Base: "base"})
		require.ErrorIs(t, err, block.ErrNoFileName)
		_, err = m.disks.Stream(within(t), "data1", &block.StreamOptions{Base: "base", BackingFile: full})
		require.NoError(t, err)
		m.same(t, "qcow2", m.path("o2"), full)
	})
}

// TestSnapshot takes three snapshots of a disk, merges the one in the middle, merges everything into the first image, and
// merges that into the base. At each step, the images hold what the guest wrote, if they are opened by their headers.
func TestSnapshot(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		w := m.written(t, "data1", 1)
		base := m.raw(t, "base", 1)
		d, err := m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Equal(t, m.path("data1.img"), d.Layers[0].Path)

		m.overlay(t, "data1", "o1", "data1.img")
		w.put(t, 2, 0)
		m.same(t, "raw", m.path("data1.img"), base)
		m.same(t, "qcow2", m.path("o1"), w.expected)
		m.overlay(t, "data1", "o2", "o1")
		w.put(t, 3, 1)
		m.overlay(t, "data1", "o3", "o2")
		w.put(t, 4, 2)
		require.Equal(t, []string{"o3", "o2", "o1", "data1"}, m.layers(t, "data1"))
		m.same(t, "qcow2", m.path("o3"), w.expected)

		kept, err := m.disks.Commit(ctx, "data1", &block.CommitOptions{Top: "o2", BackingFile: m.path("o1")})
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, []string{"o3", "o1", "data1"}, m.layers(t, "data1"))
		require.NoError(t, os.Remove(m.path("o2")))
		m.same(t, "qcow2", m.path("o3"), w.expected)

		m.overlay(t, "data1", "o4", "o3")
		w.put(t, 5, 3)
		kept, err = m.disks.Stream(ctx, "data1", &block.StreamOptions{Base: "data1", BackingFile: m.path("data1.img")})
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, []string{"o4", "data1"}, m.layers(t, "data1"))
		require.NoError(t, os.Remove(m.path("o3")))
		m.same(t, "qcow2", m.path("o4"), w.expected)
		m.same(t, "raw", m.path("data1.img"), base)
		out, err := m.image("info", "-U", "-f", "qcow2", m.path("o4"))
		require.NoError(t, err)
		require.Contains(t, out, "backing file: "+m.path("data1.img"))
		if m.qemu.AtLeast(9, 0) {
			require.Contains(t, out, "backing file format: raw")
		}

		w.put(t, 6, 4)
		kept, err = m.disks.Commit(ctx, "data1", nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, []string{"data1"}, m.layers(t, "data1"))
		w.put(t, 7, 5)
		m.same(t, "raw", m.path("data1.img"), w.expected)

		m.overlay(t, "data1", "o5", "data1.img")
		w.put(t, 8, 6)
		for range 2 { // nothing to do the second time
			kept, err = m.disks.Stream(ctx, "data1", nil)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		require.Equal(t, []string{"o5"}, m.layers(t, "data1"))
		require.NoError(t, os.Remove(m.path("data1.img")))
		m.same(t, "qcow2", m.path("o5"), w.expected)
		m.sound(t, m.path("o5"))
		m.removedAll(t, "data1")
	})
}

// TestSnapshotOfPaths does the same for a disk of the command line whose files QEMU has opened: the headers get the names
// that QEMU knows. The disk has a filter on top.
func TestSnapshotOfPaths(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		dir := t.TempDir()
		base := dir + "/base"
		require.NoError(t, os.WriteFile(base, bytes.Repeat([]byte{1}, imageSize), 0o600))
		m := startMachine(t, q, dir, "-object", "throttle-group,id=g", "-blockdev", "file,node-name=f,filename="+base,
			"-blockdev", "raw,node-name=inner,file=f", "-blockdev", "throttle,node-name=root,throttle-group=g,file=inner",
			"-device", "scsi-hd,id=data1,drive=root",
			"-drive", "if=none,id=old,format=raw,file="+m0(t), "-device", "scsi-hd,id=data2,drive=old")
		ctx := within(t)
		w := &written{m, "data1", m.raw(t, "expected", 1)}
		w.put(t, 2, 0)
		target := func(name string) block.Target {
			return block.Target{NodeName: name, Backend: &hotplug.File{Path: m.path(name), Format: "qcow2"}}
		}
		for i, name := range []string{"o1", "o2", "o3"} {
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", Target: target(name)}}, nil))
			w.put(t, byte(3+i), int64(1+i))
			if i < 2 {
				kept, err := m.disks.Stream(ctx, "data1", &block.StreamOptions{Base: "inner"})
				require.NoError(t, err)
				require.Empty(t, kept)
				m.same(t, "qcow2", m.path(name), w.expected)
				require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", nil)))
				require.Equal(t, []string{"root", "inner"}, m.layers(t, "data1"))
				m.same(t, "raw", base, w.expected)
			}
		}
		require.Equal(t, []string{"root", "o3", "inner"}, m.layers(t, "data1"))
		require.NoError(t, errorsOf(m.disks.Stream(ctx, "data1", nil)))
		m.same(t, "qcow2", m.path("o3"), w.expected)

		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data2", Target: target("d2")}}, nil))
		m.write(t, "data2", 9, 0, mib)
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data2", nil)))
		m.read(t, "data2", 9, 0, mib)
		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data2", Target: block.Target{Backend: hotplug.File{Path: m.path("d3")}}}}, nil))
		require.NoError(t, errorsOf(m.disks.Stream(ctx, "data2", nil)))
		m.read(t, "data2", 9, 0, mib)
		m.sound(t, m.path("d3"))
	})
}

// m0 makes an empty image.
func m0(t *testing.T) string {
	path := t.TempDir() + "/image"
	require.NoError(t, os.WriteFile(path, make([]byte, imageSize), 0o600))
	return path
}

func errorsOf(kept []hotplug.Kept, err error) error {
	for _, k := range kept {
		err = errors.Join(err, k.Err)
	}
	return err
}

// A freezer records its calls.
type freezer struct {
	calls           []string
	freezing        func(ctx context.Context) error
	thawErr         error
	thawedWithEnded bool
}

func (f *freezer) Freeze(ctx context.Context) error {
	f.calls = append(f.calls, "freeze")
	if f.freezing != nil {
		return f.freezing(ctx)
	}
	return nil
}

func (f *freezer) Thaw(ctx context.Context) error {
	f.calls = append(f.calls, "thaw")
	f.thawedWithEnded = ctx.Err() != nil
	return f.thawErr
}

// TestSnapshotOfSeveral takes a snapshot of two disks at one moment, with a frozen guest, or does nothing.
func TestSnapshotOfSeveral(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		m.plugged(t, "data2", 2)
		overlays := func() []block.Overlay {
			t.Helper()
			var all []block.Overlay
			for _, id := range []string{"data1", "data2"} {
				f, err := os.CreateTemp(m.dir, id)
				require.NoError(t, err)
				t.Cleanup(func() { _ = f.Close() })
				all = append(all, block.Overlay{Disk: id, BackingFile: m.path(id + ".img"), Target: block.Target{Backend: hotplug.Descriptor{File: f}}})
			}
			return all
		}
		unchanged := func(what string) {
			t.Helper()
			require.Equal(t, []string{"data1"}, m.layers(t, "data1"), what)
			require.Equal(t, []string{"data2"}, m.layers(t, "data2"), what)
		}

		// Invalid arguments.
		for what, change := range map[string]func(o []block.Overlay) []block.Overlay{
			"no disk is given":            func(o []block.Overlay) []block.Overlay { return nil },
			`disk "data1" is given twice`: func(o []block.Overlay) []block.Overlay { return append(o, o[0]) },
			"no such disk":                func(o []block.Overlay) []block.Overlay { o[1].Disk = "data3"; return o },
			"file is not empty": func(o []block.Overlay) []block.Overlay {
				o[1].Target.Backend = hotplug.File{Path: m.path("data1.img")}
				return o
			},
			"is a hotplug.Node": func(o []block.Overlay) []block.Overlay { o[1].Target.Backend = hotplug.Node{Name: "x"}; return o },
			"is a <nil>":        func(o []block.Overlay) []block.Overlay { o[1].Target.Backend = nil; return o },
			`overlay has the format "raw"`: func(o []block.Overlay) []block.Overlay {
				o[1].Target.Backend = &hotplug.File{Path: m.path("x"), Format: "raw"}
				return o
			},
			"is a *hotplug.File": func(o []block.Overlay) []block.Overlay { o[1].Target.Backend = (*hotplug.File)(nil); return o },
		} {
			err := m.disks.Snapshot(ctx, change(overlays()), nil)
			if what == "file is not empty" {
				require.ErrorIs(t, err, block.ErrNotEmpty)
			} else {
				require.ErrorContains(t, err, what)
			}
			unchanged(what)
		}
		// The text names the disk once.
		none := []block.Overlay{{Disk: "none"}}
		require.EqualError(t, m.disks.Snapshot(ctx, none, nil), `block: take snapshot of disks "none": no such disk`)
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "none"}}, nil)
		require.EqualError(t, err, `block: back up disk "none": no such disk`)

		// QEMU refuses an action: no disk has changed.
		refused := overlays()
		refused[1].Bitmaps = []qemu.BlockDirtyBitmapAdd{{Name: "b", Granularity: new(uint32(3))}}
		err = m.disks.Snapshot(ctx, refused, nil)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		unchanged("refused")

		// A job on one of the disks.
		require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{ID: "data2", NodeName: "t1", Backend: hotplug.File{Path: m.raw(t, "t1", 2)}}))
		j, err := job.Start(ctx, m, "copy", qemu.BlockdevMirror{Device: "data2", Target: "t1", Sync: qemu.MirrorSyncModeFull})
		require.NoError(t, err)
		var busy *block.BusyError
		require.ErrorAs(t, m.disks.Snapshot(ctx, overlays(), nil), &busy)
		require.Equal(t, []string{"copy"}, busy.Jobs)
		_ = j.Cancel(ctx) // too late on QEMU 5.2, which ends a job that is ready without an error
		kept, err := m.plug.RemoveNodes(ctx, "data2", "t1")
		require.NoError(t, errorsOf(kept, err))
		unchanged("job")

		// The guest is always thawed.
		ended, cancel := context.WithCancel(ctx)
		hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		for _, test := range []struct {
			f      *freezer
			opts   block.SnapshotOptions
			ctx    context.Context
			want   error
			thawed bool
		}{
			{f: &freezer{freezing: hangs}, opts: block.SnapshotOptions{FreezeLimit: time.Millisecond}, ctx: ctx, want: context.DeadlineExceeded},
			{f: &freezer{freezing: func(context.Context) error { cancel(); return nil }}, ctx: ended, want: context.Canceled},
			{f: &freezer{freezing: func(context.Context) error { return os.ErrPermission }}, ctx: ctx, want: os.ErrPermission},
			{f: &freezer{freezing: func(context.Context) error { return os.ErrPermission }, thawErr: os.ErrClosed}, ctx: ctx, want: os.ErrClosed},
		} {
			test.opts.Freezer = test.f
			err := m.disks.Snapshot(test.ctx, overlays(), &test.opts)
			require.ErrorIs(t, err, test.want)
			require.Equal(t, []string{"freeze", "thaw"}, test.f.calls)
			require.False(t, test.f.thawedWithEnded)
			thaw, ok := errors.AsType[*block.ThawError](err)
			require.Equal(t, test.f.thawErr != nil, ok)
			require.False(t, ok && thaw.Taken)
			unchanged("freezer")
		}

		// Both disks, at one moment.
		f := &freezer{thawErr: os.ErrClosed}
		f.freezing = func(context.Context) error {
			d, err := m.disks.Disk(ctx, "data1")
			require.NoError(t, err)
			require.Len(t, d.Layers, 1)
			return nil
		}
		err = m.disks.Snapshot(ctx, overlays(), &block.SnapshotOptions{Freezer: f})
		thaw, ok := errors.AsType[*block.ThawError](err)
		require.True(t, ok && thaw.Taken, err)
		require.ErrorContains(t, err, "snapshot is taken")
		for _, id := range []string{"data1", "data2"} {
			require.Len(t, m.layers(t, id), 2)
			require.Equal(t, id, m.layers(t, id)[1])
		}
		m.removedAll(t, "data1", "data2")
	})
}

// bitmaps returns the bitmaps of a disk, by their names.
func (m *machine) bitmaps(t *testing.T, id string) map[string]qemu.BlockDirtyInfo {
	t.Helper()
	d, err := m.disks.Disk(within(t), id)
	require.NoError(t, err)
	all := map[string]qemu.BlockDirtyInfo{}
	for _, b := range d.Bitmaps {
		all[*b.Name] = b
	}
	return all
}

// TestBitmapsOfSnapshot: bitmaps move to the overlay with their content, and back to the base.
func TestBitmapsOfSnapshot(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		qcow2 := m.path("data1.img")
		out, err := m.image("create", "-f", "qcow2", qcow2, "8M")
		require.NoError(t, err, out)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.File{Path: qcow2, Format: "qcow2"}}))
		m.plugged(t, "raw1", 0)
		for _, b := range []qemu.BlockDirtyBitmapAdd{
			{Node: "data1", Name: "kept", Persistent: new(true), Granularity: new(uint32(4096))},
			{Node: "data1", Name: "passing"},
			{Node: "raw1", Name: "passing"},
		} {
			require.NoError(t, b.Do(ctx, m))
		}
		m.write(t, "data1", 1, 0, mib)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "off", Disabled: new(true)}.Do(ctx, m))
		for round := range 2 {
			at := int64(2 * round)
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", BackingFile: qcow2,
				Target:  block.Target{Backend: hotplug.File{Path: m.path("o" + string(rune('0'+round)))}},
				Bitmaps: []qemu.BlockDirtyBitmapAdd{{Name: "new" + string(rune('0'+round))}},
			}, {Disk: "raw1", BackingFile: m.path("raw1.img"), Target: block.Target{Backend: hotplug.File{Path: m.path("r" + string(rune('0'+round)))}}}}, nil))
			m.write(t, "data1", 2, (at+1)*mib, mib)
			after := m.bitmaps(t, "data1")
			require.Len(t, after, 4+round)
			require.EqualValues(t, (at+2)*mib, after["kept"].Count)
			require.EqualValues(t, 4096, after["kept"].Granularity)
			require.True(t, after["kept"].Persistent && after["kept"].Recording)
			require.EqualValues(t, (at+2)*mib, after["passing"].Count)
			require.False(t, after["passing"].Persistent)
			require.False(t, after["off"].Recording)
			require.Zero(t, after["off"].Count)
			require.EqualValues(t, mib, after["new"+string(rune('0'+round))].Count)

			require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", nil)))
			require.NoError(t, errorsOf(m.disks.Commit(ctx, "raw1", nil)))
			m.write(t, "data1", 3, (at+2)*mib, mib)
			m.write(t, "raw1", 3, (at+2)*mib, mib)
			merged := m.bitmaps(t, "data1")
			require.Len(t, merged, 4+round)
			require.EqualValues(t, (at+3)*mib, merged["kept"].Count)
			require.True(t, merged["kept"].Persistent && merged["kept"].Recording)
			require.EqualValues(t, (at+3)*mib, merged["passing"].Count)
			require.False(t, merged["off"].Recording)
			require.EqualValues(t, int64(round+1)*mib, m.bitmaps(t, "raw1")["passing"].Count)
		}
		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{Disk: "data1", BackingFile: qcow2,
			Target: block.Target{Backend: hotplug.File{Path: m.path("last")}}}}, &block.SnapshotOptions{DropBitmaps: true}))
		require.Empty(t, m.bitmaps(t, "data1"))
		// A bitmap with the same name is on the base.
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: m.layers(t, "data1")[0], Name: "passing"}.Do(ctx, m))
		m.write(t, "data1", 4, 6*mib, mib)
		require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", nil)))
		require.EqualValues(t, 6*mib, m.bitmaps(t, "data1")["passing"].Count)
		m.removedAll(t, "data1", "raw1")
		out, err = m.image("info", "-f", "qcow2", qcow2)
		require.NoError(t, err)
		require.Contains(t, out, "kept")
		m.sound(t, qcow2)
	})
}

func TestIsRelative(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"":                                  false,
		"/srv/a":                            false,
		"a":                                 true,
		"./a":                               true,
		"../b/a:c":                          true,
		"nbd://localhost/x":                 false,
		"nbd:unix:/run/x":                   false,
		"rbd:pool/image":                    false,
		"null-co://":                        false,
		`json:{"file.filename": "a/b"}`:     true,
		`json:{"filename": "a"}`:            true,
		`json:{"filename":"/a"}`:            false,
		`json:{"filename": "nbd://h/x"}`:    false,
		`json:{"driver": "nbd", "host": 1}`: false,
	} {
		require.Equal(t, want, block.IsRelative(file), file)
	}
}
