package qom

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// BalloonStats has the values that a guest reports about its memory, through its driver of a virtio-balloon. A value that the
// guest does not report is nil. Counters count from the boot of the guest.
type BalloonStats struct {
	Updated time.Time `json:"-"` // when the guest has reported, by QEMU's clock, in seconds

	// In bytes.
	Total      *uint64 `json:"stat-total-memory"`
	Free       *uint64 `json:"stat-free-memory"`
	Available  *uint64 `json:"stat-available-memory"`
	DiskCaches *uint64 `json:"stat-disk-caches"`
	SwapIn     *uint64 `json:"stat-swap-in"`
	SwapOut    *uint64 `json:"stat-swap-out"`

	// Counters.
	MajorFaults        *uint64 `json:"stat-major-faults"`
	MinorFaults        *uint64 `json:"stat-minor-faults"`
	HugetlbAllocations *uint64 `json:"stat-htlb-pgalloc"`
	HugetlbFailures    *uint64 `json:"stat-htlb-pgfail"`

	// Counters that need a newer guest, and a QEMU that is newer than 7.2.
	OOMKills       *uint64 `json:"stat-oom-kills"`
	AllocStalls    *uint64 `json:"stat-alloc-stalls"`
	AsyncScans     *uint64 `json:"stat-async-scans"`
	DirectScans    *uint64 `json:"stat-direct-scans"`
	AsyncReclaims  *uint64 `json:"stat-async-reclaims"`
	DirectReclaims *uint64 `json:"stat-direct-reclaims"`

	// Reported has all values that the guest reports, by QEMU's names, also those for which BalloonStats has no field.
	Reported map[string]uint64 `json:"-"`
}

// The properties of a virtio-balloon.
const (
	balloonStats    = "guest-stats"
	pollingInterval = "guest-stats-polling-interval" // in seconds; 0 turns the polling off
)

// Balloon returns the statistics that a guest reports about its memory. path is the path of a virtio-balloon.
//
// QEMU asks the guest at an interval, and keeps the last report. If QEMU asks already, Balloon returns the last report, and
// does not change the interval. If it does not, Balloon makes QEMU ask at the given interval, and waits for the first report,
// which takes about a second. QEMU then goes on asking, until guest-stats-polling-interval is set to 0. The interval must be
// whole seconds, and at least one.
//
// Give ctx a deadline: a guest without the driver never reports. Balloon returns an error that matches:
//   - [ErrNoObject], [ErrNoProperty]: there is no such object, or it is no virtio-balloon.
//   - [ErrNoStats]: ctx ended before the guest has reported.
//
// Source: qom-get, qom-set.
func Balloon(ctx context.Context, x qmp.Executor, path string, interval time.Duration) (BalloonStats, error) {
	if interval < time.Second || interval%time.Second != 0 {
		return BalloonStats{}, fmt.Errorf("qom: interval is %v: it must be whole seconds, and at least one", interval)
	}
	asks, err := Get[int64](ctx, x, path, pollingInterval)
	if err != nil {
		return BalloonStats{}, err
	}
	before, err := readBalloon(ctx, x, path)
	if err != nil {
		return BalloonStats{}, err
	}
	if asks > 0 && before.reported() {
		return before, nil
	}
	if asks == 0 {
		if err := Set(ctx, x, path, pollingInterval, int64(interval/time.Second)); err != nil {
			return BalloonStats{}, err
		}
	}
	for {
		stats, err := readBalloon(ctx, x, path)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return BalloonStats{}, err
		case stats.Updated != before.Updated:
			return stats, nil
		}
		select {
		case <-ctx.Done():
			return BalloonStats{}, failed(fmt.Errorf("%w: %w", ErrNoStats, wait.Err(ctx)), "get statistics of %q", path)
		case <-time.After(lookInterval):
		}
	}
}

// lookInterval is the time between two looks at the statistics.
const lookInterval = 100 * time.Millisecond

// reported reports whether the guest has reported.
func (s *BalloonStats) reported() bool { return !s.Updated.IsZero() }

func readBalloon(ctx context.Context, x qmp.Executor, path string) (stats BalloonStats, err error) {
	read, err := Get[struct {
		Stats      map[string]uint64 `json:"stats"`
		LastUpdate int64             `json:"last-update"`
	}](ctx, x, path, balloonStats)
	if err != nil {
		return stats, err
	}
	maps.DeleteFunc(read.Stats, func(_ string, value uint64) bool { return value == math.MaxUint64 }) // is "not reported"
	text, err := json.Marshal(read.Stats)
	if err == nil {
		err = json.Unmarshal(text, &stats)
	}
	stats.Reported = read.Stats
	if read.LastUpdate != 0 {
		stats.Updated = time.Unix(read.LastUpdate, 0)
	}
	return stats, failed(err, "get statistics of %q", path)
}
