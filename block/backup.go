package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A BackupDisk is a disk to back up.
type BackupDisk struct {
	ID     string // of the device
	Target Target // gets the data; a qcow2 image for an increment

	// Bitmap names the bitmap that connects a full backup with its increments. A full backup begins a chain with it. Without
	// a Bitmap, the backup is a full one, and no increment can follow it.
	Bitmap string

	// Incremental copies only what the guest has written since the last backup with the Bitmap. The target has no backing
	// image in QEMU; to read the increment, put the image of the last backup below it, for example with qemu-img rebase.
	Incremental bool

	// Scratch is where QEMU keeps the old data of what the guest overwrites during the backup. If it is nil, QEMU uses a
	// temporary file, see BackupOptions.
	Scratch *Target
}

// BackupOptions configures [VM.Backup].
type BackupOptions struct {
	// ScratchDir is the folder for the temporary files of disks without Scratch. They have no names, and grow with what
	// the guest overwrites during the backup. An empty ScratchDir is [os.TempDir]. Use a local disk.
	ScratchDir string

	// WriteTimeout is how long a write of the guest may wait for the scratch image, in whole seconds. After that the write
	// goes through, and the backup fails. 0 means 15 seconds.
	WriteTimeout time.Duration

	// Direct makes QEMU save the old data in the target, without a scratch image. If the target is slow, the guest is slow.
	// If the target is full or fails, writes of the guest fail. If the target is on an NBD server that does not answer,
	// writes of the guest hang, and cancelling the backup blocks QEMU's monitor. QEMU before 7.1 always works like that.
	Direct bool

	Speed    int64                             // the limit for each disk in bytes a second; 0 means none
	Progress func(disk string, p job.Progress) // called about once a second for each disk; may be nil
}

// Backup copies disks as they are at one moment, while the guest uses them. A full backup has all data, an increment has
// the data that changed since the last backup with the same bitmap. All disks of a call succeed or none. The jobs have the
// IDs "ID.backup".
//
// The guest's writes do not wait for the targets: QEMU first copies the old data to a scratch image. If the scratch image
// is full, or slower than WriteTimeout, the guest continues and the backup fails. To freeze several disks at one moment,
// Backup stops the machine for some milliseconds. If a job of any disk uses an NBD server, which could prevent that, the error
// matches [ErrBusy]; with QEMU 6.0 to 9.2 also for a single disk. The error of several disks also matches ErrBusy if a job is on
// a disk of virtio-blk with an iothread, see package job. QEMU before 7.1 cannot use scratch images: see [BackupOptions.Direct].
//
// If Backup returns nil, the targets are complete, and the bitmaps record what the guest has written since the moment of
// the backup. kept lists nodes and descriptors that are still in QEMU, because a command failed.
//
// If Backup fails or ctx ends, the bitmaps are as if there had been no backup, so an increment can be repeated with
// another target. Everything that Backup has added is removed, unless the error is a [*hotplug.RollbackError]. Files
// stay. The error matches:
//   - [ErrNeedFull]: an increment is impossible, because the bitmap is missing, inconsistent or disabled.
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrBusy]: jobs run on a disk, or another backup or frozen view is open.
//   - [ErrBitmapBusy]: something else uses the bitmap.
//   - [ErrNotEmpty], [ErrSize]: a target does not fit.
//   - [ErrBitmapsUnknown]: the backup is complete. Keep it as part of the chain.
//   - [*job.FailedError]: the copy failed, for example because a target or a scratch image is full.
//   - the other errors of [job.RunAll].
//
// If an NBD server does not answer, Backup waits until ctx ends, and then cuts the connection. QEMU cannot cut a connection
// over a UNIX socket whose buffer is full. The disk then stays frozen: when the server answers, call [VM.AbortBackups].
//
// If the process ends during a backup, AbortBackups removes what is left. Do not migrate the machine during a backup.
//
// Source: transaction, blockdev-backup, block-dirty-bitmap-add, -merge, -clear and -remove; blockdev-add of
// copy-before-write and snapshot-access, qom-set of drive; stop and cont for several disks.
func (vm *VM) Backup(ctx context.Context, disks []BackupDisk, opts *BackupOptions) (kept []hotplug.Kept, err error) {
	if opts == nil {
		opts = &BackupOptions{}
	}
	var ids []string
	for _, d := range disks {
		ids = append(ids, d.ID)
	}
	var targets map[string][]string
	err = vm.changing(ctx, "back up disk", strings.Join(ids, ", "), func(undo *rollback) error {
		targets, err = vm.backup(ctx, undo, ids, disks, opts)
		if err != nil {
			return err
		}
		longer, cancel := wait.Detach(ctx, undoLimit)
		defer cancel()
		kept, err = vm.end(longer, ids, succeeded)
		return err
	})
	if err != nil {
		return nil, err
	}
	longer, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	return append(kept, vm.releaseAll(longer, targets)...), nil
}

// backup runs the jobs of a backup, and returns the nodes of the targets that it has added, by the IDs of the disks.
func (vm *VM) backup(ctx context.Context, undo *rollback, ids []string, disks []BackupDisk, opts *BackupOptions) (targets map[string][]string, err error) {
	freezes := false
	if !opts.Direct {
		if freezes, err = vm.freezes(ctx); err != nil {
			return nil, err
		}
	}
	views := make([]ViewDisk, len(disks))
	for i, d := range disks {
		if d.Incremental && d.Target.createsRaw() {
			return nil, onDisk(d.ID, errors.New("a new raw image cannot tell which parts an increment has: use qcow2"))
		}
		views[i] = ViewDisk{ID: d.ID, Bitmap: d.Bitmap, Incremental: d.Incremental, Scratch: d.Scratch}
	}
	all, err := vm.sources(ctx, ids, views)
	if err != nil {
		return nil, err
	}
	t := job.Transaction{Grouped: true}
	storage := make([]wanted, len(all))
	for i, s := range all {
		storage[i] = wanted{Target: disks[i].Target, disk: s.Name, size: s.Size(), below: backing{later: s.incremental}}
	}
	nodes, err := vm.addTargets(ctx, undo, storage)
	if err != nil {
		return nil, err
	}
	targets = map[string][]string{}
	for i, s := range all {
		request := qemu.BlockdevBackup{
			Device: s.root(), Target: nodes[i], Sync: qemu.MirrorSyncModeFull, Speed: qmp.NonZero(opts.Speed),
		}
		if freezes {
			request.Device = viewNode(s.Name, accessNode)
		}
		if s.incremental {
			request.Sync, request.Bitmap, request.BitmapMode = qemu.MirrorSyncModeBitmap, &s.chain.name, new(qemu.BitmapSyncModeNever)
		}
		t.Jobs = append(t.Jobs, job.Planned{ID: jobID(s.Name, backupPurpose), Request: request})
		if !isNode(disks[i].Target.Backend) {
			targets[s.Name] = nodes[i : i+1]
		}
	}
	if freezes {
		err = vm.freeze(ctx, undo, all, freezeOptions{opts.ScratchDir, opts.WriteTimeout})
	} else { // QEMU refuses bitmaps in the transaction of jobs that end together
		err = vm.beginChains(ctx, undo, all)
	}
	if err != nil {
		return nil, err
	}
	var progress func(string, job.Progress)
	if opts.Progress != nil {
		progress = func(id string, p job.Progress) { opts.Progress(strings.TrimSuffix(id, "."+backupPurpose), p) }
	}
	if !freezes { // the guest's writes would fail with the connection
		return targets, job.RunAll(ctx, vm.conn, t, progress)
	}
	return targets, vm.runFrozen(ctx, t, nodes, progress)
}

// yankGrace is how long a job may take to fail after the connection to its target was cut.
const yankGrace = 3 * time.Second

// runFrozen is job.RunAll for jobs that read frozen views. If ctx ends, it cuts the connections to targets in the network
// before it cancels the jobs. After job-cancel, QEMU executes no more commands until such a target answers.
func (vm *VM) runFrozen(ctx context.Context, t job.Transaction, targets []string, progress func(string, job.Progress)) error {
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	ended, cut := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		defer func() { cancel(wait.Err(ctx)) }()
		inTime, done := wait.Detach(ctx, yankGrace)
		defer done()
		connections, err := qemu.QueryYank{}.Do(inTime, vm.conn)
		isNode := func(c qemu.YankInstance) bool { return c.Type == qemu.YankInstanceTypeBlockNode }
		if err != nil || !slices.ContainsFunc(connections, isNode) {
			return
		}
		for _, target := range targets {
			if err := vm.yank(inTime, target); err != nil {
				return
			}
		}
		select {
		case <-ended:
		case <-inTime.Done():
		}
	})
	err := job.RunAll(running, vm.conn, t, progress)
	close(ended)
	if !stop() {
		<-cut
	}
	if _, failed := errors.AsType[*job.FailedError](err); failed && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", wait.Err(ctx), err)
	}
	return err
}

// sources looks at the disks of a backup or a view.
func (vm *VM) sources(ctx context.Context, ids []string, views []ViewDisk) (all []*source, err error) {
	disks, err := vm.lookAllIdle(ctx, ids)
	if err == nil {
		err = vm.checkTransaction(ctx)
	}
	if err != nil {
		return nil, err
	}
	for i, v := range views {
		c, err := disks[i].chain(v.Bitmap, v.Incremental)
		if err != nil {
			return nil, onDisk(v.ID, err)
		}
		s := &source{Disk: disks[i], chain: c, incremental: v.Incremental, scratch: v.Scratch}
		if v.Incremental {
			s.bitmaps = []string{v.Bitmap}
		}
		if err := s.show(v.ExportBitmaps); err != nil {
			return nil, onDisk(v.ID, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func idsOf(all []*source) (ids []string) {
	for _, s := range all {
		ids = append(ids, s.Name)
	}
	return ids
}

// A diskError is the error of one of the disks of an operation.
type diskError struct {
	id  string
	err error
}

func onDisk(id string, err error) error { return &diskError{id, err} }

func (e *diskError) Error() string { return fmt.Sprintf("disk %q: %v", e.id, e.err) }
func (e *diskError) Unwrap() error { return e.err }

// AbortBackups ends the backups and frozen views of disks, also those of another process. It cancels the jobs, cuts the
// connections of a view's clients, and removes everything that [VM.Backup] and [VM.OpenView] have added. If a process still
// waits for such a backup, it gets an error. The bitmaps are as if there had been no backup.
//
// AbortBackups also does the work of [VM.Clean]: do not call it while another operation works on the disk. A disk without a
// backup, and a disk that does not exist, are not errors. kept lists the nodes that are still in QEMU. If AbortBackups
// fails, call it again.
//
// Source: job-cancel, block-export-del, nbd-server-stop, qom-set, blockdev-del, block-dirty-bitmap-remove.
func (vm *VM) AbortBackups(ctx context.Context, ids ...string) (kept []hotplug.Kept, err error) {
	err = vm.do(ctx, "abort backups of disk", strings.Join(ids, ", "), func() error {
		kept, err = vm.end(ctx, ids, abandoned)
		return err
	})
	return kept, err
}
