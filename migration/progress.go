package migration

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Progress is the state of a migration as its QEMU reports it. A value that QEMU does not report, or not yet,
// is 0. A destination reports little more than the status.
type Progress struct {
	// Status is empty if there is no migration. Newer versions of QEMU have further states.
	Status qemu.MigrationStatus

	// Bytes of the machine's memory: Transferred have been sent, and Remaining must still be sent.
	// Remaining grows if the machine writes faster than QEMU sends.
	Transferred, Remaining, Total int64

	Rate      int64 // bytes per second
	DirtyRate int64 // bytes per second of memory that the machine changes; known from the second pass on
	Pass      int64 // number of the pass over the memory, from 1

	ExpectedDowntime time.Duration // if QEMU stopped the machine now
	Downtime         time.Duration // of a migration that is completed
	Elapsed          time.Duration // since the migration began

	// Info is QEMU's whole answer.
	Info qemu.MigrationInfo
}

// String returns the status and, if QEMU reports it, how much memory must still be sent:
// "active, 512 of 2048 MiB remain".
func (p Progress) String() string {
	status := string(p.Status)
	if status == "" {
		status = "no migration"
	}
	if p.Total == 0 {
		return status
	}
	return fmt.Sprintf("%s, %d of %d MiB remain", status, p.Remaining>>20, p.Total>>20)
}

// Query asks a source or a destination for the state of its migration (query-migrate). If there is none,
// the status is empty and the error is nil.
func Query(ctx context.Context, x qmp.Executor) (Progress, error) {
	info, err := qemu.QueryMigrate{}.Do(ctx, x)
	if err != nil {
		return Progress{}, err
	}
	return progressOf(info), nil
}

func progressOf(info qemu.MigrationInfo) Progress {
	p := Progress{
		Status:           qmp.Value(info.Status),
		ExpectedDowntime: milliseconds(info.ExpectedDowntime),
		Downtime:         milliseconds(info.Downtime),
		Elapsed:          milliseconds(info.TotalTime),
		Info:             info,
	}
	if p.Status == qemu.MigrationStatusNone {
		p.Status = ""
	}
	if ram := info.RAM; ram != nil {
		p.Transferred, p.Remaining, p.Total = ram.Transferred, ram.Remaining, ram.Total
		p.Rate = int64(ram.Mbps * 1e6 / 8)
		p.DirtyRate = ram.DirtyPagesRate * ram.PageSize
		p.Pass = ram.DirtySyncCount
	}
	return p
}

func milliseconds(n *int64) time.Duration {
	return time.Duration(qmp.Value(n)) * time.Millisecond
}

// inPostcopy reports for a state whether the machine is handed over, or about to be.
func inPostcopy(status qemu.MigrationStatus) bool {
	return strings.HasPrefix(string(status), "postcopy-")
}
