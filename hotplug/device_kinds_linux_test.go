package hotplug_test

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// sharedMemory is the memory of a machine that vhost-user servers can map.
var sharedMemory = slices.Clip([]string{"-m", "256", "-object", "memory-backend-memfd,id=ram,share=on,size=256M", "-machine", "memory-backend=ram"})

// TestGuestReleasesKinds adds devices of many kinds to a machine with a booted guest, each with what it uses, and
// removes them. Most have no driver in this guest, which releases them all the same.
func TestGuestReleasesKinds(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := pc(t, q, append(sharedMemory, "-device", "qemu-xhci,id=usb0")...)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		state := func() []string { return append(chardevs(t, c), stateOf(t, c)...) }
		before, fds := state(), qemuFds(t, qvm)
		memory := &qemu.MemoryBackendProperties{Size: 1 << 20, Share: new(true)}
		for _, d := range []hotplug.Device{
			{Backend: rng},
			{Backend: hotplug.VirtioFS{Tag: "share", Server: server(serveVhostUser(t)).Server}},
			{Driver: "vhost-user-vsock-pci", Backend: server(serveVhostUser(t))},
			{Backend: object(qemu.ObjectTypeCryptodevBackendBuiltin, &qemu.CryptodevBackendProperties{})},
			{Driver: "virtio-scsi-pci", Backend: object(qemu.ObjectTypeIOThread, &qemu.IOThreadProperties{})},
			{Driver: "ivshmem-plain", Backend: object(qemu.ObjectTypeMemoryBackendRAM, memory)},
			{Driver: "i6300esb"},
			{Driver: "virtio-balloon-pci"},
			{Driver: "virtio-serial-pci"},
			{Driver: "nvme", Props: qmp.Args{"serial": "n1"}},
			{ID: "xhci", Driver: "qemu-xhci"}, // without DEVICE_DELETED in 7.2 and 10.0; 5.2 never frees the ID
		} {
			d.ID = cmp.Or(d.ID, "d")
			require.NoError(t, vm.AddDevice(ctx, d), d.Driver)
			require.ErrorIs(t, vm.AddDevice(ctx, d), hotplug.ErrExists)
			require.NoError(t, errorOf(vm.RemoveDevice(ctx, d.ID)), d.Driver)
			require.Equal(t, before, state(), d.Driver)
		}
		faultsAtEveryStep(t, c, fakeqemu.Refused, addition{
			add:      addsDevice(hotplug.Device{ID: "d", Backend: rng}).add,
			remove:   addsDevice(hotplug.Device{ID: "d"}).remove,
			commands: []string{"object-add", "device_add"},
		}, state)
		require.Equal(t, fds, qemuFds(t, qvm))
		t.Run("disks", func(t *testing.T) { disksOfOtherKinds(t, vm, c) })
		t.Run("server restarted", func(t *testing.T) { serverRestarted(t, qvm, c) })
		require.Equal(t, before, state())
	})
}

// disksOfOtherKinds are on NVMe, and on a USB device whose disks are added one by one.
func disksOfOtherKinds(t *testing.T, vm *hotplug.VM, c *qmp.Client) {
	ctx := limit(t)
	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}, Driver: "nvme", Props: qmp.Args{"serial": "n1"}}))
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))

	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "bot", Driver: "usb-bot", Bus: "usb0.0"}))
	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}, Driver: "scsi-hd", Bus: "bot.0"}))
	require.NoError(t, qemu.QOMSet{Path: "/machine/peripheral/bot", Property: "attached", Value: qmp.RawJSON("true")}.Do(ctx, c))
	require.ErrorIs(t, errorOf(vm.RemoveDevice(ctx, "bot")), hotplug.ErrNotAlone)
	// It takes no other disk away while it is attached.
	require.NoError(t, qemu.QOMSet{Path: "/machine/peripheral/bot", Property: "attached", Value: qmp.RawJSON("false")}.Do(ctx, c))
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "bot")))
}

// serverRestarted ends the server of a disk and starts it again. QEMU connects again, and the disk can be removed
// while there is no server.
func serverRestarted(t *testing.T, qvm *qemutest.VM, c *qmp.Client) {
	socket, path := filepath.Join(t.TempDir(), "s"), image(t)
	start := func() *qemutest.Server {
		storage := qemutest.Get(t, "10.0").StartStorage(t, "--blockdev", "file,node-name=f,filename="+path,
			"--export", "vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path="+socket)
		return storage
	}
	connection := func() string {
		all, err := qemu.QueryChardev{}.Do(t.Context(), c)
		require.NoError(t, err)
		i := slices.IndexFunc(all, func(c qemu.ChardevInfo) bool { return c.Label == "d-chardev" })
		require.GreaterOrEqual(t, i, 0)
		name, _, _ := strings.Cut(all[i].Filename, ":")
		return name
	}
	becomes := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return connection() == want }, 20*time.Second, 20*time.Millisecond)
	}
	vm := hotplug.New(c, nil)
	ctx := limit(t)
	backend := server(socket)
	backend.Reconnect = 100 * time.Millisecond

	added := make(chan error, 1)
	go func() { added <- vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: backend}) }()
	time.Sleep(300 * time.Millisecond) // AddDisk waits for the server
	storage := start()
	require.NoError(t, <-added)
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
	for range 2 {
		require.NoError(t, storage.Close())
		becomes("disconnected")
		_ = os.Remove(socket)
		storage = start()
		becomes("unix")
	}
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk= `)))

	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: backend}))
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
	require.NoError(t, storage.Close())
	becomes("disconnected")
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))

	_ = os.Remove(socket)
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	err := vm.AddDisk(short, hotplug.Disk{ID: "e", Backend: backend})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorAs(t, err, new(*hotplug.RollbackError))
}

// TestNICThatReconnects has its netdev added and undone. For a server that does not listen, netdev_add would wait.
func TestNICThatReconnects(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm, c := startUSB(t, q, sharedMemory...)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		state := func() []string { return append(chardevs(t, c), stateOf(t, c)...) }
		before, fds := state(), qemuFds(t, qvm)
		backend := server(serveVhostUser(t))
		backend.Reconnect = 100 * time.Millisecond
		nic := hotplug.NIC{ID: "d", Bus: "none", Backend: backend}
		var refusal *qmp.Error
		require.ErrorAs(t, vm.AddNIC(ctx, nic), &refusal)
		require.Equal(t, "device_add", refusal.Command, "after netdev_add")
		require.Equal(t, before, state())
		require.Equal(t, fds, qemuFds(t, qvm))

		backend.Server = &qemu.UnixSocketAddress{Path: filepath.Join(t.TempDir(), "none")}
		nic = hotplug.NIC{ID: "e", Backend: backend}
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, vm.AddNIC(short, nic), context.DeadlineExceeded)
		require.Equal(t, before, state())
	})
}

// TestPrivateMemoryOfQEMU: no vhost-user server could map the memory of a machine that was started in the usual way.
func TestPrivateMemoryOfQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		for _, shared := range []bool{false, true} {
			var args []string
			if shared {
				args = sharedMemory
			}
			c := q.Start(t, qemutest.Config{Machine: "pc", Args: args}).Dial(t)
			before := append(chardevs(t, c), stateOf(t, c)...)
			err := hotplug.New(c, nil).AddDevice(limit(t), hotplug.Device{ID: "d", Backend: hotplug.VirtioFS{
				Tag: "share", Server: &qemu.UnixSocketAddress{Path: filepath.Join(t.TempDir(), "none")}}})
			if shared {
				require.ErrorIs(t, err, qmp.ErrGeneric)
			} else {
				require.ErrorIs(t, err, hotplug.ErrNotShared)
			}
			require.Equal(t, before, append(chardevs(t, c), stateOf(t, c)...))
		}
	})
}

// TestDevicesOfTheHost are refused on a machine that has none, with nothing left.
func TestDevicesOfTheHost(t *testing.T) {
	hotplug.FakeVhost(t, "")
	hotplug.FakeUSB(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm, c := startUSB(t, q)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		f := opened(t, image(t), os.O_RDWR)
		for _, d := range []hotplug.Device{
			{Driver: "vhost-vsock-pci", Backend: hotplug.Descriptors{"vhostfd": f}, Props: qmp.Args{"guest-cid": 5}},
			{Driver: "vfio-pci", Props: qmp.Args{"sysfsdev": "/sys/bus/mdev/devices/none"}},
			{Driver: "vhost-scsi-pci", Backend: hotplug.Descriptors{"vhostfd": f}, Props: qmp.Args{"wwpn": "naa.5001405324af0985"}},
		} {
			d.ID = "d"
			err := vm.AddDevice(ctx, d)
			var refusal *qmp.Error
			require.ErrorAs(t, err, &refusal, d.Driver)
			require.Equal(t, "device_add", refusal.Command)
			require.NotErrorAs(t, err, new(*hotplug.RollbackError), d.Driver)
			require.Equal(t, before, stateOf(t, c), d.Driver)
			require.Equal(t, fds, qemuFds(t, qvm), d.Driver)
			require.ErrorIs(t, qemu.CloseFD{FDName: "d-0-fd"}.Do(ctx, c), qmp.ErrGeneric, "the name is free")
		}
		// QEMU 10.0 keeps the file open.
		require.ErrorIs(t, vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "vfio-pci", Backend: hotplug.Descriptors{"fd": f}}), qmp.ErrGeneric)
		require.Equal(t, before, stateOf(t, c))

		// QEMU has opened the set when libusb refuses the file. QEMU 7.2 and 10.0 then keep the file open.
		err := vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: hotplug.HostUSB{File: f}, Bus: "usb.0"})
		require.ErrorContains(t, err, "failed to open host usb device /dev/fdset/")
		require.NotErrorAs(t, err, new(*hotplug.RollbackError))
		sets, err := qemu.QueryFDSets{}.Do(ctx, c)
		require.NoError(t, err)
		for _, set := range sets {
			require.Empty(t, set.FDs)
		}
		err = vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "usb-host", Bus: "usb.0", Props: qmp.Args{"hostbus": 99, "hostaddr": 99}})
		require.ErrorIs(t, err, qmp.ErrGeneric)
		// QEMU waits for a device that is not plugged in yet, by the numbers of its maker.
		require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "usb-host", Bus: "usb.0", Props: qmp.Args{"vendorid": 0xffff, "productid": 0xffff}}))
		require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
	})
}
