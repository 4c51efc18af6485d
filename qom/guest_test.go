package qom_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

// TestBalloonOfGuest: a guest reports its memory, once its driver is there. A guest that has no driver yet reports nothing.
func TestBalloonOfGuest(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		ctx := within(t)
		vm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true, Args: []string{"-device", "virtio-balloon-pci,id=balloon"}})
		c := vm.Dial(t)
		balloon := qom.DevicePath("balloon")

		var err error // while the kernel boots; on a busy machine the time can end before the first command
		for wait := 50 * time.Millisecond; !errors.Is(err, qom.ErrNoStats) && wait < 3*time.Second; wait *= 2 {
			short, cancel := context.WithTimeout(ctx, wait)
			_, err = qom.Balloon(short, c, balloon, time.Second)
			cancel()
		}
		require.ErrorIs(t, err, qom.ErrNoStats)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, qom.Set(ctx, c, balloon, "guest-stats-polling-interval", 0))

		require.NoError(t, vm.WaitGuest(ctx))
		stats, err := qom.Balloon(ctx, c, balloon, time.Second)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), stats.Updated, time.Minute)
		require.NotNil(t, stats.Total)
		require.Greater(t, *stats.Total, uint64(100<<20))
		require.Less(t, *stats.Total, uint64(256<<20))
		require.NotNil(t, stats.Free)
		require.Less(t, *stats.Free, *stats.Total)
		require.Equal(t, *stats.Free, stats.Reported["stat-free-memory"])
		require.NotNil(t, stats.MinorFaults)
		require.Nil(t, stats.DirectScans, "this kernel does not report it")
		require.NotContains(t, stats.Reported, "stat-direct-scans")

		interval, err := qom.Get[int](ctx, c, balloon, "guest-stats-polling-interval")
		require.NoError(t, err)
		require.Equal(t, 1, interval)
		again, err := qom.Balloon(ctx, c, balloon, time.Hour) // does not change the interval, and does not wait for it
		require.NoError(t, err)
		require.False(t, again.Updated.Before(stats.Updated))
	})
}

// reportPCI makes the guest print the vendor and the kind of each PCI device, and its path in sysfs, all the time.
const reportPCI = `console=ttyS0 quiet panic=-1 no_timer_check rdinit=/bin/busybox -- sh -c "/bin/busybox mkdir -p /sys;` +
	`/bin/busybox mount -t sysfs none /sys; cd /sys/bus/pci/devices;` +
	`while :; do for d in *; do read v <$d/vendor; read k <$d/device; echo PCI $v $k $(/bin/busybox readlink -f $d); done; /bin/busybox usleep 200000; done"`

// TestAddressesInGuest compares FindPCI with the addresses in a Linux guest: of devices behind bridges and ports of all
// kinds, and of a hot-added device.
func TestAddressesInGuest(t *testing.T) {
	t.Parallel()
	args := map[string][]string{
		"pc": {
			"-device", "pci-bridge,id=bridge1,chassis_nr=1", "-device", "virtio-rng-pci,bus=bridge1,addr=3,id=rng1",
			"-device", "pxb,id=pxb1,bus_nr=128,bus=pci.0", "-device", "e1000,bus=pxb1,addr=1,id=e1",
			"-device", "virtio-balloon-pci,id=balloon,bus=pci.0",
		},
		"q35": {
			"-device", "virtio-rng-pci,bus=rp3,id=rng1,disable-legacy=off",
			"-device", "x3130-upstream,bus=rp2,id=up", "-device", "xio3130-downstream,bus=up,id=down,chassis=19",
			"-device", "virtio-balloon-pci,bus=down,id=balloon,disable-legacy=off",
			"-device", "pxb-pcie,bus_nr=64,id=pxb1,bus=pcie.0", "-device", "pcie-root-port,id=port3,bus=pxb1,chassis=13",
			"-device", "e1000,bus=port3,id=e1",
		},
	}
	kinds := map[string]string{"rng1": "0x1af4 0x1005", "balloon": "0x1af4 0x1002", "e1": "0x8086 0x100e", "new1": "0x8086 0x10d3"}
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		ctx := within(t)
		vm := q.Start(t, qemutest.Config{Machine: machine, Guest: true, Args: slices.Concat(args[machine], []string{"-append", reportPCI})})
		c := vm.Dial(t)
		compare := func(id string) {
			t.Helper()
			require.NoError(t, vm.WaitSerial(ctx, regexp.MustCompile(`PCI `+kinds[id]+` /sys/devices/\S+`)), id)
			place, err := qom.FindPCI(ctx, c, qom.DevicePath(id))
			require.NoError(t, err, id)
			sysfs, ok := place.Sysfs()
			require.True(t, ok, "%s: %+v", id, place)
			text, err := vm.Serial()
			require.NoError(t, err)
			require.Regexp(t, `PCI `+kinds[id]+` /sys/devices/`+regexp.QuoteMeta(sysfs)+`\s`, text, id)
			address, ok := place.Address()
			require.True(t, ok)
			require.Regexp(t, regexp.QuoteMeta(address)+"$", sysfs)
		}
		for _, id := range []string{"rng1", "balloon", "e1"} {
			compare(id)
		}
		if machine == "q35" && q.Release() == "5.2" {
			return // root ports of 5.2 release devices unasked
		}
		add := qemu.DeviceAdd{Driver: "e1000e", ID: new("new1"), Bus: new(qemutest.HotplugBus(machine))}
		require.NoError(t, add.Do(ctx, c))
		compare("new1")
	})
}
