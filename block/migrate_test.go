package block_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// destination starts a QEMU that waits for the machine of m, with two disks.
func (m *machine) destination(t *testing.T) *machine {
	t.Helper()
	dst := startMachine(t, m.qemu, t.TempDir(), "-incoming", "defer")
	dst.plugged(t, "data1", 0)
	dst.plugged(t, "data2", 0)
	return dst
}

// withDestination adds two disks, and starts a machine to which they can move.
func (m *machine) withDestination(t *testing.T) *machine {
	t.Helper()
	m.plugged(t, "data1", 1)
	m.plugged(t, "data2", 2)
	return m.destination(t)
}

// to returns options for a migration of both disks, and the target.
func (m *machine) to() (migration.Target, *block.MigrateOptions) {
	return migration.Unix(m.path("migrate")), &block.MigrateOptions{Disks: []string{"data1", "data2"}, Server: m.nbdAt("nbd")}
}

func (m *machine) runState(t *testing.T) qemu.RunState {
	t.Helper()
	status, err := qemu.QueryStatus{}.Do(t.Context(), m)
	require.NoError(t, err)
	return status.Status
}

// unmoved checks that the machine runs here with its two disks as before.
func (m *machine) unmoved(t *testing.T) {
	t.Helper()
	require.Equal(t, qemu.RunStateRunning, m.runState(t))
	for i, id := range []string{"data1", "data2"} {
		d, err := m.disks.Disk(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, d.Layers, 1)
		require.Equal(t, id, d.Layers[0].Node)
		require.Empty(t, d.Jobs)
		require.Empty(t, d.Left)
		m.read(t, id, byte(i+1), 1<<20, 1<<20)
		m.write(t, id, 9, 0, 4096)
		m.read(t, id, 9, 0, 4096)
	}
	nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	states, err := qemu.QueryMigrateCapabilities{}.Do(t.Context(), m)
	require.NoError(t, err)
	require.NotContains(t, states, qemu.MigrationCapabilityStatus{Capability: "pause-before-switchover", State: true})
}

// TestMigrate moves a machine with two disks that are written to before, during and after the copy.
func TestMigrate(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		dst := m.withDestination(t)
		to, opts := dst.to()
		copied, switched := map[string]bool{}, false
		opts.WriteBlocking = true
		opts.DiskProgress = func(disk string, p job.Progress) {
			copied[disk] = copied[disk] || p.Status == "ready"
			m.write(t, disk, 5, 2<<20, 4096)
		}
		opts.Migration = &migration.Options{
			Progress: func(p migration.Progress) {
				if p.Status == qemu.MigrationStatusActive {
					m.write(t, "data1", 6, 3<<20, 4096)
				}
			},
			PreSwitchover: func(context.Context) error {
				switched = true
				m.write(t, "data2", 7, 4<<20, 4096)
				return nil
			},
		}
		p, err := m.disks.Migrate(ctx, dst.disks, to, opts)
		require.NoError(t, err)
		require.Equal(t, qemu.MigrationStatusCompleted, p.Status)
		require.Equal(t, map[string]bool{"data1": true, "data2": true}, copied)
		require.True(t, switched)
		require.Equal(t, qemu.RunStatePostmigrate, m.runState(t))
		require.Equal(t, qemu.RunStateRunning, dst.runState(t))
		require.False(t, dst.serves("nbd"))
		for i, id := range []string{"data1", "data2"} {
			dst.read(t, id, byte(i+1), 0, 2<<20)
			dst.read(t, id, 5, 2<<20, 4096)
			dst.same(t, "raw", dst.path(id+".img"), m.path(id+".img"))
			dst.write(t, id, 8, 0, 4096)
			dst.read(t, id, 8, 0, 4096)
			d, err := m.disks.Disk(ctx, id)
			require.NoError(t, err)
			require.Empty(t, d.Jobs)
			require.Empty(t, d.Left)
		}
		dst.read(t, "data2", 7, 4<<20, 4096)
		for _, id := range []string{"data1", "data2"} {
			kept, err := dst.plug.RemoveDisk(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		dst.clean(t)
	})
}

// TestMigrateOneSide has another program at the destination, which has the data below the overlay of a disk already.
func TestMigrateOneSide(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		m.plugged(t, "data2", 2)
		dst := startMachine(t, m.qemu, t.TempDir(), "-incoming", "defer")
		dst.plugged(t, "data1", 1)
		dst.plugged(t, "data2", 2)
		require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{
			{Disk: "data1", BackingFile: "data1.img", Target: block.Target{Backend: hotplug.File{Path: m.path("overlay1")}}},
			{Disk: "data2", BackingFile: "data2.img", Target: block.Target{Backend: hotplug.File{Path: m.path("overlay2")}}},
		}, nil))
		m.write(t, "data1", 5, 1<<20, 1<<20)
		// What the copy must not read: the image below the overlay.
		require.NoError(t, os.WriteFile(m.path("data2.img"), make([]byte, imageSize), 0o600))

		ids := []string{"data1", "data2"}
		to := migration.Unix(dst.path("machine"))
		for _, id := range ids {
			require.NoError(t, dst.disks.Export(ctx, id, &block.ExportOptions{Server: dst.nbdAt("nbd"), Writable: true}))
		}
		require.NoError(t, migration.StartIncoming(ctx, dst, to))
		opts := &block.MigrateOptions{Disks: ids, Top: true, Address: &dst.nbdAt("nbd").Addr}
		_, err := m.disks.Migrate(ctx, nil, to, opts)
		require.ErrorIs(t, err, migration.ErrNotStarted)
		require.ErrorContains(t, err, "HandOver are required")

		refused := errors.New("refused")
		opts.HandOver = func(context.Context) error { return refused }
		_, err = m.disks.Migrate(ctx, nil, to, opts)
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, refused)
		require.Equal(t, qemu.RunStateRunning, m.runState(t))
		for _, id := range ids {
			d := m.disk(t, id)
			require.Len(t, d.Layers, 2)
			require.Empty(t, d.Left)
			require.Empty(t, d.Jobs)
		}

		dst = startMachine(t, m.qemu, t.TempDir(), "-incoming", "defer")
		dst.plugged(t, "data1", 1)
		dst.plugged(t, "data2", 2)
		for _, id := range ids {
			require.NoError(t, dst.disks.Export(ctx, id, &block.ExportOptions{Server: dst.nbdAt("nbd"), Writable: true}))
		}
		to = migration.Unix(dst.path("machine"))
		require.NoError(t, migration.StartIncoming(ctx, dst, to))
		opts.Address = &dst.nbdAt("nbd").Addr
		m.write(t, "data2", 6, 2<<20, 1<<20)
		opts.HandOver = func(context.Context) error {
			for _, id := range ids {
				require.Empty(t, m.disk(t, id).Jobs)
				require.NoError(t, dst.disks.Unexport(ctx, id, &block.UnexportOptions{Hard: true, StopServer: true}))
			}
			return nil
		}
		p, err := m.disks.Migrate(ctx, nil, to, opts)
		require.NoError(t, err)
		require.Equal(t, qemu.MigrationStatusCompleted, p.Status)
		_, err = migration.WaitIncoming(ctx, dst, nil)
		require.NoError(t, err)
		dst.read(t, "data1", 1, 0, 1<<20)
		dst.read(t, "data1", 5, 1<<20, 1<<20)
		dst.read(t, "data2", 2, 0, 2<<20)
		dst.read(t, "data2", 6, 2<<20, 1<<20)
		for _, id := range ids {
			dst.write(t, id, 8, 0, 4096)
			kept, err := dst.plug.RemoveDisk(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		dst.clean(t)
	})
}

// TestMigrateErrors checks what Migrate finds before it begins, and that the machine stays at the source.
func TestMigrateErrors(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		dst := m.withDestination(t)
		fails := func(want error, text string, disks *block.VM, change func(*block.MigrateOptions)) {
			t.Helper()
			to, opts := dst.to()
			change(opts)
			_, err := m.disks.Migrate(ctx, disks, to, opts)
			require.ErrorIs(t, err, migration.ErrNotStarted)
			require.ErrorContains(t, err, text)
			if want != nil {
				require.ErrorIs(t, err, want)
			}
			m.unmoved(t)
			require.False(t, dst.serves("nbd"))
		}
		fails(nil, "Disks is empty", dst.disks, func(o *block.MigrateOptions) { o.Disks = nil })
		fails(nil, "are nil", dst.disks, func(o *block.MigrateOptions) { o.Server = nil })
		fails(nil, "postcopy", dst.disks, func(o *block.MigrateOptions) {
			o.Migration = &migration.Options{Postcopy: func(migration.Progress) bool { return true }}
		})
		fails(nil, "-incoming defer", m.disks, func(*block.MigrateOptions) {})
		fails(nil, "given twice", dst.disks, func(o *block.MigrateOptions) { o.Disks = []string{"data1", "data1"} })
		fails(block.ErrNoDisk, `disk "none"`, dst.disks, func(o *block.MigrateOptions) { o.Disks = []string{"none"} })
		fails(nil, "nbd-server-start", dst.disks, func(o *block.MigrateOptions) { o.Server = dst.nbdAt("no/nbd") })
		_, err := m.disks.Migrate(ctx, new(block.VM), migration.Unix("x"), nil)
		require.ErrorContains(t, err, "not made by New")

		other := startMachine(t, m.qemu, t.TempDir(), "-incoming", "defer")
		require.NoError(t, os.Truncate(other.raw(t, "large", 0), imageSize+4096))
		large := hotplug.File{Path: other.path("large")}
		require.NoError(t, other.plug.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: large}))
		fails(block.ErrSize, "has 8388608 bytes, and at the destination 8392704", other.disks, func(o *block.MigrateOptions) {
			o.Disks = []string{"data1"}
		})
		fails(block.ErrNoDisk, `destination: disk "data2"`, other.disks, func(o *block.MigrateOptions) { o.Disks = []string{"data2"} })
	})
}

// TestMigrateFails ends a migration with disks at several points: the machine goes on at the source.
func TestMigrateFails(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		dst := m.withDestination(t)
		reason := errors.New("a reason")

		// The callback refuses.
		to, opts := dst.to()
		opts.Migration = &migration.Options{PreSwitchover: func(context.Context) error { return reason }}
		_, err := m.disks.Migrate(within(t), dst.disks, to, opts)
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, reason)
		m.unmoved(t)
		require.NoError(t, dst.vm.Close())

		// The context ends when the exports have ended.
		dst = m.destination(t)
		to, opts = dst.to()
		ctx, cancel := context.WithCancelCause(within(t))
		opts.HandOver = func(context.Context) error { cancel(reason); return nil }
		_, err = m.disks.Migrate(ctx, dst.disks, to, opts)
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, reason)
		m.unmoved(t)
		require.NoError(t, dst.vm.Close())

		// The context ends while the disks are copied.
		dst = m.destination(t)
		to, opts = dst.to()
		ctx, cancel = context.WithCancelCause(within(t))
		opts.Speed = 4 << 20
		opts.DiskProgress = func(string, job.Progress) { cancel(reason) }
		_, err = m.disks.Migrate(ctx, dst.disks, to, opts)
		require.ErrorIs(t, err, migration.ErrNotStarted)
		require.ErrorIs(t, err, reason)
		m.unmoved(t)
		require.False(t, dst.serves("nbd"))

		// The destination ends while the disks are copied.
		opts.Speed = 0
		opts.DiskProgress = func(string, job.Progress) { _ = dst.vm.Close() }
		_, err = m.disks.Migrate(within(t), dst.disks, to, opts)
		require.ErrorIs(t, err, migration.ErrNotStarted)
		m.unmoved(t)

		// The destination ends before the disks change over.
		dst = m.destination(t)
		to, opts = dst.to()
		opts.Migration = &migration.Options{PreSwitchover: func(context.Context) error { return dst.vm.Close() }}
		_, err = m.disks.Migrate(within(t), dst.disks, to, opts)
		require.Error(t, err)
		require.NotErrorIs(t, err, migration.ErrUnknown)
		m.unmoved(t)
	})
}

// TestMigrateFaults ends the context, or has a QEMU refuse, at each command of both sides that changes something. The machine
// goes on at the source, or is at the destination if that was too late.
func TestMigrateFaults(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		var dst *machine
		// Each version has one kind of fault: a round takes 4 s.
		kind := faultKinds[max(0, slices.Index(allVersions, m.qemu.Release()))%len(faultKinds)]
		for side := range 2 {
			for n := 1; ; n++ {
				if d, err := m.disks.Disks(t.Context()); err != nil || len(d) == 0 {
					m.plugged(t, "data1", 1)
					m.plugged(t, "data2", 2)
				}
				if dst == nil {
					dst = m.destination(t)
				}
				ctx, cancel := context.WithCancelCause(within(t))
				sides := []*faultyConn{{Conn: m, changes: true}, {Conn: dst, changes: true}}
				f := sides[side]
				f.left, f.kind, f.cancel = n, kind, cancel
				to, opts := dst.to()
				opts.Disks = opts.Disks[:1]
				_, err := block.New(sides[0]).Migrate(ctx, block.New(sides[1]), to, opts)
				cancel(nil)
				t.Logf("%s %d of side %d, %s: %v", kind, n, side, f.at, err)
				require.False(t, dst.serves("nbd"))
				isMoved := m.runState(t) == qemu.RunStatePostmigrate
				if isMoved {
					_, err := migration.WaitIncoming(within(t), dst, nil)
					require.NoError(t, err)
					require.Equal(t, qemu.RunStateRunning, dst.runState(t))
					dst.read(t, "data1", 1, 1<<20, 1<<20)
					dst.write(t, "data1", 9, 0, 4096)
					require.NoError(t, m.vm.Close())
					m = startMachine(t, m.qemu, t.TempDir())
				} else {
					require.Error(t, err)
					m.unmoved(t)
				}
				if isMoved || slices.Contains(sides[1].sent, "migrate-incoming") {
					require.NoError(t, dst.vm.Close())
					dst = nil
				}
				if f.at == "" {
					require.NoError(t, err)
					break
				}
			}
		}
	})
}

// TestMigrateGuest moves a booted guest to a newer QEMU with its disk. There it finds a disk that is hot-added.
func TestMigrateGuest(t *testing.T) {
	ctx := within(t)
	boot := func(version string, args ...string) *machine {
		q := qemutest.Get(t, version)
		args = append([]string{"-device", "virtio-scsi-pci"}, args...)
		vm := q.Start(t, qemutest.Config{Machine: "pc-i440fx-7.2", Guest: true, Args: args})
		c := vm.Dial(t)
		m := &machine{Client: c, qemu: q, vm: vm, plug: hotplug.New(c, nil), disks: block.New(c), dir: t.TempDir()}
		m.plugged(t, "data1", byte(len(args)))
		return m
	}
	src, dst := boot("7.2"), boot("10.0", "-incoming", "defer")
	require.NoError(t, src.vm.WaitGuest(ctx))
	require.NoError(t, src.vm.WaitGuestSees(ctx, regexp.MustCompile(`blk=sda `)))
	to, opts := dst.to()
	opts.Disks = []string{"data1"}
	opts.DiskProgress = func(string, job.Progress) { src.write(t, "data1", 7, 1<<20, 1<<20) }
	opts.Migration = &migration.Options{Progress: func(p migration.Progress) {
		if p.Status == qemu.MigrationStatusActive {
			src.write(t, "data1", 8, 2<<20, 1<<20)
		}
	}}
	_, err := src.disks.Migrate(ctx, dst.disks, to, opts)
	require.NoError(t, err)
	dst.read(t, "data1", 2, 0, 1<<20)
	dst.read(t, "data1", 7, 1<<20, 1<<20)
	dst.read(t, "data1", 8, 2<<20, 1<<20)
	dst.same(t, "raw", dst.path("data1.img"), src.path("data1.img"))
	dst.plugged(t, "data2", 3)
	require.NoError(t, dst.vm.WaitGuestSees(ctx, regexp.MustCompile(`blk=sda sdb `)))
	_, err = dst.plug.RemoveDisk(ctx, "data1")
	require.NoError(t, err)
	require.NoError(t, dst.vm.WaitGuestSees(ctx, regexp.MustCompile(`blk=sdb `)))
	log, err := dst.vm.Serial()
	require.NoError(t, err)
	require.NotContains(t, log, "READY", "the guest has not booted again")
}

// TestMigrateCutOff loses the connection to the source when the machine stands still. A new process cancels the migration and
// removes what is left: the machine goes on at the source.
func TestMigrateCutOff(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		dst := m.withDestination(t)
		to, opts := dst.to()
		opts.Migration = &migration.Options{PreSwitchover: func(context.Context) error { return m.Close() }}
		_, err := m.disks.Migrate(ctx, dst.disks, to, opts)
		require.ErrorIs(t, err, migration.ErrUnknown)
		require.ErrorAs(t, err, new(*hotplug.RollbackError))

		m.Client = m.vm.Dial(t)
		m.plug, m.disks = hotplug.New(m, nil), block.New(m)
		_, err = migration.Cancel(ctx, m)
		require.NoError(t, err)
		for _, id := range opts.Disks {
			j, err := job.Find(ctx, m, id+".migrate")
			if !errors.Is(err, job.ErrGone) { // the job is ready, or has failed
				require.NoError(t, err)
				require.NoError(t, j.Cancel(ctx))
			}
			kept, err := m.disks.Clean(ctx, id)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		require.NoError(t, migration.Disable("pause-before-switchover").Do(ctx, m))
		m.unmoved(t)
	})
}
