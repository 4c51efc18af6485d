package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrBusy means that jobs are on the disk, or that exports serve nodes that this package added for it. The error is a [*BusyError]. The operation has changed
// nothing.
var ErrBusy = errors.New("disk is busy")

// A BusyError says what uses a disk. It matches [ErrBusy].
type BusyError struct {
	Jobs    []string // the IDs of jobs that run, or have ended and were not dismissed
	Exports []string // the IDs of exports
}

// Error names the jobs and the exports.
func (e *BusyError) Error() string {
	var all []string
	if len(e.Jobs) > 0 {
		all = append(all, "jobs are on the disk: "+strings.Join(e.Jobs, ", "))
	}
	if len(e.Exports) > 0 {
		all = append(all, "exports serve the disk: "+strings.Join(e.Exports, ", "))
	}
	return strings.Join(all, "; ")
}

// Is reports whether target is ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// WithJobs cancels the jobs on the disk before its removal, and dismisses jobs that have ended. If a job succeeds before
// QEMU can cancel it, its result stays: for example, the disk has moved to another node, which the removal then removes.
// If a job cannot be cancelled, the removal returns the error of [job.Job.Cancel], and the guest keeps the disk.
//
// Give the context a deadline: QEMU cannot cancel a backup while its target does not answer.
func WithJobs() RemoveOption { return func(r *removal) { r.cancelJobs = true } }

// jobAttempts is how often a removal looks for jobs again after it has cancelled some.
const jobAttempts = 3

// checkIdle returns a *BusyError if jobs are on the disk, or exports would keep the removal from removing its nodes. With
// WithJobs, it cancels the jobs instead and reports that it did: the device may use another node then.
func (p *parts) checkIdle(ctx context.Context) (cancelled bool, err error) {
	_, isDisk := p.used(aNode)
	if !isDisk && (p.exists || !slices.Contains(p.gone, aNode)) && !p.tells(aNode) {
		return false, nil
	}
	busy := &BusyError{}
	if busy.Jobs, err = p.jobs(ctx); err != nil {
		return false, err
	}
	if busy.Exports, err = p.exports(ctx); err != nil {
		return false, err
	}
	switch {
	case len(busy.Exports) > 0, len(busy.Jobs) > 0 && !p.cancelJobs:
		return false, busy
	}
	for _, id := range busy.Jobs {
		if err := cancelJob(ctx, p.vm.conn, id); err != nil {
			return false, fmt.Errorf("cancel the jobs on the disk: %w", err)
		}
	}
	return len(busy.Jobs) > 0, nil
}

// jobs lists the jobs on the disk. A job on a node that another disk uses, too, is not one of this disk.
func (p *parts) jobs(ctx context.Context) (ids []string, err error) {
	all, err := job.List(ctx, p.vm.conn)
	if err != nil || len(all) == 0 {
		return nil, unlessUnsupported(err)
	}
	nodes, err := job.Nodes(ctx, p.vm.conn)
	if err = unlessUnsupported(err); err != nil {
		return nil, err
	}
	stats, err := qemu.QueryBlockStats{}.Do(ctx, p.vm.conn)
	if err != nil {
		return nil, err
	}
	if err := p.ask(ctx, aNode); err != nil {
		return nil, err
	}
	_, own := p.names(ctx, aNode)
	others := map[string]bool{}
	for _, s := range stats {
		for _, node := range nodesIn(&s) {
			if isDriveOf(p.id, s.Qdev) {
				own[node] = true
			} else {
				others[node] = true
			}
		}
	}
	isOn := func(node string) bool {
		return (own[node] || slices.Contains(p.told, part{aNode, node})) && !others[node]
	}
	for _, j := range job.OnDisk(all, nodes, p.id, isOn) {
		ids = append(ids, j.ID)
	}
	return ids, nil
}

// exports lists the exports of the nodes that this package added for the disk.
func (p *parts) exports(ctx context.Context) (ids []string, err error) {
	all, err := qemu.QueryBlockExports{}.Do(ctx, p.vm.conn)
	if err != nil || len(all) == 0 {
		return nil, unlessUnsupported(err)
	}
	if err := p.ask(ctx, aNode); err != nil {
		return nil, err
	}
	_, own := p.names(ctx, aNode)
	for _, e := range all {
		if own[e.NodeName] {
			ids = append(ids, e.ID)
		}
	}
	return ids, nil
}

// unlessUnsupported returns err, unless QEMU lacks the command.
func unlessUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// cancelJob ends a job. A job that has succeeded meanwhile, or is gone, is not an error.
func cancelJob(ctx context.Context, conn qmp.Conn, id string) error {
	j, err := job.Find(ctx, conn, id)
	if err == nil {
		defer j.Detach()
		err = j.Cancel(ctx)
	}
	if errors.Is(err, job.ErrGone) || errors.Is(err, job.ErrTooLate) {
		return nil
	}
	return err
}
