package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// MigrateOptions configures [VM.Migrate]. Disks is required, and one of Server and Address. Without a destination, Address and
// HandOver are required, and Server and Incoming must be nil.
type MigrateOptions struct {
	// Disks are the IDs of the disks that move with the machine. The destination has disks with the same IDs and sizes. All
	// other disks are shared: both QEMUs open the same storage.
	Disks []string

	// Server is the NBD server that Migrate starts at the destination, and stops when the disks have moved. Anybody who
	// reaches it can write to the disks until then: use TLS, or a network that nobody else has. nil means that the server
	// runs already.
	Server *qemu.NBDServerOptions

	// Address is where the source reaches the server. nil means the Addr of Server.
	Address *qemu.SocketAddress

	TLSCreds    string // for TLS: the ID of the object at the source
	TLSHostname string // for TLS: the name in the certificate of the server; QEMU 7.0 and later

	// Incoming is where the destination listens for the machine, for example migration.TCP("[::]:4444"). nil means the target
	// to which the source sends.
	Incoming *migration.Target

	// Top is as in [CopyOptions]: the disks of the destination have the data of the images below already.
	Top bool

	// WriteBlocking and Speed are as in [MoveOptions].
	WriteBlocking bool
	Speed         int64

	// DiskProgress is called about once a second for each disk until all disks are copied; may be nil. It is never called
	// twice at the same time.
	DiskProgress func(disk string, p job.Progress)

	// HandOver, if not nil, is called when the copies have ended. The machine stands still. If HandOver returns an error,
	// Migrate cancels the migration. Without a destination, HandOver makes the other program end its exports, and returns
	// when they have ended: a machine cannot run on disks that others can write to.
	HandOver func(context.Context) error

	// Migration configures [migration.Run]. Postcopy must be nil. PreSwitchover is called before the disks change over; the
	// machine stands still.
	Migration *migration.Options
}

// Migrate moves the machine to another QEMU, together with disks that are not shared. vm is the source. The destination was started
// with "-incoming defer" and has the disks; their content is lost.
//
// Migrate exports the disks of the destination, copies the disks of the source there while the guest runs, and then runs
// [migration.StartIncoming], [migration.Run] and [migration.WaitIncoming]. When the machine stands still at the source
// (capability pause-before-switchover), the copies are complete: Migrate ends them and the exports, and then lets the
// destination run the machine. The jobs have the IDs "ID.migrate". The bitmaps of the disks do not move.
//
// If Migrate returns nil, the machine is at the destination. End the source then.
//
// If another program controls the destination, destination is nil. That program exports the disks ([VM.Export] with Writable),
// calls [migration.StartIncoming], ends the exports during HandOver, and calls [migration.WaitIncoming]. Migrate returns
// when the source has sent the machine.
//
// If Migrate fails or ctx ends, the machine is at the source with its disks as before, and the copies have ended. If ctx ends
// after the exports have ended, Migrate still moves the machine, which takes 15 seconds at most. After one of these errors,
// ask both sides where the machine is, see package migration:
//   - [migration.ErrUnknown], [migration.ErrGoesOn]: QEMU did not answer, or did not cancel the migration in time. If the
//     migration waits in the state pre-switchover, [migration.Cancel] makes the machine continue at the source. Then cancel the
//     jobs ([job.Find], [job.Job.Cancel]), and call [VM.Clean] for each disk. Never complete them: the guest would use the
//     disks of the destination.
//   - an error of [migration.WaitIncoming]: the source has sent the machine.
//   - [*migration.FailedError] with Halted.
//
// After a failure, end the destination: no command makes it stop listening for a machine, and its disks are partly
// overwritten.
//
// The other errors match [migration.ErrNotStarted], [migration.ErrCancelled] or [*migration.FailedError], and their reasons:
//   - [ErrNoDisk]: one side does not have the disk.
//   - [ErrBusy]: jobs run on the disk.
//   - [ErrSize]: the disk of the destination has another size.
//   - [*migration.StateError]: the destination does not wait for a machine.
//   - [*job.FailedError]: the copy failed, for example because the destination has ended.
//   - [*hotplug.RollbackError]: something could not be undone.
//
// Source: nbd-server-start, block-export-add, blockdev-add, blockdev-mirror, block-job-cancel, migrate-incoming, migrate.
func (vm *VM) Migrate(ctx context.Context, destination *VM, to migration.Target, opts *MigrateOptions) (p migration.Progress, err error) {
	if destination != nil {
		if err := destination.made(ctx); err != nil {
			return p, err
		}
	}
	m := &move{src: vm, dst: destination}
	if opts != nil {
		m.opts = *opts
	}
	err = vm.do(ctx, "migrate with disks", strings.Join(m.opts.Disks, ", "), func() error {
		if err := m.prepare(ctx); err != nil {
			return fmt.Errorf("%w: %w", migration.ErrNotStarted, m.there.run(ctx, m.here.run(ctx, err)))
		}
		var err error
		if p, err = m.run(ctx, to); err != nil {
			_ = m.there.run(ctx, nil) // the destination must end, and an older QEMU has ended
			return m.here.run(ctx, err)
		}
		if destination == nil {
			return nil
		}
		longer, cancel := wait.Outlive(ctx, switchLimit)
		defer cancel()
		_, err = migration.WaitIncoming(longer, destination.conn, nil)
		return err
	})
	return p, err
}

// migratePurpose is in the IDs of jobs and exports. It is not that of Move: the next manager completes the job of a Move.
const migratePurpose = "migrate"

// A move is a migration with disks.
type move struct {
	src, dst *VM // dst is nil if another program controls the destination
	opts     MigrateOptions
	disks    []*movingDisk

	here, there rollback     // of what prepare has done at the source and at the destination
	hold        func() error // from now on, the end of the context does not cancel the migration; an error if it has ended
}

// A movingDisk is a disk that is copied to the destination.
type movingDisk struct {
	id    string
	root  string // the node of the source
	there *Disk  // the disk of the destination; nil without one
	node  string // the node of the source for the export of the destination
	job   *job.Job
}

// prepare copies the disks, until the destination has everything that the guest has written.
func (m *move) prepare(ctx context.Context) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	if err := m.enablePause(ctx); err != nil {
		return err
	}
	if m.dst != nil {
		if err := m.export(ctx); err != nil {
			return fmt.Errorf("destination: %w", err)
		}
	}
	for _, d := range m.disks {
		if err := m.start(ctx, d); err != nil {
			return fmt.Errorf("disk %q: %w", d.id, err)
		}
	}
	return m.waitReady(ctx)
}

// export exports the disks of the destination.
func (m *move) export(ctx context.Context) error {
	if err := m.dst.startServer(ctx, &m.there, m.opts.Server); err != nil {
		return err
	}
	for _, d := range m.disks {
		export := &ExportOptions{ID: jobID(d.id, migratePurpose), Name: d.id, Writable: true}
		if err := m.dst.exportDisk(ctx, &m.there, d.there, export); err != nil {
			return fmt.Errorf("disk %q: %w", d.id, err)
		}
	}
	return nil
}

// check looks at both sides before anything changes.
func (m *move) check(ctx context.Context) error {
	switch {
	case len(m.opts.Disks) == 0:
		return errors.New("Disks is empty: use migration.Run")
	case m.opts.Server == nil && m.opts.Address == nil:
		return errors.New("Server and Address are nil")
	case m.opts.Migration != nil && m.opts.Migration.Postcopy != nil:
		return errors.New("disks cannot move with a machine in postcopy")
	case m.dst == nil && (m.opts.Address == nil || m.opts.HandOver == nil || m.opts.Server != nil || m.opts.Incoming != nil):
		return errors.New("without a destination, Address and HandOver are required, and Server and Incoming must be nil")
	}
	if m.dst != nil {
		status, err := qemu.QueryStatus{}.Do(ctx, m.dst.conn)
		if err != nil {
			return err
		}
		if status.Status != qemu.RunStateInmigrate {
			return &migration.StateError{RunState: status.Status, Reason: "destination does not wait for a machine: start it with -incoming defer"}
		}
	}
	here, err := m.src.lookAllIdle(ctx, m.opts.Disks)
	if err != nil {
		return err
	}
	for _, d := range here {
		m.disks = append(m.disks, &movingDisk{id: d.Name, root: d.root()})
	}
	if m.dst == nil {
		return nil
	}
	there, err := m.dst.lookAllIdle(ctx, m.opts.Disks)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	for i, d := range here {
		if d.Size() != there[i].Size() {
			return because(ErrSize, "disk %q has %d bytes, and at the destination %d", d.Name, d.Size(), there[i].Size())
		}
		m.disks[i].there = there[i]
	}
	return nil
}

// enablePause makes the migration stop when the machine stands still and the source still has it.
func (m *move) enablePause(ctx context.Context) error {
	const pause = qemu.MigrationCapabilityPauseBeforeSwitchover
	states, err := qemu.QueryMigrateCapabilities{}.Do(ctx, m.src.conn)
	if err != nil || slices.Contains(states, qemu.MigrationCapabilityStatus{Capability: pause, State: true}) {
		return err
	}
	return m.here.step(ctx, "capability "+string(pause),
		func(ctx context.Context) error { return migration.Enable(pause).Do(ctx, m.src.conn) },
		func(ctx context.Context) error { return migration.Disable(pause).Do(ctx, m.src.conn) })
}

// start begins to copy a disk.
func (m *move) start(ctx context.Context, d *movingDisk) (err error) {
	nbd := &qemu.BlockdevOptionsNBD{
		Export:   new(d.id),
		TLSCreds: qmp.NonZero(m.opts.TLSCreds), TLSHostname: qmp.NonZero(m.opts.TLSHostname),
	}
	if m.opts.Address != nil {
		nbd.Server = *m.opts.Address
	} else {
		nbd.Server = m.opts.Server.Addr
	}
	options, _, err := m.src.withOpenTimeout(ctx, qemu.BlockdevOptions{Driver: qemu.BlockdevDriverNBD, Branch: nbd})
	if err != nil {
		return err
	}
	if d.node, err = m.src.addNode(ctx, &m.here, d.id, "", hotplug.Blockdev{Options: options}); err != nil {
		return err
	}
	m.here.add("connection of node "+d.node, func(ctx context.Context) error { // else a destination that is silent blocks the next step
		return ignore(m.src.yank(ctx, d.node), errors.ErrUnsupported)
	})
	mirror := qemu.BlockdevMirror{Device: d.root, Target: d.node, Sync: qemu.MirrorSyncModeFull, Speed: qmp.NonZero(m.opts.Speed)}
	if m.opts.Top {
		mirror.Sync = qemu.MirrorSyncModeTop
	}
	if m.opts.WriteBlocking {
		mirror.CopyMode = new(qemu.MirrorCopyModeWriteBlocking)
	}
	id := jobID(d.id, migratePurpose)
	d.job, err = job.Start(ctx, m.src.conn, id, mirror)
	if err == nil || !errors.Is(err, job.ErrNotStarted) {
		m.here.add("job "+id, func(ctx context.Context) error {
			if d.job != nil {
				d.job.Detach()
			}
			return m.src.endJob(ctx, id)
		})
	}
	return err
}

// waitReady waits until all disks are copied.
func (m *move) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var one sync.Mutex
	var failed error
	for _, d := range m.disks {
		var progress func(job.Progress)
		if m.opts.DiskProgress != nil {
			progress = func(p job.Progress) {
				one.Lock()
				defer one.Unlock()
				m.opts.DiskProgress(d.id, p)
			}
		}
		all.Go(func() {
			err := d.job.WaitReady(ctx, progress)
			one.Lock()
			defer one.Unlock()
			if err != nil && failed == nil {
				failed = fmt.Errorf("disk %q: %w", d.id, err)
				cancel() // the other copies
			}
		})
	}
	all.Wait()
	return failed
}

// switchLimit is how long QEMU may take to send the rest of the machine, which has been stopped, and to start it at the
// destination. During this time ctx does not cancel the migration: a QEMU older than 10.0 can terminate.
const switchLimit = 15 * time.Second

// run sends the machine.
func (m *move) run(ctx context.Context, to migration.Target) (migration.Progress, error) {
	if m.dst != nil {
		from := to
		if m.opts.Incoming != nil {
			from = *m.opts.Incoming
		}
		if err := migration.StartIncoming(ctx, m.dst.conn, from); err != nil {
			return migration.Progress{}, err
		}
	}
	opts := migration.Options{}
	if m.opts.Migration != nil {
		opts = *m.opts.Migration
	}
	before := opts.PreSwitchover
	opts.PreSwitchover = func(ctx context.Context) error {
		if before != nil {
			if err := before(ctx); err != nil {
				return err
			}
		}
		return m.handOver(ctx)
	}
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { cancel(wait.Err(ctx)) })
	defer stop()
	m.hold = func() error {
		if !stop() {
			return wait.Err(ctx) // longer may end a moment later
		}
		time.AfterFunc(switchLimit, func() { cancel(fmt.Errorf("machine is not sent within %s", switchLimit)) })
		return nil
	}
	return migration.Run(longer, m.src.conn, to, &opts)
}

// handOver completes the copies and ends the exports. The machine stands still. The source can still continue it: its disks
// have everything, too.
func (m *move) handOver(ctx context.Context) error {
	longer, cancel := wait.Outlive(ctx, switchLimit) // it takes milliseconds, and QEMU 5.2 can end if a job is cancelled now
	defer cancel()
	for _, d := range m.disks {
		if err := d.job.EndWithoutPivot(longer); err != nil {
			return fmt.Errorf("disk %q: %w", d.id, err)
		}
	}
	nodes := map[string][]string{}
	for _, d := range m.disks {
		nodes[d.id] = []string{d.node}
	}
	if err := m.src.removeNodes(ctx, nodes); err != nil {
		return err
	}
	for _, d := range m.disks {
		if m.dst == nil {
			continue
		}
		if err := m.dst.removeExportAfter(ctx, jobID(d.id, migratePurpose)); err != nil {
			return fmt.Errorf("destination: disk %q: %w", d.id, err)
		}
	}
	if m.opts.Server != nil {
		if err := m.dst.stopServer(ctx); err != nil {
			return fmt.Errorf("destination: %w", err)
		}
	}
	if m.opts.HandOver != nil {
		if err := m.opts.HandOver(ctx); err != nil {
			return err
		}
	}
	return m.hold()
}

// ignore returns err, or nil if err matches other.
func ignore(err, other error) error {
	if errors.Is(err, other) {
		return nil
	}
	return err
}
