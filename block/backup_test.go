package block_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A shadow is a disk whose content the test knows.
type shadow struct {
	m     *machine
	id    string
	holds []byte
}

// shadowed adds a disk with a qcow2 image.
func (m *machine) shadowed(t *testing.T, id string) *shadow {
	t.Helper()
	out, err := m.image("create", "-q", "-f", "qcow2", m.path(id+".qcow2"), "8M")
	require.NoError(t, err, out)
	m.plugImage(t, id)
	return &shadow{m, id, make([]byte, imageSize)}
}

func (m *machine) plugImage(t *testing.T, id string) {
	t.Helper()
	file := hotplug.File{Path: m.path(id + ".qcow2"), Format: "qcow2"}
	require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: file}))
}

// write writes a byte as the guest does.
func (s *shadow) write(t *testing.T, pattern byte, offset, length int64) {
	t.Helper()
	s.m.write(t, s.id, pattern, offset, length)
	for i := offset; i < offset+length; i++ {
		s.holds[i] = pattern
	}
}

// into returns a new qcow2 image for a backup.
func (m *machine) into(name string) block.Target {
	return block.Target{Backend: hotplug.File{Path: m.path(name), Format: "qcow2"}, Create: true}
}

// restored checks what a chain of backups holds.
func (m *machine) restored(t *testing.T, want []byte, chain ...string) {
	t.Helper()
	for i, name := range chain[1:] {
		out, err := m.image("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", m.path(chain[i]), m.path(name))
		require.NoError(t, err, out)
	}
	out, err := m.image("convert", "-f", "qcow2", "-O", "raw", m.path(chain[len(chain)-1]), m.path("restored"))
	require.NoError(t, err, out)
	got, err := os.ReadFile(m.path("restored"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "%v: the backup differs from the disk", chain)
}

// unused checks that a disk has only its image and these bitmaps.
func (m *machine) unused(t *testing.T, id string, bitmaps ...string) {
	t.Helper()
	d, err := m.disks.Disk(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, d.Layers, 1)
	require.Equal(t, id, d.Layers[0].Node)
	require.Empty(t, d.Left)
	require.Empty(t, d.Jobs)
	require.Empty(t, d.Exports)
	var names []string
	for _, b := range d.Bitmaps {
		names = append(names, *b.Name)
	}
	require.ElementsMatch(t, bitmaps, names)
	sets, err := qemu.QueryFDSets{}.Do(t.Context(), m)
	require.NoError(t, err)
	require.LessOrEqual(t, len(sets), 2, "%v", sets)
}

// modes are a backup with a scratch image, and one without.
var modes = map[string]block.BackupOptions{"scratch": {}, "direct": {Direct: true}}

// TestBackup takes a full backup of two disks, and increments, while the guest writes. It restores each of them.
func TestBackup(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		a, b := m.shadowed(t, "data1"), m.shadowed(t, "data2")
		for _, mode := range []string{"scratch", "direct"} {
			ctx := within(t)
			a.write(t, 1, 0, 1<<20)
			b.write(t, 2, 1<<20, 1<<20)
			opts := modes[mode]
			opts.Speed = 6 << 20
			wrote := map[string]bool{}
			opts.Progress = func(disk string, _ job.Progress) {
				wrote[disk] = true
				a.write(t, 0x11, 0, 200_704)
				a.write(t, 0x12, imageSize-65536, 65536)
			}
			moments := [][2][]byte{{bytes.Clone(a.holds), bytes.Clone(b.holds)}}
			disks := []block.BackupDisk{
				{ID: "data1", Target: m.into(mode + "1.0"), Bitmap: "nightly"}, {ID: "data2", Target: m.into(mode + "2.0"), Bitmap: "nightly"},
			}
			kept, err := m.disks.Backup(ctx, disks, &opts)
			require.NoError(t, err)
			require.Empty(t, kept)
			require.NotEmpty(t, wrote)
			m.unused(t, "data1", "nightly")
			m.unused(t, "data2", "nightly")

			for _, n := range []string{"1", "2"} {
				a.write(t, 0x20+n[0], 3<<20, 1<<16)
				b.write(t, 0x20+n[0], 5<<20, 3<<16)
				moments = append(moments, [2][]byte{bytes.Clone(a.holds), bytes.Clone(b.holds)})
				opts.Speed = 1 << 18
				opts.Progress = func(string, job.Progress) { a.write(t, 0x13, 3<<20, 1<<16) }
				for i := range disks {
					disks[i].Target, disks[i].Incremental = m.into(mode+disks[i].ID[4:]+"."+n), true
				}
				kept, err = m.disks.Backup(ctx, disks, &opts)
				require.NoError(t, err)
				require.Empty(t, kept)
			}
			for i, moment := range moments {
				for disk, content := range moment {
					var chain []string
					for n := range i + 1 {
						chain = append(chain, mode+string(rune('1'+disk))+"."+string(rune('0'+n)))
					}
					m.restored(t, content, chain...)
				}
			}
			info, err := os.Stat(m.path(mode + "2.2"))
			require.NoError(t, err)
			require.Less(t, info.Size(), int64(1<<20), "an increment has more than what was written")
		}
		for _, id := range []string{"data1", "data2"} {
			kept, err := m.plug.RemoveDisk(within(t), id)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		m.clean(t)
	})
}

// TestBackupFails: an increment fails and is repeated, in both modes. The guest notices nothing if there is a scratch image.
func TestBackupFails(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a, b := m.shadowed(t, "data1"), m.shadowed(t, "data2")
		incremental := []block.BackupDisk{{ID: "data1", Target: m.into("never"), Bitmap: "b", Incremental: true}}
		_, err := m.disks.Backup(ctx, incremental, nil)
		require.ErrorIs(t, err, block.ErrNeedFull)
		require.ErrorIs(t, err, block.ErrNoBitmap)
		m.unused(t, "data1")
		require.NoFileExists(t, m.path("never"))

		both := func(name string) []block.BackupDisk {
			return []block.BackupDisk{
				{ID: "data1", Target: m.into(name + "1"), Bitmap: "b", Incremental: name != "full"},
				{ID: "data2", Target: m.into(name + "2"), Bitmap: "b", Incremental: name != "full"},
			}
		}
		a.write(t, 1, 0, 1<<20)
		_, err = m.disks.Backup(ctx, both("full"), nil)
		require.NoError(t, err)
		a.write(t, 2, 1<<20, 4<<20)
		b.write(t, 3, 1<<20, 1<<18)
		for _, mode := range []string{"scratch", "direct"} {
			opts := modes[mode]
			disks := both(mode)
			disks[1].Target = block.Target{Backend: m.broken(t, mode)}
			_, err = m.disks.Backup(ctx, disks, &opts)
			failed, ok := errors.AsType[*job.FailedError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, "data2.backup", failed.ID)
			require.Contains(t, failed.Reason, "No space left")
			m.unused(t, "data1", "b")
			m.unused(t, "data2", "b")

			opts.Speed = 1 << 20
			ending, cancel := context.WithCancel(ctx)
			opts.Progress = func(string, job.Progress) { cancel() }
			_, err = m.disks.Backup(ending, both(mode+"cancelled"), &opts)
			require.ErrorIs(t, err, job.ErrCancelled)
			require.ErrorIs(t, err, context.Canceled)
			m.unused(t, "data1", "b")
			m.unused(t, "data2", "b")
			a.write(t, 4, 2<<20, 1<<16)
		}
		last := both("inc")
		last[0].Scratch = new(m.into("scratch")) // ignored where there are no frozen views
		_, err = m.disks.Backup(ctx, last, nil)
		require.NoError(t, err)
		m.unused(t, "data1", "b")
		m.restored(t, a.holds, "full1", "inc1")
		m.restored(t, b.holds, "full2", "inc2")

		require.NoError(t, m.disks.DisableBitmap(ctx, "data1", "b"))
		_, err = m.disks.Backup(ctx, incremental, nil)
		require.ErrorIs(t, err, block.ErrNeedFull)
		for _, disks := range [][]block.BackupDisk{nil, {{ID: "data1", Incremental: true, Target: m.into("never")}}, append(both("x"), both("x")...)} {
			_, err = m.disks.Backup(ctx, disks, nil)
			require.Error(t, err)
		}
	})
}

// broken is a target of the size of a disk, on which every write fails with ENOSPC.
func (m *machine) broken(t *testing.T, name string) hotplug.Blockdev {
	t.Helper()
	path := m.raw(t, "broken-"+name, 0)
	file := &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: path}}
	return hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsBlkdebug{
		Image: qemu.BlockdevRef{Definition: file},
		InjectError: []qemu.BlkdebugInjectErrorOptions{
			{Event: qemu.BlkdebugEventNone, Errno: new(int64(28)), IOType: new(qemu.BlkdebugIOTypeWrite)},
		},
	}}}
}

// TestFullScratch: the scratch image is full. The guest's writes go through, and the backup fails.
func TestFullScratch(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if m.Version().Major < 7 {
			t.Skip("QEMU has no frozen views")
		}
		ctx := within(t)
		a := m.shadowed(t, "data1")
		a.write(t, 1, 0, imageSize)
		opts := &block.BackupOptions{Speed: 4 << 20, Progress: func(string, job.Progress) { a.write(t, 2, imageSize-1<<20, 1<<20) }}
		scratch := &block.Target{Backend: m.broken(t, "scratch")}
		_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: "data1", Target: m.into("b"), Scratch: scratch}}, opts)
		_, failed := errors.AsType[*job.FailedError](err)
		require.True(t, failed, "%v", err)
		m.read(t, "data1", 2, imageSize-1<<20, 1<<20)
		m.unused(t, "data1")
	})
}

// restart kills QEMU, and starts another one with the same folder.
func (m *machine) restart(t *testing.T) {
	t.Helper()
	require.NoError(t, m.vm.Close())
	*m = *startMachine(t, m.qemu, m.dir)
}

// TestKilled: after a QEMU was killed, its bitmap asks for a full backup, which begins a new chain.
func TestKilled(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a := m.shadowed(t, "data1")
		disk := []block.BackupDisk{{ID: "data1", Target: m.into("first"), Bitmap: "b"}}
		_, err := m.disks.Backup(ctx, disk, nil)
		require.NoError(t, err)
		kept, err := m.plug.RemoveDisk(ctx, "data1") // stores the bitmap
		require.NoError(t, err)
		require.Empty(t, kept)
		m.plugImage(t, "data1")
		a.write(t, 1, 0, 1<<20)
		m.restart(t)
		m.plugImage(t, "data1")
		d, err := m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Len(t, d.Bitmaps, 1)
		require.Equal(t, new(true), d.Bitmaps[0].Inconsistent)
		disk[0].Target, disk[0].Incremental = m.into("second"), true
		_, err = m.disks.Backup(ctx, disk, nil)
		require.ErrorIs(t, err, block.ErrNeedFull)
		require.ErrorIs(t, err, block.ErrInconsistent)
		require.ErrorIs(t, m.disks.ClearBitmap(ctx, "data1", "b"), block.ErrInconsistent)
		disk[0].Incremental = false
		a.write(t, 2, 0, 1<<20) // QEMU had not stored all of what it wrote before
		_, err = m.disks.Backup(ctx, disk, nil)
		require.NoError(t, err)
		a.write(t, 3, 4<<20, 1<<20)
		disk[0].Target, disk[0].Incremental = m.into("third"), true
		_, err = m.disks.Backup(ctx, disk, nil)
		require.NoError(t, err)
		m.restored(t, a.holds, "second", "third")
		m.unused(t, "data1", "b")
	})
}

// TestBackupKinds backs up a disk of virtio-blk with an iothread, one with a filter on top, and a read-only one.
func TestBackupKinds(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		file := func(name string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: m.raw(t, name, 3)}}
		}
		content := bytes.Repeat([]byte{3}, imageSize)
		require.NoError(t, qemu.ObjectAdd{ID: "io1", Branch: &qemu.IOThreadProperties{}}.Do(ctx, m))
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{
			ID: "virtio", Backend: hotplug.Blockdev{Options: *file("virtio")}, Props: qmp.Args{"iothread": "io1"},
		}))
		require.NoError(t, qemu.ObjectAdd{ID: "limit", Branch: &qemu.ThrottleGroupProperties{}}.Do(ctx, m))
		throttle := qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsThrottle{ThrottleGroup: "limit", File: qemu.BlockdevRef{Definition: file("throttled")}}}
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "throttled", Driver: "scsi-hd", Backend: hotplug.Blockdev{Options: throttle}}))
		fixed := file("fixed")
		fixed.ReadOnly = new(true)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "fixed", Driver: "scsi-hd", Backend: hotplug.Blockdev{Options: *fixed}}))
		for _, id := range []string{"virtio", "throttled", "fixed"} {
			for mode, opts := range modes {
				disk := block.BackupDisk{ID: id, Target: m.into(id + mode), Bitmap: "b-" + mode}
				kept, err := m.disks.Backup(ctx, []block.BackupDisk{disk}, &opts)
				require.NoError(t, err, "%s %s", id, mode)
				require.Empty(t, kept)
				m.restored(t, content, id+mode)
				disk.Target, disk.Incremental = m.into(id+mode+"1"), true
				if id == "throttled" {
					m.write(t, id, 3, 0, 4096)
				}
				kept, err = m.disks.Backup(ctx, []block.BackupDisk{disk}, &opts)
				require.NoError(t, err, "%s %s", id, mode)
				require.Empty(t, kept)
				m.restored(t, content, id+mode, id+mode+"1")
			}
		}
	})
}

// TestBackupAfterOthers: a chain goes on after a snapshot and a move of the disk.
func TestBackupAfterOthers(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a := m.shadowed(t, "data1")
		a.write(t, 1, 0, 1<<20)
		next := block.BackupDisk{ID: "data1", Target: m.into("0"), Bitmap: "b"}
		chain := []string{"0"}
		backUp := func() {
			t.Helper()
			kept, err := m.disks.Backup(ctx, []block.BackupDisk{next}, nil)
			require.NoError(t, err)
			require.Empty(t, kept)
			m.restored(t, a.holds, chain...)
			name := string(rune('0' + len(chain)))
			chain = append(chain, name)
			next.Target, next.Incremental = m.into(name), true
		}
		backUp()
		a.write(t, 2, 1<<20, 1<<20)
		overlay := block.Overlay{Disk: "data1", BackingFile: m.path("data1.qcow2"), Target: m.into("overlay")}
		overlay.Target.Create = false
		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{overlay}, nil))
		a.write(t, 3, 2<<20, 1<<20)
		backUp()
		a.write(t, 4, 3<<20, 1<<20)
		_, err := m.disks.Move(ctx, "data1", m.into("moved"), nil)
		require.NoError(t, err)
		a.write(t, 5, 4<<20, 1<<20)
		backUp()
	})
}
