package block

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// InternalSnapshots lists the snapshots inside the first image of a disk. If a snapshot has the state of the machine, see
// [VM.SaveMachine], its VMStateSize is not 0. If there is no such disk, or it has no medium, the error matches [ErrNoDisk].
//
// Source: query-block.
func (vm *VM) InternalSnapshots(ctx context.Context, id string) (all []qemu.SnapshotInfo, err error) {
	err = vm.do(ctx, "list internal snapshots of disk", id, func() error {
		all, err = vm.snapshotsOf(ctx, id)
		return err
	})
	return all, err
}

func (vm *VM) snapshotsOf(ctx context.Context, id string) ([]qemu.SnapshotInfo, error) {
	disks, err := vm.findImages(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return disks[0].snapshots, nil
}

// CreateInternalSnapshot takes a snapshot of a disk inside its image, which must be qcow2. It does not save the guest's
// memory. QEMU cannot take a disk of a running machine back to such a snapshot; qemu-img can when the machine is off.
//
// If ctx ends while QEMU takes the snapshot, CreateInternalSnapshot looks at the disk, and returns nil if the snapshot
// exists. The error matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrBusy]: jobs run on the disk.
//   - [qmp.ErrNotSent]: the machine is at another host: it waits for a migration, or was migrated. QEMU 5.2 would terminate.
//   - [*qmp.Error]: QEMU refused, for example because the snapshot exists, or the format has no snapshots.
//
// Source: blockdev-snapshot-internal-sync.
func (vm *VM) CreateInternalSnapshot(ctx context.Context, id, name string) error {
	return vm.do(ctx, "create internal snapshot of disk", id, func() error {
		return vm.changeInternal(ctx, id, name, true, func(root string) error {
			return qemu.BlockdevSnapshotInternalSync{Device: root, Name: name}.Do(ctx, vm.conn)
		})
	})
}

// DeleteInternalSnapshot deletes a snapshot inside the image of a disk. Deleting a snapshot that does not exist is not an
// error. The errors are those of [VM.CreateInternalSnapshot].
//
// Source: blockdev-snapshot-delete-internal-sync.
func (vm *VM) DeleteInternalSnapshot(ctx context.Context, id, name string) error {
	return vm.do(ctx, "delete internal snapshot of disk", id, func() error {
		return vm.changeInternal(ctx, id, name, false, func(root string) error {
			_, err := qemu.BlockdevSnapshotDeleteInternalSync{Device: root, Name: &name}.Do(ctx, vm.conn)
			return err
		})
	})
}

// changeInternal creates or deletes a snapshot inside a disk. want reports whether the disk has the snapshot afterwards.
func (vm *VM) changeInternal(ctx context.Context, id, name string, want bool, change func(root string) error) error {
	disks, err := vm.findImages(ctx, []string{id})
	if err != nil {
		return err
	}
	d := disks[0]
	if err = d.busy(); err == nil {
		err = vm.checkHere(ctx)
	}
	had := named(d.snapshots, name) != nil
	if err != nil || !had && !want {
		return err
	}
	err = change(d.root())
	if err != nil && had != want && qmp.MayHaveExecuted(err) {
		return vm.checkInternal(ctx, id, name, want, err)
	}
	return err
}

// checkInternal looks whether a disk has a snapshot or not, because the answer of a command is lost.
func (vm *VM) checkInternal(ctx context.Context, id, name string, want bool, err error) error {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	now, lookErr := vm.snapshotsOf(ctx, id)
	switch {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case want == (named(now, name) != nil):
		return nil
	}
	return err
}

// named returns the snapshot with a name, or nil.
func named(all []qemu.SnapshotInfo, name string) *qemu.SnapshotInfo {
	if i := slices.IndexFunc(all, func(s qemu.SnapshotInfo) bool { return s.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// MachineOptions configures [VM.SaveMachine], [VM.LoadMachine] and [VM.DeleteSavedMachine].
type MachineOptions struct {
	// Disks are the IDs of the disks that get a snapshot. By default, these are all disks that the guest can write to, also
	// disks without an ID. If the machine has a writable disk that is not qcow2, name the others here. SaveMachine and
	// LoadMachine leave a disk that is not named as it is, so after LoadMachine it does not match the guest's memory.
	Disks []string

	// StateDisk is the ID of the disk that gets the memory of the guest and the state of the devices. By default, this is
	// the first disk. Only SaveMachine uses it.
	StateDisk string

	Progress func(job.Progress) // called about once a second, see [job.Job.Wait]; may be nil
}

// SaveMachine takes a snapshot of the machine inside the images of its disks: the disks, the guest's memory, and the state
// of the devices. The guest stops while QEMU saves, and then runs as before. The job has the ID "machine.save".
//
// SaveMachine needs QEMU 6.0. If it fails, the guest runs as before, and no disk has the snapshot. The error matches:
//   - [errors.ErrUnsupported]: QEMU is older than 6.0.
//   - [ErrNoDisk]: a disk of opts does not exist, or the machine has no disk that the guest can write to.
//   - [ErrBusy]: jobs run on a disk, or a job of any disk uses an NBD server. If the server did not answer, QEMU could not stop
//     the guest, and would execute no other command. Or a job is on a disk of virtio-blk with an iothread, see package job.
//   - [*job.FailedError]: QEMU's reason, for example that a writable disk does not support snapshots, or that the snapshot
//     exists.
//   - the other errors of [job.Run].
//
// Source: snapshot-save.
func (vm *VM) SaveMachine(ctx context.Context, name string, opts *MachineOptions) error {
	return vm.do(ctx, "save machine", name, func() error {
		opts := cmp.Or(opts, &MachineOptions{})
		disks, err := vm.machineDisks(ctx, opts)
		if err == nil {
			err = vm.checkStop(ctx)
		}
		if err != nil {
			return err
		}
		state := disks[0].image().Node
		if opts.StateDisk != "" {
			i := slices.IndexFunc(disks, func(d imaged) bool { return d.Name == opts.StateDisk })
			if i < 0 {
				return because(ErrNoDisk, "StateDisk %q is not among the disks", opts.StateDisk)
			}
			state = disks[i].image().Node
		}
		return job.Run(ctx, vm.conn, "machine.save", qemu.SnapshotSave{Tag: name, VMState: state, Devices: nodesOf(disks)}, opts.Progress)
	})
}

// LoadMachine takes the machine back to a snapshot of [VM.SaveMachine]: the disks, the guest's memory, and the state of the
// devices. If the guest ran before LoadMachine, it runs afterwards. The machine must have the same devices as at SaveMachine.
// The job has the ID "machine.load".
//
// LoadMachine needs QEMU 6.0. It first checks that each disk has the snapshot: if one lacks it, QEMU would leave the machine
// stopped. The error matches:
//   - [errors.ErrUnsupported]: QEMU is older than 6.0.
//   - [ErrNoSnapshot]: a disk does not have the snapshot, or no disk has the state of the machine. Nothing has changed.
//   - [ErrHasBitmaps]: a disk has bitmaps. Remove them ([VM.RemoveBitmap]), and take full backups afterwards. Nothing has
//     changed.
//   - [ErrNoDisk], [ErrBusy]: as for SaveMachine. Nothing has changed.
//   - [*job.FailedError]: QEMU could not load the snapshot, for example because a device is missing. The machine is stopped,
//     and its disks may be those of the snapshot: load another snapshot, or end the machine.
//   - the other errors of [job.Run].
//
// Source: snapshot-load, query-status, cont.
func (vm *VM) LoadMachine(ctx context.Context, name string, opts *MachineOptions) error {
	return vm.do(ctx, "load machine", name, func() error {
		opts := cmp.Or(opts, &MachineOptions{})
		disks, err := vm.machineDisks(ctx, opts)
		if err != nil {
			return err
		}
		state, err := stateOf(disks, name)
		if err == nil {
			err = vm.checkStop(ctx)
		}
		if err != nil {
			return err
		}
		for _, d := range disks {
			if len(d.Bitmaps) > 0 {
				return onDisk(cmp.Or(d.Name, d.Path), because(ErrHasBitmaps, "disk has bitmap %q, which would lack the change: remove it first", *d.Bitmaps[0].Name))
			}
		}
		before, err := qemu.QueryStatus{}.Do(ctx, vm.conn)
		if err != nil {
			return err
		}
		request := qemu.SnapshotLoad{Tag: name, VMState: state, Devices: nodesOf(disks)}
		err = job.Run(ctx, vm.conn, "machine.load", request, opts.Progress)
		if _, failed := errors.AsType[*job.FailedError](err); failed && before.Running {
			err = vm.continueUnloaded(ctx, name, opts, err)
		}
		return err
	})
}

// continueUnloaded continues the guest after QEMU could not load a snapshot, if QEMU has certainly not changed the disks: it
// does not touch them if one of them does not have the snapshot.
func (vm *VM) continueUnloaded(ctx context.Context, name string, opts *MachineOptions, err error) error {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	disks, lookErr := vm.machineDisks(ctx, opts)
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if _, missing := stateOf(disks, name); missing != nil {
		return errors.Join(err, missing, qemu.Cont{}.Do(ctx, vm.conn))
	}
	return err
}

// DeleteSavedMachine deletes a snapshot of [VM.SaveMachine] from the disks. It skips a disk that does not have the snapshot.
// The job has the ID "machine.delete". The errors are those of SaveMachine. If DeleteSavedMachine fails, some disks may no
// longer have the snapshot.
//
// Source: snapshot-delete.
func (vm *VM) DeleteSavedMachine(ctx context.Context, name string, opts *MachineOptions) error {
	return vm.do(ctx, "delete saved machine", name, func() error {
		opts := cmp.Or(opts, &MachineOptions{})
		disks, err := vm.machineDisks(ctx, opts)
		if err != nil {
			return err
		}
		return job.Run(ctx, vm.conn, "machine.delete", qemu.SnapshotDelete{Tag: name, Devices: nodesOf(disks)}, opts.Progress)
	})
}

// checkHere returns an error if the machine waits for a migration, or was migrated: QEMU 5.2 would terminate.
func (vm *VM) checkHere(ctx context.Context) error {
	status, err := qemu.QueryStatus{}.Do(ctx, vm.conn)
	if err == nil && (status.Status == qemu.RunStateInmigrate || status.Status == qemu.RunStatePostmigrate) {
		return because(qmp.ErrNotSent, "machine is at another host (%s)", status.Status)
	}
	return err
}

// An imaged is a disk with the snapshots of its first image.
type imaged struct {
	*Disk
	snapshots []qemu.SnapshotInfo
}

// machineDisks returns the disks for a snapshot of the machine, which no job uses.
func (vm *VM) machineDisks(ctx context.Context, opts *MachineOptions) ([]imaged, error) {
	disks, err := vm.findImages(ctx, opts.Disks)
	if err != nil {
		return nil, err
	}
	for _, d := range disks {
		if err := d.busy(); err != nil {
			return nil, fmt.Errorf("disk %q: %w", cmp.Or(d.Name, d.Path), err)
		}
	}
	return disks, nil
}

// findImages returns the disks with these IDs, or all that the guest can write to. There is at least one.
func (vm *VM) findImages(ctx context.Context, ids []string) (disks []imaged, err error) {
	infos := map[string]*qemu.BlockInfo{} // by the disk's Path
	found, err := vm.find(ctx, func(name string, b *qemu.BlockInfo) bool {
		if b.Qdev == nil || b.Inserted == nil || len(ids) == 0 && b.Inserted.RO || len(ids) > 0 && !slices.Contains(ids, name) {
			return false
		}
		infos[*b.Qdev] = b
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, d := range found {
		image := &infos[d.Path].Inserted.Image
		for range d.imageIndex() {
			image = image.BackingImage
		}
		disks = append(disks, imaged{d, image.Snapshots})
	}
	for _, id := range ids {
		if id == "" || !slices.ContainsFunc(disks, func(d imaged) bool { return d.Name == id }) {
			return nil, because(ErrNoDisk, "disk %q does not exist, or has no medium", id)
		}
	}
	if len(disks) == 0 {
		return nil, because(ErrNoDisk, "machine has no disk that the guest can write to")
	}
	return disks, nil
}

func nodesOf(disks []imaged) (nodes []string) {
	for _, d := range disks {
		nodes = append(nodes, d.image().Node)
	}
	return nodes
}

// stateOf returns the node with the state of the machine in a snapshot that all disks have.
func stateOf(disks []imaged, name string) (node string, err error) {
	for _, d := range disks {
		switch s := named(d.snapshots, name); {
		case s == nil:
			return "", because(ErrNoSnapshot, "disk %q has no snapshot %q", cmp.Or(d.Name, d.Path), name)
		case s.VMStateSize > 0:
			node = d.image().Node
		}
	}
	if node == "" {
		return "", because(ErrNoSnapshot, "snapshot %q does not have the state of the machine", name)
	}
	return node, nil
}
