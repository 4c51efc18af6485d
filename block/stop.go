package block

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// checkTransaction returns an error if QEMU would wait for a job in a transaction: QEMU before 10 waits for all requests in
// the machine.
func (vm *VM) checkTransaction(ctx context.Context) error {
	if v, err := vm.version(ctx); err != nil || v.Major >= 10 {
		return err
	}
	jobs, err := job.List(ctx, vm.conn)
	if err != nil || len(jobs) == 0 {
		return err
	}
	return vm.checkServers(ctx)
}

// checkStop returns an error if QEMU must not stop the machine because of a job.
func (vm *VM) checkStop(ctx context.Context) error {
	jobs, err := job.List(ctx, vm.conn)
	if err != nil || len(jobs) == 0 {
		return err
	}
	if err := vm.checkServers(ctx); err != nil {
		return err
	}
	return vm.checkThreads(ctx)
}

// checkThreads returns an error if jobs are on a disk of virtio-blk with an iothread. When the machine stops, QEMU moves the
// disk out of the iothread, and terminates if a job of the disk ends in this moment: see package job.
func (vm *VM) checkThreads(ctx context.Context) error {
	threads, err := qemu.QueryIOThreads{}.Do(ctx, vm.conn)
	if err != nil || len(threads) == 0 {
		return err
	}
	disks, err := vm.find(ctx, everyDisk)
	if err != nil {
		return err
	}
	busy := &BusyError{}
	for _, d := range disks {
		running := slices.DeleteFunc(slices.Clone(d.Jobs), func(j qemu.JobInfo) bool { return j.Status == qemu.JobStatusConcluded })
		if len(running) == 0 {
			continue
		}
		threaded, err := vm.threaded(ctx, d)
		if err != nil {
			return err
		}
		for _, j := range running {
			if threaded {
				busy.Jobs = append(busy.Jobs, j.ID)
			}
		}
	}
	if len(busy.Jobs) == 0 {
		return nil
	}
	return fmt.Errorf("jobs are on disks with an iothread, and QEMU can terminate if they end while the machine stops: %w", busy)
}

// threaded reports whether a disk of virtio-blk has an iothread.
func (vm *VM) threaded(ctx context.Context, d *Disk) (bool, error) {
	for _, property := range []string{"iothread", "iothread-vq-mapping"} {
		value, err := vm.property(ctx, d.devicePath(), property)
		if err != nil {
			return false, err
		}
		if !slices.Contains([]string{"", `""`, "null", "[]"}, string(value)) {
			return true, nil
		}
	}
	return false, nil
}

// property returns a property of an object, or nil if the object has no such property.
func (vm *VM) property(ctx context.Context, path, name string) (qmp.RawJSON, error) {
	value, err := qemu.QOMGet{Path: path, Property: name}.Do(ctx, vm.conn)
	if refused(err) {
		return nil, nil
	}
	return value, err
}

// checkServers returns an error if a job has a connection to an NBD server. If the server does not answer, QEMU cannot stop
// the machine, and executes no command until the server answers.
func (vm *VM) checkServers(ctx context.Context) error {
	connections, err := vm.connections(ctx)
	if err != nil || len(connections) == 0 {
		return err
	}
	nodes, err := job.Nodes(ctx, vm.conn)
	if err != nil {
		return err
	}
	busy := &BusyError{}
	for id, used := range nodes {
		if slices.ContainsFunc(used, func(node string) bool { return slices.Contains(connections, node) }) {
			busy.Jobs = append(busy.Jobs, id)
		}
	}
	if len(busy.Jobs) == 0 {
		return nil
	}
	return fmt.Errorf("jobs of other disks use NBD servers, for which QEMU would wait: %w", busy)
}

// whileStopped does something while the machine does not run.
func (vm *VM) whileStopped(ctx context.Context, undo *rollback, do func() error) error {
	status, err := qemu.QueryStatus{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	if !status.Running {
		return do()
	}
	if err := vm.checkStop(ctx); err != nil {
		return err
	}
	resume := func(ctx context.Context) error { return qemu.Cont{}.Do(ctx, vm.conn) }
	if err := (qemu.Stop{}).Do(ctx, vm.conn); err != nil {
		if qmp.MayHaveExecuted(err) {
			undo.add("machine is stopped", resume)
		}
		return err
	}
	err = do()
	longer, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	if resumeErr := resume(longer); resumeErr != nil {
		undo.add("machine is stopped", resume)
		return errors.Join(err, resumeErr)
	}
	return err
}
