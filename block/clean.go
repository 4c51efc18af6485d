package block

import (
	"context"
	"errors"
	"slices"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Clean removes what operations on a disk have left, because they were interrupted or a command failed:
//
//   - jobs with IDs of this package ("ID.move") that have ended: Clean dismisses them
//   - the nodes in [Disk.Left], with their descriptors and bitmaps
//   - the bitmaps "ID.move" and "ID.commit" of the disk
//
// Clean does not end jobs. Do not call it while an operation works on the disk: it would remove nodes that the operation
// has added and does not use yet.
//
// kept lists the nodes that stay because something uses them, for example a job. If there is no such disk, Clean only
// dismisses the job of a [VM.CreateImage], and the error matches [ErrNoDisk]; [hotplug.VM.RemoveDisk] removes the rest.
//
// Clean closes the connections of unused nodes to NBD servers before it removes them: a server may not answer. QEMU before
// 6.0 cannot do that. If a server does not answer, Clean then blocks the monitor.
//
// Source: job-dismiss, yank, blockdev-del, remove-fd, object-del, block-dirty-bitmap-remove.
func (vm *VM) Clean(ctx context.Context, id string) (kept []hotplug.Kept, err error) {
	err = vm.do(ctx, "clean disk", id, func() error {
		d, err := vm.look(ctx, id)
		if errors.Is(err, ErrNoDisk) { // RemoveDisk removes nothing while a job is there
			return errors.Join(err, vm.cleanCreation(ctx, id))
		}
		if err == nil {
			err = vm.complete(ctx, d)
		}
		if err == nil {
			kept, err = vm.clean(ctx, d)
		}
		return err
	})
	return kept, err
}

// clean removes what is left of operations on disks.
func (vm *VM) clean(ctx context.Context, disks ...*Disk) (kept []hotplug.Kept, err error) {
	isLeft := false
	for _, d := range disks {
		if err := vm.cleanJobs(ctx, d); err != nil {
			return nil, err
		}
		isLeft = isLeft || len(d.Left) > 0
	}
	if !isLeft {
		return nil, nil
	}
	jobs, err := job.Nodes(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	unused := map[string][]string{}
	for _, d := range disks {
		for _, node := range d.Left {
			user := ""
			for id, nodes := range jobs {
				if slices.Contains(nodes, node) {
					user = id
				}
			}
			if user == "" {
				unused[d.Name] = append(unused[d.Name], node)
				continue
			}
			kept = append(kept, hotplug.Kept{What: "node", Name: node, Err: because(hotplug.ErrInUse, "job %q uses it", user)})
		}
	}
	if len(unused) == 0 {
		return kept, nil
	}
	if err := vm.yankUnused(ctx, unused); err != nil {
		return kept, err
	}
	inUse, err := vm.releaseNodes(ctx, unused)
	return append(kept, inUse...), err
}

// cleanCreation dismisses the job that created an image for a disk that does not exist, if the job has ended.
func (vm *VM) cleanCreation(ctx context.Context, id string) error {
	jobs, err := job.List(ctx, vm.conn)
	for _, j := range jobs {
		if j.ID == jobID(id, "create") && j.Status == qemu.JobStatusConcluded {
			err = qemu.JobDismiss{ID: j.ID}.Do(ctx, vm.conn)
		}
	}
	return err
}

// cleanJobs dismisses jobs that have ended, and removes the bitmaps that moves and commits have left.
func (vm *VM) cleanJobs(ctx context.Context, d *Disk) error {
	id := d.Name
	for _, j := range d.Jobs {
		if j.Status != qemu.JobStatusConcluded || !job.IsOf(j.ID, id) {
			continue
		}
		if err := (qemu.JobDismiss{ID: j.ID}).Do(ctx, vm.conn); err != nil {
			again, lookErr := vm.look(ctx, id)
			isThere := func(other qemu.JobInfo) bool { return other.ID == j.ID }
			if lookErr != nil || slices.ContainsFunc(again.Jobs, isThere) {
				return err
			}
		}
	}
	for _, purpose := range []string{"move", "commit"} { // see bitmapMove
		name := jobID(id, purpose)
		isThere := slices.ContainsFunc(d.Bitmaps, func(b qemu.BlockDirtyInfo) bool { return *b.Name == name })
		if !isThere || slices.ContainsFunc(d.Jobs, func(j qemu.JobInfo) bool { return j.ID == name && j.Status != qemu.JobStatusConcluded }) {
			continue
		}
		if err := (qemu.BlockDirtyBitmapRemove{Node: d.root(), Name: name}).Do(ctx, vm.conn); err != nil {
			return err
		}
	}
	return nil
}
