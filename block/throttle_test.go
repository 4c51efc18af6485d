package block_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestThrottle sets and reads limits of disks on all buses, alone, in a group, with bursts, and during a job.
func TestThrottle(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: "data2", Backend: hotplug.File{Path: m.raw(t, "data2", 2)}})) // virtio-blk-pci
		for _, want := range []block.Throttle{
			{Bytes: block.Limit{Rate: 10 << 20}, Requests: block.Limit{Rate: 100}},
			{
				ReadBytes:     block.Limit{Rate: 1 << 20, Burst: 2 << 20, BurstTime: time.Second},
				WriteBytes:    block.Limit{Rate: 3 << 20, Burst: 40 << 20, BurstTime: time.Minute},
				ReadRequests:  block.Limit{Rate: 5},
				WriteRequests: block.Limit{Rate: 1000, Burst: 2000, BurstTime: time.Second},
				RequestSize:   4096,
			},
			{},
			{Requests: block.Limit{Rate: 7}, Group: "slow"},
		} {
			for _, id := range []string{"data1", "data2"} {
				require.NoError(t, m.disks.SetThrottle(ctx, id, want))
				got, err := m.disks.Throttle(ctx, id)
				require.NoError(t, err)
				expect := want
				if expect.Group == "" && want != (block.Throttle{}) {
					expect.Group = id
				}
				require.Equal(t, expect, got)
			}
		}
		// A change of one disk of a group changes the other.
		require.NoError(t, m.disks.SetThrottle(ctx, "data2", block.Throttle{Requests: block.Limit{Rate: 70}, Group: "slow"}))
		got, err := m.disks.Throttle(ctx, "data1")
		require.NoError(t, err)
		require.EqualValues(t, 70, got.Requests.Rate)

		// The limits stay when the disk moves, and can be set meanwhile.
		target := hotplug.Disk{ID: "data1", NodeName: "t1", Backend: hotplug.File{Path: m.raw(t, "t1", 3)}}
		require.NoError(t, m.plug.AddNode(ctx, target))
		j, err := job.Start(ctx, m, "data1.move", qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: "full"})
		require.NoError(t, err)
		require.NoError(t, j.WaitReady(ctx, nil))
		limits := block.Throttle{Bytes: block.Limit{Rate: 1 << 30}, Group: "data1"}
		require.NoError(t, m.disks.SetThrottle(ctx, "data1", limits))
		require.NoError(t, j.Complete(ctx))
		got, err = m.disks.Throttle(ctx, "data1")
		require.NoError(t, err)
		require.Equal(t, limits, got)
		got, err = m.disks.Throttle(ctx, "data2")
		require.NoError(t, err)
		require.Equal(t, "slow", got.Group)
	})
}

// TestThrottleErrors checks what is wrong before QEMU is asked, and disks without a medium.
func TestThrottleErrors(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		one := block.Limit{Rate: 1}
		for text, wrong := range map[string]block.Throttle{
			"Bytes excludes":       {Bytes: one, WriteBytes: one},
			"Requests excludes":    {Requests: one, ReadRequests: one},
			"RequestSize":          {RequestSize: -1},
			"must not be negative": {Bytes: block.Limit{Rate: -1}},
			"less than Rate":       {Bytes: block.Limit{Rate: 2, Burst: 1}},
			"needs a Rate":         {Bytes: block.Limit{Burst: 1}},
			"needs a Burst":        {Bytes: block.Limit{Rate: 1, BurstTime: time.Second}},
			"whole seconds":        {Bytes: block.Limit{Rate: 1, Burst: 2, BurstTime: time.Millisecond}},
		} {
			require.ErrorContains(t, m.disks.SetThrottle(ctx, "data1", wrong), text)
		}
		none := m.disks.SetThrottle(ctx, "data2", block.Throttle{Bytes: one})
		require.ErrorIs(t, none, block.ErrNoDisk)
		_, err := m.disks.Throttle(ctx, "data2")
		require.ErrorIs(t, err, block.ErrNoDisk)
		m = startMachine(t, m.qemu, t.TempDir(), "-device", "scsi-cd,id=cd1")
		require.ErrorIs(t, m.disks.SetThrottle(ctx, "cd1", block.Throttle{Bytes: one}), block.ErrNoDisk)
		_, err = m.disks.Throttle(ctx, "cd1")
		require.ErrorIs(t, err, block.ErrNoDisk)
		require.ErrorContains(t, err, "no medium")
	})
}
