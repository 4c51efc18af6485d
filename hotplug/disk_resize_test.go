package hotplug_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestResize(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
	require.NoError(t, vm.ResizeDisk(t.Context(), "d", 5<<30))
	require.JSONEq(t, `{"device":"d","node-name":"d","size":5368709120}`, argumentsOf(m, "block_resize"))
	require.ErrorIs(t, vm.ResizeDisk(t.Context(), "e", 1), qmp.ErrDeviceNotFound)
	require.NoError(t, vm.AddDisk(t.Context(), vhostUser("v", "/run/v")))
	require.ErrorIs(t, vm.ResizeDisk(t.Context(), "v", 1), hotplug.ErrNotDisk)
	for _, lost := range []string{"qom-get", "block_resize"} {
		m.Handle(lost, qmptest.Refuse(qmp.ErrCommandNotFound, "not now"))
		require.Error(t, vm.ResizeDisk(t.Context(), "d", 1))
	}
}

// TestResizeBeforeArrival is refused: QEMU 5.2 and 7.2 would terminate.
func TestResizeBeforeArrival(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-scsi-pci", "-incoming", "defer"}}).Dial(t)
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Driver: "scsi-hd", Backend: hotplug.File{Path: image(t)}}))
		require.Error(t, vm.ResizeDisk(t.Context(), "d", 1<<20))
		_, err := qemu.QueryStatus{}.Do(t.Context(), c)
		require.NoError(t, err)
	})
}

// TestDiskOfAnotherNode has disks whose storage has another name than the device: drives of -drive,
// nodes of the caller's, filters. They are resized, looked at and removed. The nodes stay.
func TestDiskOfAnotherNode(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		args := []string{"-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-cd,id=cd", "-device", "virtio-rng-pci,id=rng",
			"-object", "throttle-group,id=slow"}
		for _, drive := range []string{"virtio-blk-pci,id=virtio", "scsi-hd,id=scsi", "ide-hd,id=ide", "usb-storage,id=stick"} {
			name := "drive-" + strings.TrimSpace(drive[strings.Index(drive, "=")+1:])
			args = append(args, "-drive", "if=none,format=raw,id="+name+",file="+image(t), "-device", drive+",drive="+name)
		}
		_, c := startUSB(t, q, args...)
		ctx := limit(t)
		for name, node := range map[string]*qemu.BlockdevOptions{
			"raw":   file(image(t)),
			"raw2":  file(image(t)),
			"slow":  {Branch: &qemu.BlockdevOptionsThrottle{ThrottleGroup: "slow", File: define(file(image(t)))}},
			"qcow2": {Branch: &qemu.BlockdevOptionsCOR{File: define(overlay(chain(t, q, 1)[0], nil))}},
		} {
			require.NoError(t, qemu.BlockdevAdd(named(name, node)).Do(ctx, c))
		}
		for id, add := range map[string]qemu.DeviceAdd{
			"of-raw": {Driver: "virtio-blk-pci", Props: qmp.Args{"drive": "raw"}},
			"of-usb": {Driver: "usb-storage", Props: qmp.Args{"drive": "raw2"}},
			"slowed": {Driver: "virtio-blk-pci", Props: qmp.Args{"drive": "slow"}},
			"copied": {Driver: "scsi-hd", Props: qmp.Args{"drive": "qcow2"}},
		} {
			add.ID = &id
			require.NoError(t, add.Do(ctx, c))
		}
		vm := hotplug.New(c, nil)
		for _, id := range []string{"virtio", "scsi", "ide", "stick", "of-raw", "of-usb", "slowed", "copied"} {
			require.NoError(t, vm.ResizeDisk(ctx, id, 3<<20), id)
			info, err := vm.DeviceInfo(ctx, id)
			require.NoError(t, err)
			block, err := vm.BlockInfo(ctx, id)
			require.NoError(t, err, id)
			require.EqualValues(t, 3<<20, block.Inserted.Image.VirtualSize, id)
			require.Contains(t, []string{qmp.Value(block.Inserted.NodeName), block.Device}, info.Node, id)
			require.NotEmpty(t, info.Node, id)
		}
		for _, id := range []string{"cd", "rng"} {
			require.ErrorIs(t, vm.ResizeDisk(ctx, id, 3<<20), hotplug.ErrNotDisk, id)
			info, err := vm.DeviceInfo(ctx, id)
			require.NoError(t, err)
			require.Empty(t, info.Node)
		}
		require.ErrorIs(t, vm.ResizeDisk(ctx, "raw", 3<<20), qmp.ErrDeviceNotFound, "a node, not a device")

		for id, want := range map[string][]string{
			"scsi": nil, "stick": nil, "of-usb": {"node raw2"}, "copied": {"node qcow2"},
			"virtio": nil, "of-raw": {"node raw"}, "slowed": {"node slow"},
		} {
			reset := time.AfterFunc(time.Second, func() { _ = qemu.SystemReset{}.Do(ctx, c) }) // in place of a guest
			kept, err := vm.RemoveDisk(ctx, id)
			reset.Stop()
			require.NoError(t, err, id)
			require.Equal(t, want, whatOf(kept), id)
		}
	})
}

// TestDiskWithoutID has a drive without a medium whose device has no ID. Package block tests drives with a medium.
func TestDiskWithoutID(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	m.Handle("query-block", qmptest.Return([]qemu.BlockInfo{
		{Device: "ide1-cd0", Qdev: new("/machine/unattached/device[24]"), Type: "unknown", Removable: true},
		{Device: "virtio0", Qdev: new("/machine/peripheral-anon/device[0]/virtio-backend"), Type: "unknown"},
	}))
	require.ErrorIs(t, vm.ResizeDisk(t.Context(), "ide1-cd0", 1<<20), hotplug.ErrNotDisk)
	_, err := vm.RemoveDisk(t.Context(), "virtio0")
	require.ErrorIs(t, err, hotplug.ErrNoID)
	require.EqualError(t, err, `hotplug: remove disk "virtio0": device has no ID: device_del with id=/machine/peripheral-anon/device[0] asks the guest to release it`)
	_, err = vm.RemoveDisk(t.Context(), "virtio1") // is gone
	require.NoError(t, err)
	m.Handle("query-block", qmptest.Refuse(qmp.ErrGeneric, "injected"))
	require.ErrorContains(t, vm.ResizeDisk(t.Context(), "virtio0", 1<<20), "injected")
	_, err = vm.RemoveDisk(t.Context(), "virtio0")
	require.ErrorContains(t, err, "injected")
}

func TestResizeFaults(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.EqualError(t, vm.ResizeDisk(t.Context(), "d", 0), `hotplug: resize disk "d": size is 0 bytes: it must be positive`)
	require.ErrorContains(t, vm.ResizeDisk(t.Context(), "d", -1), "size is -1 bytes")
	require.ErrorContains(t, vm.ResizeDisk(t.Context(), "", 1), "needs an ID")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, vm.ResizeDisk(ctx, "d", 1), context.Canceled)
	require.Empty(t, m.Requests())
}
