package hotplug_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// whatOf lists the kinds and names of what a removal keeps.
func whatOf(kept []hotplug.Kept) (all []string) {
	for _, k := range kept {
		all = append(all, k.What+" "+k.Name)
	}
	return all
}

// TestNamesOfTheCaller adds things with names of the caller's, and removes them in another process.
func TestNamesOfTheCaller(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := startUSB(t, q)
		ctx := limit(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		vm := hotplug.New(c, nil)

		disk := usbDisk("dev-root-with-a-name-that-no-node-could-have", image(t))
		disk.NodeName = "root"
		plain := usbDisk("dev-data", "")
		plain.Backend = hotplug.Blockdev{Options: named("data", nullNode())}
		nic := userNet("eth0")
		nic.NetdevID, nic.Driver, nic.Bus = "net0", "usb-net", "usb.0"
		for _, op := range []struct {
			add, remove func(vm *hotplug.VM) error
			parts       []string
		}{
			{func(vm *hotplug.VM) error { return vm.AddDisk(ctx, disk) }, func(vm *hotplug.VM) error { return errorOf(vm.RemoveDisk(ctx, disk.ID)) },
				[]string{"device " + disk.ID, "node root", "fdset 0"}},
			{func(vm *hotplug.VM) error { return vm.AddDisk(ctx, plain) }, func(vm *hotplug.VM) error { return errorOf(vm.RemoveDevice(ctx, plain.ID)) },
				[]string{"device dev-data", "node data", "object dev-data.node.data"}},
			{func(vm *hotplug.VM) error { return vm.AddNIC(ctx, nic) }, func(vm *hotplug.VM) error { return errorOf(vm.RemoveNIC(ctx, nic.ID)) },
				[]string{"device eth0", "net net0", "object eth0.netdev.net0"}},
		} {
			require.NoError(t, op.add(vm), op.parts)
			added := stateOf(t, c)
			require.Subset(t, added, op.parts)
			require.ErrorIs(t, op.add(vm), hotplug.ErrExists)
			require.Equal(t, added, stateOf(t, c))
			require.NoError(t, op.remove(hotplug.New(c, nil)))
			require.Equal(t, before, stateOf(t, c))
			require.NoError(t, op.remove(vm), "what is gone can be removed")
		}

		// The names of the parts are in use, and the IDs of the devices are not.
		require.NoError(t, qemu.BlockdevAdd(named("root", nullNode())).Do(ctx, c))
		require.NoError(t, qemu.NetdevAdd{ID: "net0", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c))
		taken := stateOf(t, c)
		err := vm.AddDisk(ctx, disk)
		require.ErrorIs(t, err, hotplug.ErrExists)
		require.ErrorContains(t, err, `node "root" exists`)
		err = vm.AddNIC(ctx, nic)
		require.ErrorIs(t, err, hotplug.ErrExists)
		require.ErrorContains(t, err, `netdev "net0" exists`)
		require.Equal(t, taken, stateOf(t, c))
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "root")))
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "net0")))
		require.Equal(t, before, stateOf(t, c))

		for _, fault := range []fakeqemu.Fault{fakeqemu.Refused, fakeqemu.LostAfter} {
			faultsAtEveryStep(t, c, fault, addsDisk(disk), func() []string { return stateOf(t, c) })
		}
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// A foreign machine has disks that other managers have added.
type foreign struct {
	t   *testing.T
	q   *qemutest.QEMU
	c   *qmp.Client
	ctx context.Context
}

// fdset gives QEMU a file as other managers do, and returns the name of its set.
func (f *foreign) fdset(path, opaque string) *qmpfd.Set {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(f.t, err)
	defer file.Close()
	set, err := qmpfd.AddSet(f.ctx, f.c, opaque, file)
	require.NoError(f.t, err)
	return set
}

func (f *foreign) node(name string, node *qemu.BlockdevOptions) {
	f.t.Helper()
	require.NoError(f.t, qemu.BlockdevAdd(named(name, node)).Do(f.ctx, f.c), name)
}

func (f *foreign) device(id, drive string) {
	f.t.Helper()
	add := qemu.DeviceAdd{Driver: "usb-storage", ID: new(id), Bus: new("usb.0"), Props: qmp.Args{"drive": drive}}
	require.NoError(f.t, add.Do(f.ctx, f.c))
}

// over is a qcow2 node over other nodes.
func over(storage string, backing string) *qemu.BlockdevOptions {
	node := &qemu.BlockdevOptionsQcow2{File: qemu.BlockdevRef{Reference: new(storage)}, Backing: &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}}
	if backing != "" {
		node.Backing = &qemu.BlockdevRefOrNull{Reference: new(backing)}
	}
	return &qemu.BlockdevOptions{Branch: node}
}

// TestDisksOfOthers removes disks as other managers add them.
func TestDisksOfOthers(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		base := filepath.Join(t.TempDir(), "base.qcow2")
		img(t, q, "create", "-q", "-f", "qcow2", base, "1M")
		qvm, c := startUSB(t, q, "-device", "virtio-scsi-pci,id=scsi0", "-object", "throttle-group,id=slow",
			"-drive", "if=none,format=raw,id=drive-scsi0-0,file="+image(t), "-device", "scsi-hd,id=scsi0-0,drive=drive-scsi0-0,bus=scsi0.0",
			"-drive", "if=none,format=raw,id=drive-stick,file="+image(t), "-device", "usb-storage,id=stick,drive=drive-stick,bus=usb.0",
			"-drive", "if=none,id=drive-cd,media=cdrom", "-device", "scsi-cd,id=cd,drive=drive-cd,bus=scsi0.0", "-device", "scsi-cd,id=empty,bus=scsi0.0",
			"-blockdev", "qcow2,node-name=cold-format,file.driver=file,file.node-name=cold-storage,file.filename="+base, "-device", "usb-storage,id=cold,drive=cold-format,bus=usb.0")
		f := &foreign{t, q, c, limit(t)}
		vm := hotplug.New(c, nil)

		// The drives of the command line. QEMU removes -drive with its device.
		for _, id := range []string{"scsi0-0", "stick", "cd", "empty"} {
			kept, err := vm.RemoveDisk(f.ctx, id)
			require.NoError(t, err, id)
			require.Empty(t, kept, id)
		}
		blocks, err := qemu.QueryBlock{}.Do(f.ctx, c)
		require.NoError(t, err)
		require.Len(t, blocks, 1)
		kept, err := vm.RemoveDisk(f.ctx, "cold")
		require.NoError(t, err)
		require.Equal(t, []hotplug.Kept{{What: "node", Name: "cold-format", Err: hotplug.ErrNotOurs}}, kept)
		f.device("cold", "cold-format")
		kept, err = vm.RemoveDisk(f.ctx, "cold", hotplug.WithBackend())
		require.NoError(t, err)
		require.Empty(t, kept)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		require.NotContains(t, fmt.Sprint(before), "cold")

		for name, of := range map[string]struct {
			add  func() (id string)
			kept []string // without WithBackend
		}{
			"Incus": {func() string {
				set := f.fdset(image(t), "incus_root")
				f.node("incus_root", file(set.Path()))
				f.device("dev-incus_root", "incus_root")
				return "dev-incus_root"
			}, []string{"node incus_root"}},
			"Kata": {func() string {
				f.node("drive-1", &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsRaw{File: define(file(image(t)))}})
				f.device("virtio-drive-1", "drive-1")
				return "virtio-drive-1"
			}, []string{"node drive-1"}},
			"Ganeti": {func() string {
				set := f.fdset(image(t), "none")
				f.node("disk-0123-pci-5", file(set.Path()))
				f.device("disk-0123-pci-5", "disk-0123-pci-5")
				require.NoError(t, qemu.RemoveFD{FDSetID: set.ID()}.Do(f.ctx, c))
				return "disk-0123-pci-5"
			}, nil},
			"libvirt, with a filter": {func() string {
				p := chain(t, q, 2)
				for i, path := range p {
					set := f.fdset(path, fmt.Sprintf("libvirt-%d-storage", i))
					f.node(fmt.Sprintf("libvirt-%d-storage", i), file(set.Path()))
				}
				f.node("libvirt-1-format", over("libvirt-1-storage", ""))
				f.node("libvirt-0-format", over("libvirt-0-storage", "libvirt-1-format"))
				f.node("libvirt-cor", &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCOR{File: qemu.BlockdevRef{Reference: new("libvirt-0-format")}}})
				f.node("throttle-1", &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsThrottle{
					ThrottleGroup: "slow", File: qemu.BlockdevRef{Reference: new("libvirt-cor")}}})
				f.device("virtio-disk0", "throttle-1")
				return "virtio-disk0"
			}, []string{"node throttle-1"}},
		} {
			id := of.add()
			info, err := vm.DeviceInfo(f.ctx, id)
			require.NoError(t, err, name)
			if of.kept != nil {
				require.Equal(t, of.kept, []string{"node " + info.Node}, name)
				kept, err := vm.RemoveDisk(f.ctx, id)
				require.NoError(t, err, name)
				require.Equal(t, of.kept, whatOf(kept), name)
				require.ErrorIs(t, kept[0].Err, hotplug.ErrNotOurs, name)
				f.device(id, info.Node)
			}
			require.NoError(t, vm.ResizeDisk(f.ctx, id, 2<<20), name)
			kept, err := vm.RemoveDisk(f.ctx, id, hotplug.WithBackend())
			require.NoError(t, err, name)
			require.Empty(t, kept, name)
			require.Equal(t, before, stateOf(t, c), name)
			require.Equal(t, fds, qemuFds(t, qvm), name)
		}
	})
}

// TestDisksThatShare removes disks whose nodes have other users, which stay. Nothing that they need goes.
func TestDisksThatShare(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := startUSB(t, q)
		f := &foreign{t, q, c, limit(t)}
		vm := hotplug.New(c, nil)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		p := chain(t, q, 1)
		top := func(name string) {
			path := filepath.Join(t.TempDir(), name)
			img(t, q, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", p[0], path)
			f.node(name+"-storage", file(f.fdset(path, name).Path()))
			f.node(name, over(name+"-storage", "base"))
		}
		f.node("base", &qemu.BlockdevOptions{ReadOnly: new(true), Branch: &qemu.BlockdevOptionsQcow2{File: define(file(p[0]))}})
		for _, name := range []string{"one", "two"} {
			top(name)
			f.device("dev-"+name, name)
		}
		begin := time.Now()
		kept, err := vm.RemoveDisk(f.ctx, "dev-one", hotplug.WithBackend())
		require.NoError(t, err)
		require.Equal(t, []string{"node base"}, whatOf(kept))
		require.ErrorIs(t, kept[0].Err, hotplug.ErrInUse)
		require.Less(t, time.Since(begin), 5*time.Second, "there is nothing to wait for")
		require.NotContains(t, fmt.Sprint(stateOf(t, c)), "one")
		require.Contains(t, stateOf(t, c), "node two-storage")
		kept, err = vm.RemoveDisk(f.ctx, "dev-two", hotplug.WithBackend())
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, before, stateOf(t, c))

		// An export uses the node. The descriptors stay with it.
		set := f.fdset(image(t), "exported")
		f.node("exported-storage", file(set.Path()))
		f.node("exported", &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsRaw{File: qemu.BlockdevRef{Reference: new("exported-storage")}}})
		socket := &qemu.UnixSocketAddress{Path: filepath.Join(t.TempDir(), "nbd")}
		require.NoError(t, qemu.NBDServerStart{Addr: qemu.SocketAddressLegacy{Branch: socket}}.Do(f.ctx, c))
		require.NoError(t, qemu.BlockExportAdd{ID: "e", NodeName: "exported-storage", Branch: &qemu.BlockExportOptionsNBD{}}.Do(f.ctx, c))
		f.device("dev-exported", "exported")
		kept, err = vm.RemoveDisk(f.ctx, "dev-exported", hotplug.WithBackend())
		require.NoError(t, err)
		require.Equal(t, []string{"node exported-storage", fmt.Sprint("fdset ", set.ID())}, whatOf(kept))
		require.ErrorIs(t, kept[1].Err, hotplug.ErrInUse)
		require.NoError(t, qemu.NBDServerStop{}.Do(f.ctx, c))
		require.NoError(t, errorOf(vm.RemoveDisk(f.ctx, "dev-exported", hotplug.WithNode("exported-storage"))))
		require.NoError(t, set.Remove(f.ctx))
		require.Equal(t, before, stateOf(t, c))

		// A snapshot of our disk.
		require.NoError(t, vm.AddDisk(f.ctx, hotplug.Disk{ID: "d", NodeName: "root", Driver: "usb-storage", Bus: "usb.0",
			Backend: hotplug.File{Path: p[0], Format: "qcow2"}}))
		path := filepath.Join(t.TempDir(), "overlay")
		img(t, q, "create", "-q", "-f", "qcow2", path, "1M")
		f.node("o1-storage", file(path))
		f.node("o1", over("o1-storage", ""))
		require.NoError(t, qemu.BlockdevSnapshot{Node: "root", Overlay: "o1"}.Do(f.ctx, c))
		require.NoError(t, vm.ResizeDisk(f.ctx, "d", 2<<20))
		info, err := vm.DeviceInfo(f.ctx, "d")
		require.NoError(t, err)
		require.Equal(t, "o1", info.Node)
		kept, err = vm.RemoveDisk(f.ctx, "d")
		require.ErrorIs(t, err, hotplug.ErrInUse, "of what AddDisk added, something is left")
		require.Equal(t, []string{"node o1", "node root"}, whatOf(kept))
		kept, err = vm.RemoveDisk(f.ctx, "d", hotplug.WithNode("o1"), hotplug.WithBackend())
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))

		// A mirror: the disk leaves its node.
		require.NoError(t, vm.AddDisk(f.ctx, usbDisk("d", image(t))))
		f.node("target", file(image(t)))
		require.NoError(t, qemu.BlockdevMirror{JobID: new("mirror"), Device: "d", Target: "target", Sync: qemu.MirrorSyncModeFull}.Do(f.ctx, c))
		waitFor(t, "the mirror", func() bool {
			jobs, err := qemu.QueryJobs{}.Do(f.ctx, c)
			require.NoError(t, err)
			return slices.ContainsFunc(jobs, func(j qemu.JobInfo) bool { return j.Status == qemu.JobStatusReady })
		})
		require.NoError(t, qemu.JobComplete{ID: "mirror"}.Do(f.ctx, c))
		waitFor(t, "the end of the mirror", func() bool {
			jobs, err := qemu.QueryJobs{}.Do(f.ctx, c)
			require.NoError(t, err)
			return len(jobs) == 0
		})
		kept, err = vm.RemoveDisk(f.ctx, "d")
		require.NoError(t, err)
		require.Equal(t, []string{"node target"}, whatOf(kept))
		require.ElementsMatch(t, append(slices.Clone(before), "node target"), stateOf(t, c))
		kept, err = vm.RemoveDisk(f.ctx, "d", hotplug.WithNode("target"))
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, before, stateOf(t, c))
	})
}
