package job

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Cause is why a job stands still, or is slow. The empty Cause means that the job goes on.
type Cause string

// The causes. The comments say which queries tell them.
const (
	// CauseNoSpace: the storage has no space left (query-block-jobs: io-status "nospace"). Make room, and call [Job.Resume].
	CauseNoSpace Cause = "no space"

	// CauseIOError: another I/O error has stopped the job (query-block-jobs: io-status "failed"). Remove the cause of the
	// error, and call [Job.Resume].
	CauseIOError Cause = "I/O error"

	// CausePaused: a client has paused the job (query-jobs: status "paused" or "standby"; QEMU 5.2: query-block-jobs, paused).
	// Call [Job.Resume]. QEMU also pauses a job for a moment while it drains a disk, and reports that in the same way.
	CausePaused Cause = "paused"

	// CauseSpeed: the job runs, and has a limit for its speed (query-block-jobs: speed). See [Job.SetSpeed].
	CauseSpeed Cause = "speed limit"

	// CauseComplete: the job waits until a client completes it (query-jobs: status "ready"). See [Job.Complete].
	CauseComplete Cause = "ready"

	// CauseFinalize: the job waits until a client finalizes it (query-jobs: status "pending"; query-block-jobs: auto-finalize
	// is false). [Job.Wait] does that.
	CauseFinalize Cause = "pending"

	// CauseOthers: the job waits for the other jobs of its transaction (query-jobs: status "waiting").
	CauseOthers Cause = "waits for other jobs"

	// CauseDismiss: the job has ended, and waits until a client dismisses it (query-jobs: status "concluded"). [Job.Wait] does
	// that.
	CauseDismiss Cause = "concluded"
)

// An Info describes a job.
type Info struct {
	qemu.JobInfo                    // of query-jobs
	Block        *qemu.BlockJobInfo // of query-block-jobs; nil if the job is no block job
	Cause        Cause
}

// drainLimit is how long a job is usually paused at most while QEMU drains a disk.
const drainLimit = 100 * time.Millisecond

// Describe describes all jobs of a server, and why they stand still. If a job seems to be paused by a client, Describe asks
// a second time after 0.1 s, because QEMU also pauses jobs for a moment by itself.
//
// Source: query-jobs, query-block-jobs.
func Describe(ctx context.Context, x qmp.Executor) ([]Info, error) {
	all, err := describe(ctx, x)
	paused := func(i Info) bool { return i.Cause == CausePaused }
	if err != nil || !slices.ContainsFunc(all, paused) {
		return all, err
	}
	if err := sleep(ctx, drainLimit); err != nil {
		return nil, err
	}
	again, err := describe(ctx, x)
	for i := range again {
		wasPaused := func(before Info) bool { return before.ID == again[i].ID && paused(before) }
		if paused(again[i]) && !slices.ContainsFunc(all, wasPaused) {
			again[i].Cause = ""
		}
	}
	return again, err
}

func describe(ctx context.Context, x qmp.Executor) ([]Info, error) {
	jobs, err := List(ctx, x)
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	blocks, err := qemu.QueryBlockJobs{}.Do(ctx, x)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	all := make([]Info, len(jobs))
	for i := range jobs {
		all[i] = Info{JobInfo: jobs[i]}
		if b := slices.IndexFunc(blocks, func(b qemu.BlockJobInfo) bool { return b.Device == jobs[i].ID }); b >= 0 {
			all[i].Block = &blocks[b]
		}
		all[i].Cause = causeOf(&jobs[i], all[i].Block)
	}
	return all, nil
}

// causeOf returns the cause that the answers tell. block is nil if it was not asked for, or the job is no block job.
func causeOf(info *qemu.JobInfo, block *qemu.BlockJobInfo) Cause {
	if isPaused(info) {
		switch {
		case block != nil && block.IOStatus == qemu.BlockDeviceIOStatusNospace:
			return CauseNoSpace
		case block != nil && block.IOStatus != qemu.BlockDeviceIOStatusOk:
			return CauseIOError
		}
		return CausePaused
	}
	switch info.Status {
	case qemu.JobStatusRunning:
		switch {
		case block != nil && block.Paused: // QEMU 5.2, until the job next moves
			return CausePaused
		case block != nil && block.Speed > 0:
			return CauseSpeed
		}
	case qemu.JobStatusReady:
		return CauseComplete
	case qemu.JobStatusWaiting:
		return CauseOthers
	case qemu.JobStatusPending:
		if block != nil && !block.AutoFinalize {
			return CauseFinalize
		}
	case qemu.JobStatusConcluded:
		return CauseDismiss
	}
	return ""
}

func isPaused(info *qemu.JobInfo) bool {
	return info.Status == qemu.JobStatusPaused || info.Status == qemu.JobStatusStandby
}

// progressOf returns the progress of a job. block is from findStopped.
func progressOf(info *qemu.JobInfo, block *qemu.BlockJobInfo) Progress {
	p := Progress{Status: info.Status, Current: info.CurrentProgress, Total: info.TotalProgress}
	if isPaused(info) {
		p.Cause = causeOf(info, block)
	}
	return p
}

// findStopped is findBlock for a job that seems to be paused. For others, it asks nothing and returns nil.
func findStopped(ctx context.Context, x qmp.Executor, info *qemu.JobInfo) (*qemu.BlockJobInfo, error) {
	if !isPaused(info) {
		return nil, nil
	}
	return findBlock(ctx, x, info.ID)
}
