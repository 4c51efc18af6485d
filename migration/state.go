package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// checkState returns a *StateError if migrate would crash some version of QEMU. Newer versions refuse
// most of this. Measured on 5.2, 7.2, 10.0 and 11.1.
func checkState(ctx context.Context, x qmp.Executor) error {
	state, err := runState(ctx, x)
	if err != nil {
		return err
	}
	switch state {
	case qemu.RunStatePostmigrate:
		// 5.2 inactivates disks a second time (assertion); newer ones refuse.
		return &StateError{state, "the machine has been sent already (run state postmigrate): " +
			"if it does not run at the destination, send cont to run it here again"}
	case qemu.RunStateSaveVM:
		// 5.2 has no way from this run state to finish-migrate, and aborts; newer ones refuse.
		return &StateError{state, "a dump of the guest's memory is being written (run state save-vm): wait until it has ended"}
	}
	if state != qemu.RunStateRunning {
		if err := checkStopped(ctx, x, state); err != nil {
			return err
		}
	}
	return checkJobs(ctx, x, state)
}

// checkStopped returns a *StateError for a machine that does not run and whose disks an earlier migration
// may have left inactive. QEMU before 10.0 asserts that they are active.
func checkStopped(ctx context.Context, x qmp.Executor, state qemu.RunState) error {
	p, err := Query(ctx, x)
	if err != nil {
		return err
	}
	if p.Status != qemu.MigrationStatusCompleted {
		return nil
	}
	if isSource := p.Info.RAM != nil; isSource {
		if state != qemu.RunStatePrelaunch {
			return nil // cont and stop have been sent since
		}
		return &StateError{state, "the machine has been sent already, and reset since (run state prelaunch): " +
			"if it does not run at the destination, send cont to run it here again"}
	}
	late, err := isOn(ctx, x, qemu.MigrationCapabilityLateBlockActivate)
	if err != nil || !late {
		return err
	}
	can, err := has(ctx, x, "blockdev-set-active") // as of 10.0, whose migrations take inactive disks
	if err != nil || can {
		return err
	}
	return &StateError{state, "the machine arrived with late-block-activate, and its disks may be inactive: " +
		"send cont, then stop, and turn late-block-activate off"}
}

// checkJobs returns a *StateError for a backup on a QEMU that has a backup write to inactive disks at the
// end of a migration, and so ends there: QEMU 5.2 does so, 7.2 does not. Their schemas do not differ in
// this.
func checkJobs(ctx context.Context, x qmp.Executor, state qemu.RunState) error {
	jobs, err := qemu.QueryJobs{}.Do(ctx, x)
	if errors.Is(err, qmp.ErrCommandNotFound) {
		return nil
	}
	var backups []string
	for _, job := range jobs {
		if job.Type == qemu.JobTypeBackup && job.Status != qemu.JobStatusConcluded && job.Status != qemu.JobStatusNull {
			backups = append(backups, job.ID)
		}
	}
	if err != nil || backups == nil {
		return err
	}
	old, err := isBefore(ctx, x, 7, 2)
	if err != nil || !old {
		return err
	}
	return &StateError{state, fmt.Sprintf("a backup is running (%s), and migrate would crash this QEMU, which is older than 7.2: "+
		"wait until the backup has ended, or cancel it", strings.Join(backups, ", "))}
}

// isBefore reports whether a QEMU is older than a version, for differences that its schema does not show. A
// server without query-version, which every QEMU has, counts as newer.
func isBefore(ctx context.Context, x qmp.Executor, major, minor int64) (bool, error) {
	v, err := qemu.QueryVersion{}.Do(ctx, x)
	if errors.Is(err, qmp.ErrCommandNotFound) {
		return false, nil
	}
	return v.QEMU.Major < major || v.QEMU.Major == major && v.QEMU.Minor < minor, err
}
