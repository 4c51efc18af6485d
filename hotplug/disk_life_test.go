package hotplug_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A lived is a disk of a machine without a guest, and what comes after it was added.
type lived struct {
	q    *qemutest.QEMU
	c    *qmp.Client
	vm   *hotplug.VM
	disk hotplug.Disk

	readOnly bool
}

// diskShapes are all the shapes in which AddDisk makes a disk's storage. Each has the ID "d" and 1 MiB.
var diskShapes = []struct {
	name string
	make func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk
}{
	{"path", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t)}}
	}},
	{"path, direct", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t), Direct: true}}
	}},
	{"path, read-only", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t), ReadOnly: true}}
	}},
	{"path, auto-read-only", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t), AutoReadOnly: true}}
	}},
	{"path, auto-read-only, direct", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t), AutoReadOnly: true, Direct: true}}
	}},
	{"path, opened", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t), AutoReadOnly: true, Open: open.open}}
	}},
	{"qcow2", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: chain(t, q, 1)[0], Format: qemu.BlockdevDriverQcow2}}
	}},
	{"qcow2, read-only", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: chain(t, q, 1)[0], Format: qemu.BlockdevDriverQcow2, ReadOnly: true}}
	}},
	{"qcow2, auto-read-only", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: chain(t, q, 1)[0], Format: qemu.BlockdevDriverQcow2, AutoReadOnly: true}}
	}},
	{"descriptor", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.Descriptor{File: opened(t, image(t), os.O_RDWR)}}
	}},
	{"node", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.Blockdev{Options: *file(image(t))}}
	}},
	{"node, auto-read-only", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.Blockdev{Options: *autoReadOnly(file(image(t)))}}
	}},
	{"node, opened", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.Blockdev{Options: *autoReadOnly(file(image(t))), Open: open.open}}
	}},
	{"chain, auto-read-only", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		p := chain(t, q, 2)
		return hotplug.Disk{Backend: hotplug.Blockdev{Options: *autoReadOnly(overlay(p[0], overlay(p[1], nil)))}}
	}},
	{"chain, opened", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.Blockdev{Options: *committable(chain(t, q, 2)), Open: open.open}}
	}},
	{"encrypted", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		node := autoReadOnly(luks(encryptedImage(t, q, "luks", ""), hotplug.SecretID("d", "key")))
		return hotplug.Disk{Backend: hotplug.Blockdev{Options: *node, Open: open.open, Secrets: map[string][]byte{"key": []byte("secret")}}}
	}},
	{"filter", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.Blockdev{Open: open.open, Options: *autoReadOnly(&qemu.BlockdevOptions{
			Branch: &qemu.BlockdevOptionsCOR{File: define(file(image(t)))}})}}
	}},
	{"block device", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: blockDevice(t), AutoReadOnly: true}}
	}},
	{"of SCSI", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		return hotplug.Disk{Backend: hotplug.File{Path: image(t), AutoReadOnly: true}, Driver: "scsi-hd", Bus: "scsi0.0"}
	}},
	{"of USB", func(t *testing.T, q *qemutest.QEMU, open *opening) hotplug.Disk {
		disk := usbDisk("d", "")
		disk.Backend = hotplug.File{Path: image(t), AutoReadOnly: true}
		return disk
	}},
}

func autoReadOnly(node *qemu.BlockdevOptions) *qemu.BlockdevOptions {
	node.ReadOnly, node.AutoReadOnly = new(false), new(true)
	return node
}

// committable is a chain of two images, the lower of which can be committed into.
func committable(p []string) *qemu.BlockdevOptions {
	below := overlay(p[1], nil)
	below.ReadOnly, below.NodeName = new(true), new("below")
	below.Branch.(*qemu.BlockdevOptionsQcow2).File = define(autoReadOnly(file(p[1])))
	return overlay(p[0], below)
}

// TestDiskLivesOn does with a disk of each shape what a manager does with a disk: it saves the
// machine into a file, sends it to somebody who refuses it, takes a snapshot, resizes the disk. The
// machine goes on each time, and the disk can be written to.
func TestDiskLivesOn(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		for _, shape := range diskShapes {
			t.Run(shape.name, func(t *testing.T) {
				t.Parallel()
				_, c := startUSB(t, q, "-device", "virtio-scsi-pci,id=scsi0")
				l := &lived{q: q, c: c, vm: hotplug.New(c, nil), disk: shape.make(t, q, new(opening))}
				l.disk.ID = "d"
				file, _ := l.disk.Backend.(hotplug.File)
				if l.readOnly = file.ReadOnly; file.Direct {
					needsDirect(t, file.Path)
				}
				require.NoError(t, l.vm.AddDisk(limit(t), l.disk))
				l.requireWritable(t)
				l.save(t)
				l.refused(t)
				l.broken(t)
				if !l.readOnly && shape.name != "block device" { // whose host resizes it
					l.resize(t, 2<<20)
				}
				if shape.name == "chain, opened" {
					l.commit(t)
				} else {
					l.snapshot(t)
				}
				if !l.readOnly {
					l.resize(t, 3<<20)
				}
				l.save(t) // what is left of one must not be in the way of the next
				l.refused(t)
			})
		}
	})
}

// waitFor looks until something is there.
func waitFor(t *testing.T, what string, there func() bool) {
	t.Helper()
	for ctx := limit(t); !there(); {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("waited in vain for " + what)
		}
	}
}

// migrate begins a migration and waits for its end and for the machine to stand or to run.
func (l *lived) migrate(t *testing.T, uri string) (status qemu.MigrationStatus, state qemu.RunState) {
	t.Helper()
	require.NoError(t, qemu.Migrate{URI: new(uri)}.Do(limit(t), l.c))
	waitFor(t, "the end of a migration", func() bool {
		migration, err := qemu.QueryMigrate{}.Do(t.Context(), l.c)
		require.NoError(t, err)
		machine, err := qemu.QueryStatus{}.Do(t.Context(), l.c)
		require.NoError(t, err)
		status, state = qmp.Value(migration.Status), machine.Status
		ended := status == qemu.MigrationStatusCompleted || status == qemu.MigrationStatusFailed
		return ended && state != qemu.RunStateFinishMigrate
	})
	return status, state
}

// save sends the machine into a file, as a manager does that suspends it, and lets it go on.
func (l *lived) save(t *testing.T) {
	t.Helper()
	require.NoError(t, qemu.Stop{}.Do(limit(t), l.c))
	status, state := l.migrate(t, "exec:cat > "+filepath.Join(t.TempDir(), "state"))
	require.Equal(t, qemu.MigrationStatusCompleted, status)
	require.Equal(t, qemu.RunStatePostmigrate, state)
	require.NoError(t, qemu.Cont{}.Do(limit(t), l.c))
	l.requireWritable(t)
}

// refused sends the machine to a QEMU without the disk. That QEMU fails when it has received everything:
// the source has given up its disks by then, and takes them back.
func (l *lived) refused(t *testing.T) {
	t.Helper()
	destination := l.q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-incoming", "defer"}})
	defer destination.Close()
	d := destination.Dial(t)
	uri := "unix:" + filepath.Join(destination.Dir, "in")
	require.NoError(t, returnPath(true).Do(limit(t), d))
	require.NoError(t, returnPath(true).Do(limit(t), l.c))
	require.NoError(t, qemu.MigrateIncoming{URI: &uri}.Do(limit(t), d))
	l.failed(t, uri)
	require.NoError(t, returnPath(false).Do(limit(t), l.c))
}

func returnPath(on bool) qemu.MigrateSetCapabilities {
	return qemu.MigrateSetCapabilities{Capabilities: []qemu.MigrationCapabilityStatus{
		{Capability: qemu.MigrationCapabilityReturnPath, State: on}}}
}

// broken sends the machine to a program that ends too early.
func (l *lived) broken(t *testing.T) {
	t.Helper()
	l.failed(t, "exec:head -c 70000 >/dev/null")
}

// failed sends the machine to somebody who does not take it. It runs as before.
func (l *lived) failed(t *testing.T, uri string) {
	t.Helper()
	status, state := l.migrate(t, uri)
	if status == qemu.MigrationStatusCompleted && !l.q.AtLeast(7, 2) {
		require.NoError(t, qemu.Cont{}.Do(limit(t), l.c)) // QEMU 5.2 may not hear of the refusal; its manager does
		status, state = qemu.MigrationStatusFailed, qemu.RunStateRunning
	}
	require.Equal(t, qemu.MigrationStatusFailed, status)
	require.Equal(t, qemu.RunStateRunning, state)
	l.requireWritable(t)
}

// requireWritable writes as the device does, or reads.
func (l *lived) requireWritable(t *testing.T) {
	t.Helper()
	blocks, err := qemu.QueryBlock{}.Do(t.Context(), l.c)
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	do := "write"
	if l.readOnly {
		do = "read"
	}
	line := fmt.Sprintf(`qemu-io -d %s "%s 0 4096"`, qmp.Value(blocks[0].Qdev), do)
	said, err := qemu.HumanMonitorCommand{CommandLine: line}.Do(t.Context(), l.c)
	require.NoError(t, err)
	require.Empty(t, said)
}

// snapshot puts an overlay over the disk, which a manager names as it likes.
func (l *lived) snapshot(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "overlay")
	img(t, l.q, "create", "-q", "-f", "qcow2", path, "2M")
	node := overlay(path, nil)
	node.Branch.(*qemu.BlockdevOptionsQcow2).Backing = &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}
	require.NoError(t, qemu.BlockdevAdd(named("overlay", node)).Do(t.Context(), l.c))
	require.NoError(t, qemu.BlockdevSnapshot{Node: "d", Overlay: "overlay"}.Do(t.Context(), l.c))
	l.requireNode(t, "overlay")
	l.readOnly = false // the overlay is not, though the device has been told so
	l.requireWritable(t)
}

// commit makes the lower image the disk's.
func (l *lived) commit(t *testing.T) {
	t.Helper()
	ctx := limit(t)
	require.NoError(t, qemu.BlockCommit{JobID: new("j"), Device: "d"}.Do(ctx, l.c))
	waitFor(t, "the end of a commit", func() bool {
		jobs, err := qemu.QueryJobs{}.Do(ctx, l.c)
		require.NoError(t, err)
		if len(jobs) > 0 && jobs[0].Status == qemu.JobStatusReady {
			err := qemu.JobComplete{ID: "j"}.Do(ctx, l.c)
			require.True(t, err == nil || errors.Is(err, qmp.ErrGeneric), "%v", err) // it may be busy, and is told again
		}
		return len(jobs) == 0
	})
	l.requireNode(t, "below")
	require.NoError(t, qemu.BlockdevDel{NodeName: "d"}.Do(ctx, l.c)) // the upper image
	l.requireWritable(t)
}

// requireNode checks which node the device uses.
func (l *lived) requireNode(t *testing.T, node string) {
	t.Helper()
	require.Equal(t, []string{node}, inQueryBlock(t, l.c))
}

// resize resizes the disk, whatever its node is by now.
func (l *lived) resize(t *testing.T, size int64) {
	t.Helper()
	require.NoError(t, l.vm.ResizeDisk(limit(t), "d", size))
	blocks, err := qemu.QueryBlock{}.Do(t.Context(), l.c)
	require.NoError(t, err)
	require.Equal(t, size, blocks[0].Inserted.Image.VirtualSize)
	l.requireWritable(t)
}

// TestServedDiskLivesOn has disks whose storage is another process's: no QEMU can lock it.
func TestServedDiskLivesOn(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		dir := t.TempDir()
		vhost, nbd := filepath.Join(dir, "v"), filepath.Join(dir, "n")
		qemutest.Get(t, "10.0").StartStorage(t, "--blockdev", "file,node-name=v,filename="+image(t),
			"--export", "vhost-user-blk,id=v,node-name=v,writable=on,addr.type=unix,addr.path="+vhost,
			"--blockdev", "file,node-name=n,filename="+image(t), "--nbd-server", "addr.type=unix,addr.path="+nbd,
			"--export", "nbd,id=n,node-name=n,name=n,writable=on").Dial(t) // which it answers when it exports
		_, c := startUSB(t, q, "-m", "64", "-object", "memory-backend-memfd,id=ram,share=on,size=64M",
			"-machine", "memory-backend=ram")
		l := &lived{q: q, c: c, vm: hotplug.New(c, nil)}
		require.NoError(t, l.vm.AddDisk(limit(t), vhostUser("v", vhost)))
		require.NoError(t, l.vm.AddDisk(limit(t), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *autoReadOnly(&qemu.BlockdevOptions{
			Branch: &qemu.BlockdevOptionsNBD{Export: new("n"),
				Server: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: nbd}}}})}}))
		l.requireWritable(t)
		l.save(t)
		l.refused(t)
		l.broken(t)
		require.ErrorIs(t, l.vm.ResizeDisk(limit(t), "v", 2<<20), hotplug.ErrNotDisk)
		l.snapshot(t)
		l.save(t)
		l.refused(t)
		exists, err := l.vm.HasDevice(limit(t), "v")
		require.NoError(t, err)
		require.True(t, exists)
	})
}

// TestDiskMoves sends a machine to another QEMU that has the same file. That one can write then, and
// QEMU's locks keep the first from going on, which would destroy what the file has.
func TestDiskMoves(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		for _, shape := range diskShapes {
			if shape.name != "path" && shape.name != "path, auto-read-only" && shape.name != "qcow2, auto-read-only" {
				continue
			}
			t.Run(shape.name, func(t *testing.T) {
				disk := shape.make(t, q, new(opening))
				disk.ID = "d"
				socket := filepath.Join(t.TempDir(), "in")
				var machines []*lived
				for _, args := range [][]string{nil, {"-incoming", "unix:" + socket}} {
					_, c := startUSB(t, q, args...)
					l := &lived{q: q, c: c, vm: hotplug.New(c, nil), disk: disk}
					require.NoError(t, l.vm.AddDisk(limit(t), disk))
					machines = append(machines, l)
				}
				source, destination := machines[0], machines[1]
				source.requireWritable(t)
				status, state := source.migrate(t, "unix:"+socket)
				require.Equal(t, qemu.MigrationStatusCompleted, status)
				require.Equal(t, qemu.RunStatePostmigrate, state)
				waitFor(t, "a machine that runs", func() bool {
					info, err := qemu.QueryStatus{}.Do(t.Context(), destination.c)
					require.NoError(t, err)
					return info.Status == qemu.RunStateRunning
				})
				destination.requireWritable(t)
				if q.AtLeast(7, 2) || shape.name == "qcow2, auto-read-only" { // QEMU 5.2 lets it go on with a raw file, of any shape
					require.ErrorIs(t, qemu.Cont{}.Do(limit(t), source.c), qmp.ErrGeneric)
				}
				destination.save(t)
			})
		}
	})
}

// TestSharedBaseIsGuarded has two machines with overlays over one image. QEMU's locks keep either
// from committing into it while the other uses it, also when this process has opened it for them.
func TestSharedBaseIsGuarded(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		p := chain(t, q, 2)
		text, err := os.ReadFile(p[0])
		require.NoError(t, err)
		var open opening
		var machines []*lived
		for i := range 2 {
			top := filepath.Join(t.TempDir(), fmt.Sprint("top", i))
			require.NoError(t, os.WriteFile(top, text, 0o600))
			_, c := startUSB(t, q)
			l := &lived{q: q, c: c, vm: hotplug.New(c, nil), disk: usbDisk("d", "")}
			l.disk.Backend = hotplug.Blockdev{Options: *committable([]string{top, p[1]}), Open: open.open}
			require.NoError(t, l.vm.AddDisk(limit(t), l.disk))
			machines = append(machines, l)
		}
		commit := qemu.BlockCommit{JobID: new("j"), Device: "d"}
		require.ErrorIs(t, commit.Do(limit(t), machines[0].c), qmp.ErrGeneric)
		require.NoError(t, errorOf(machines[1].vm.RemoveDisk(limit(t), "d")))
		machines[0].commit(t)
		machines[0].save(t)
	})
}
