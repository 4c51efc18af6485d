package hotplug_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestFaultsWithNames lets each command of an addition with names of the caller's go wrong. Each removal is in another process.
func TestFaultsWithNames(t *testing.T) {
	taps, _ := fakeTaps(t, 2)
	disk := func(d hotplug.Disk) addition { return addsDisk(d) }
	nic := addsNIC
	port := listen("/run/agent")
	port.ID = "char0"
	far := server("/run/s")
	far.ChardevID = "char0"
	for name, op := range map[string]struct {
		addition
		commands []string
	}{
		"file": {disk(hotplug.Disk{ID: "dev-d", NodeName: "root", Backend: hotplug.File{Path: image(t)}}),
			[]string{"add-fd", "blockdev-add", "device_add"}},
		"node": {disk(hotplug.Disk{ID: "dev-d", Backend: hotplug.Blockdev{Options: named("root", nullNode())}}),
			[]string{"object-add", "blockdev-add", "device_add"}},
		"secrets": {disk(hotplug.Disk{ID: "dev-d", NodeName: "root", Backend: hotplug.Blockdev{
			Options: *nullNode(), Secrets: map[string][]byte{"key": {1}}}}),
			[]string{"object-add", "object-add", "blockdev-add", "device_add"}},
		"vhost-user disk": {disk(hotplug.Disk{ID: "dev-d", Backend: far}),
			[]string{"qom-get", "query-blockstats", "object-add", "query-chardev", "chardev-add", "device_add"}},
		"NIC": {nic(hotplug.NIC{ID: "dev-n", NetdevID: "net0", Backend: hotplug.Tap{Queues: taps}}),
			[]string{"object-add", "closefd", "getfd", "getfd", "netdev_add", "device_add"}},
		"vhost-user NIC": {nic(hotplug.NIC{ID: "dev-n", NetdevID: "net0", Backend: far}),
			[]string{"object-add", "query-chardev", "chardev-add", "netdev_add", "device_add"}},
		"port": {addsDevice(hotplug.Device{ID: "d", Backend: port}),
			[]string{"object-add", "query-chardev", "chardev-add", "device_add"}},
		"memory": {addsMemory(hotplug.Memory{ID: "dimm0", ObjectID: "mem0", Backend: hotplug.RAM{Size: mib}}),
			[]string{"qom-list-types", "query-acpi-ospm-status", "object-add", "object-add", "device_add"}},
	} {
		for _, fault := range fakeqemu.Faults {
			t.Run(name+", "+string(fault), func(t *testing.T) {
				qemutest.CheckFds(t)
				m := fakeqemu.New(t)
				op.addition.commands = op.commands
				faultsAtEveryStep(t, m.Dial(), fault, op.addition, m.State)
				require.Empty(t, m.State())
			})
		}
	}
}

// addsNIC is AddNIC.
func addsNIC(n hotplug.NIC) addition {
	return addition{
		add:    func(ctx context.Context, vm *hotplug.VM) error { return vm.AddNIC(ctx, n) },
		remove: func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveNIC(ctx, n.ID)) },
	}
}

// A killed is the connection of a program that ends after some commands.
type killed struct {
	*qmp.Client
	after int
}

func (k *killed) Execute(ctx context.Context, call *qmp.Call) error {
	if k.after--; k.after < 0 {
		return qmp.ErrClosed
	}
	return k.Client.Execute(ctx, call)
}

// TestKilledWithNames has the program end after each command of an addition. The removal in another process finds all parts.
func TestKilledWithNames(t *testing.T) {
	far := server("/run/s")
	far.ChardevID = "char0"
	port := listen("/run/agent")
	port.ID = "char0"
	nic := hotplug.NIC{ID: "d", Backend: far}
	other := nic
	other.NetdevID = "net0"
	for name, op := range map[string]addition{
		"disk":                     addsDisk(hotplug.Disk{ID: "d", Backend: far}),
		"device":                   addsDevice(hotplug.Device{ID: "d", Driver: "vhost-user-vsock-pci", Backend: far}),
		"port":                     addsDevice(hotplug.Device{ID: "d", Backend: port}),
		"NIC":                      addsNIC(nic),
		"NIC with a netdev's name": addsNIC(other),
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			for after, done := 0, false; !done; after++ {
				done = op.add(t.Context(), hotplug.New(&killed{c, after}, nil)) == nil
				for range 2 {
					require.NoError(t, op.remove(t.Context(), hotplug.New(c, nil)))
					require.Empty(t, m.State(), "after %d commands", after)
				}
			}
		})
	}
}

// TestMarkThatIsThere has one that an interrupted addition left, and an object of somebody else in its place.
func TestMarkThatIsThere(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	nic := userNet("dev-n")
	nic.NetdevID = "net0"
	secret := qemu.ObjectAdd{ID: "dev-n.netdev.net0", QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("")}}
	require.NoError(t, secret.Do(ctx, c))
	require.NoError(t, vm.AddNIC(ctx, nic))
	require.Equal(t, []string{"device dev-n", "netdev net0", "object dev-n.netdev.net0"}, m.State())
	require.ErrorIs(t, vm.AddNIC(ctx, nic), hotplug.ErrExists)
	require.Equal(t, []string{"device dev-n", "netdev net0", "object dev-n.netdev.net0"}, m.State())
	require.NoError(t, errorOf(vm.RemoveNIC(ctx, "dev-n")))
	require.Empty(t, m.State())

	require.NoError(t, qemu.ObjectAdd{ID: secret.ID, QOMType: "iothread"}.Do(ctx, c))
	require.ErrorIs(t, vm.AddNIC(ctx, nic), hotplug.ErrExists)
	require.Equal(t, []string{"object dev-n.netdev.net0"}, m.State())
}

// TestMarkOfAnotherKind has a NIC and a disk whose guest released the device after the removal ended. RemoveDevice does not
// remove a netdev or a node of a device that is gone, so the method for the kind must still find it.
func TestMarkOfAnotherKind(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, qemu.NetdevAdd{ID: "net0", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c))
	require.NoError(t, qemu.BlockdevAdd(named("root", nullNode())).Do(ctx, c))
	for _, mark := range []string{"d.netdev.net0", "d.node.root"} {
		require.NoError(t, qemu.ObjectAdd{ID: mark, QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("")}}.Do(ctx, c))
	}
	before := m.State()
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
	require.Equal(t, before, m.State())
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.Equal(t, []string{"netdev net0", "object d.netdev.net0"}, m.State())
	require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
	require.Empty(t, m.State())
}

// TestNamesWithOneReading refuses IDs whose marks and secrets RemoveDisk would take for those of another disk.
func TestNamesWithOneReading(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	secret := hotplug.Blockdev{Options: *nullNode(), Secrets: map[string][]byte{"key": {1}}}
	for _, disk := range []hotplug.Disk{
		{ID: "d.node", NodeName: "root", Backend: hotplug.Blockdev{Options: *nullNode()}},
		{ID: "d.character-device.x", Backend: secret},
		{ID: "d.node", Backend: secret},
	} {
		require.ErrorContains(t, vm.AddDisk(ctx, disk), "ID must not have")
		require.Empty(t, m.State())
	}
	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d.node", Backend: hotplug.Blockdev{Options: *nullNode()}}))
	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "node.d", NodeName: "root", Backend: secret}))
	before := m.State()
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "node")))
	require.Equal(t, before, m.State())
}

// TestNamesInSets reads only the texts of this package.
func TestNamesInSets(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	f := &foreign{t, nil, c, ctx}
	path := image(t)
	for _, opaque := range []string{"qmpkit:d", "qmpkit:d:", "qmpkit:d:root", "qmpkit:d:root:x:y", "qmpkit2:d:root:x", "d"} {
		f.fdset(path, opaque)
	}
	f.node("root", nullNode())
	before := m.State()
	require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(ctx, "d")))
	require.Equal(t, before, m.State())

	// An interrupted addition left a set and its node. RemoveDisk finds both by the ID of the device.
	f.node("root2", file(f.fdset(path, "qmpkit:d:root2:x").Path()))
	require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(ctx, "d")))
	require.Equal(t, before, m.State())

	// The same below a disk with other names.
	f.node("root2", file(f.fdset(path, "qmpkit:d:root2:x").Path()))
	require.NoError(t, hotplug.New(c, nil).AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: path}}))
	require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(ctx, "d")))
	require.Equal(t, before, m.State())
}

// TestFileOf: the descriptors of a disk have the path of its file, if that is the name of the file.
func TestFileOf(t *testing.T) {
	ctx := t.Context()
	c := fakeqemu.New(t).Dial()
	path := image(t)
	opened, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer opened.Close()
	other := func(_ string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0) }
	for id, backend := range map[string]hotplug.DiskBackend{
		"file": hotplug.File{Path: path}, "descriptor": hotplug.Descriptor{File: opened},
		"other": hotplug.File{Path: image(t) + ".none", Open: other},
	} {
		require.NoError(t, hotplug.New(c, nil).AddDisk(ctx, hotplug.Disk{ID: id, NodeName: id + ".n", Backend: backend}))
	}
	sets, err := qemu.QueryFDSets{}.Do(ctx, c)
	require.NoError(t, err)
	got := map[string]string{}
	for _, s := range sets {
		disk, node, path := hotplug.FileOf(qmp.Value(s.FDs[0].Opaque))
		require.Equal(t, disk+".n", node)
		got[disk] = path
	}
	require.Equal(t, map[string]string{"file": path, "descriptor": "", "other": ""}, got)
	for _, opaque := range []string{"", "qmpkit:d:n", "qmpkit:d:n:r:relative", "other:d:n:r:/path"} {
		disk, _, path := hotplug.FileOf(opaque)
		require.Empty(t, disk+path, opaque)
	}
}

// addForeign adds a disk, a NIC, memory and a source of random numbers as others do.
func addForeign(t *testing.T, f *foreign) {
	storage := f.fdset(image(t), "libvirt-1")
	f.node("storage", file(storage.Path()))
	f.node("format", over("storage", ""))
	f.node("filter", &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCOR{File: qemu.BlockdevRef{Reference: new("format")}}})
	f.object("mem0", "memory-backend-ram", &qemu.MemoryBackendProperties{Size: mib})
	f.object("rng0", "rng-builtin", nil)
	require.NoError(t, qemu.NetdevAdd{ID: "hostnet0", Branch: &qemu.NetdevUserOptions{}}.Do(f.ctx, f.c))
	for id, add := range map[string]qemu.DeviceAdd{
		"virtio-disk0": {Driver: "virtio-blk-pci", Props: qmp.Args{"drive": "filter"}},
		"net0":         {Driver: "virtio-net-pci", Props: qmp.Args{"netdev": "hostnet0"}},
		"dimm0":        {Driver: "pc-dimm", Props: qmp.Args{"memdev": "mem0"}},
		"rng":          {Driver: "virtio-rng-pci", Props: qmp.Args{"rng": "rng0"}},
	} {
		add.ID = &id
		require.NoError(t, add.Do(f.ctx, f.c))
	}
}

func (f *foreign) object(id string, kind qemu.ObjectType, branch qemu.ObjectOptionsBranch) {
	f.t.Helper()
	require.NoError(f.t, qemu.ObjectAdd{ID: id, QOMType: kind, Branch: branch}.Do(f.ctx, f.c))
}

// A foreignRemoval removes one of the devices of addForeign.
type foreignRemoval struct {
	remove func(vm *hotplug.VM, ctx context.Context, id string, opts ...hotplug.RemoveOption) ([]hotplug.Kept, error)
	id     string
	used   string // what the device uses
}

var foreignRemovals = []foreignRemoval{
	{(*hotplug.VM).RemoveDisk, "virtio-disk0", "node filter"},
	{(*hotplug.VM).RemoveNIC, "net0", "netdev hostnet0"},
	{(*hotplug.VM).RemoveMemory, "dimm0", "object mem0"},
	{(*hotplug.VM).RemoveDevice, "rng", "object rng0"},
}

// TestPartsOfOthers keeps what others have added, unless the caller wants it to go.
func TestPartsOfOthers(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	f := &foreign{t, nil, c, ctx}
	addForeign(t, f)
	var devices []string
	for _, r := range foreignRemovals {
		kept, err := r.remove(hotplug.New(c, nil), ctx, r.id)
		require.NoError(t, err, r.id)
		require.Equal(t, []string{r.used}, whatOf(kept))
		require.ErrorIs(t, kept[0].Err, hotplug.ErrNotOurs)
		devices = append(devices, r.id)
	}
	require.Equal(t, []string{"fdset 0 libvirt-1", "netdev hostnet0", "node filter", "node format", "node storage", "object mem0", "object rng0"}, m.State())

	// The devices are gone. The caller knows the names.
	kept, err := hotplug.New(c, nil).RemoveDisk(ctx, devices[0], hotplug.WithNode("storage"), hotplug.WithNode("filter"), hotplug.WithNode("format"))
	require.NoError(t, err)
	require.Empty(t, kept)
	for _, removed := range []error{
		errorOf(hotplug.New(c, nil).RemoveNIC(ctx, "net0", hotplug.WithNetdev("hostnet0"))),
		errorOf(hotplug.New(c, nil).RemoveMemory(ctx, "dimm0", hotplug.WithObject("mem0"))),
		errorOf(hotplug.New(c, nil).RemoveDevice(ctx, "rng", hotplug.WithObject("rng0"))),
	} {
		require.NoError(t, removed)
	}
	require.Equal(t, []string{"fdset 0 libvirt-1"}, m.State())
}

// TestWithBackendCutOff lets each command of a removal go wrong. What the removal keeps is enough to finish it.
func TestWithBackendCutOff(t *testing.T) {
	t.Parallel()
	for _, fault := range fakeqemu.Faults {
		for _, r := range foreignRemovals {
			t.Run(string(fault)+", "+r.id, func(t *testing.T) {
				t.Parallel()
				m := fakeqemu.New(t)
				c := m.Dial()
				f := &foreign{t, nil, c, t.Context()}
				addForeign(t, f)
				all := m.State()
				_, err := r.remove(hotplug.New(c, nil), f.ctx, r.id, hotplug.WithBackend())
				require.NoError(t, err)
				without := m.State()
				for at, more := 0, true; more; at++ {
					m := fakeqemu.New(t)
					c := m.Dial()
					f.c = c
					addForeign(t, f)
					require.Equal(t, all, m.State())
					ctx, cancel := context.WithCancel(f.ctx)
					conn := &fakeqemu.Faulty{Client: c, Fault: fault, At: at, Cancel: cancel}
					kept, err := r.remove(hotplug.New(conn, nil), ctx, r.id, hotplug.WithBackend())
					cancel()
					more = conn.Met != ""
					opts := []hotplug.RemoveOption{hotplug.WithBackend()}
					for _, k := range kept {
						require.Error(t, err, "something is kept")
						switch k.What {
						case "node":
							opts = append(opts, hotplug.WithNode(k.Name))
						case "netdev":
							opts = append(opts, hotplug.WithNetdev(k.Name))
						case "object":
							opts = append(opts, hotplug.WithObject(k.Name))
						case "fdset":
							require.Equal(t, "0", k.Name)
							_, err := hotplug.New(c, nil).RemoveFDSet(f.ctx, 0)
							require.NoError(t, err)
						}
					}
					kept, err = r.remove(hotplug.New(c, nil), f.ctx, r.id, opts...)
					require.NoError(t, err, conn.Met)
					require.Empty(t, kept, conn.Met)
					require.Equal(t, without, m.State(), conn.Met)
				}
			})
		}
	}
}

// TestCommandsWithBackend checks that the number of commands does not depend on the machine.
func TestCommandsWithBackend(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	f := &foreign{t, nil, c, ctx}
	vm := hotplug.New(c, nil)
	path := image(t)
	add := func(i int) (id string) {
		name := fmt.Sprint("libvirt-", i)
		f.node(name+"-storage", file(f.fdset(path, name).Path()))
		f.node(name+"-format", over(name+"-storage", ""))
		id = fmt.Sprint("virtio-disk", i)
		require.NoError(t, qemu.DeviceAdd{Driver: "scsi-hd", ID: new(id), Props: qmp.Args{"drive": name + "-format"}}.Do(ctx, c))
		return id
	}
	_, err := vm.DeviceInfo(ctx, add(0)) // asks what devices of the type have
	require.NoError(t, err)
	for many := range 2 {
		for i := range 100 * many {
			add(100 + i)
		}
		before := m.State()
		id := add(1)
		sent := len(m.Requests())
		kept, err := vm.RemoveDisk(ctx, id, hotplug.WithBackend())
		require.NoError(t, err)
		require.Empty(t, kept)
		var commands []string
		for _, r := range m.Requests()[sent:] {
			commands = append(commands, r.Command)
		}
		require.Equal(t, []string{"qom-get", "qom-get", "query-blockstats", "query-fdsets", "query-block",
			"query-jobs", "query-block-exports", "qom-list", "device_del", "qom-get",
			"query-fdsets", "qom-list", "blockdev-del", "blockdev-del", "blockdev-del", "query-blockstats",
			"query-fdsets", "remove-fd", "query-fdsets", "query-fdsets", "qom-list"}, commands)
		require.Equal(t, before, m.State())
	}
}

// TestUnplugPendingTellsNames has a guest that does not answer: the caller learns what the device uses.
func TestUnplugPendingTellsNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetGuest(fakeqemu.Deaf)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		require.NoError(t, qemu.BlockdevAdd(named("drive-1", nullNode())).Do(t.Context(), c))
		require.NoError(t, qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: new("virtio-drive-1"), Props: qmp.Args{"drive": "drive-1"}}.Do(t.Context(), c))
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		kept, err := vm.RemoveDisk(short, "virtio-drive-1", hotplug.WithBackend())
		require.ErrorIs(t, err, hotplug.ErrUnplugPending)
		require.Equal(t, []string{"node drive-1"}, whatOf(kept))
		require.ErrorIs(t, kept[0].Err, hotplug.ErrUnplugPending)
		require.NoError(t, qemu.SystemReset{}.Do(t.Context(), c)) // releases the device
		kept, err = vm.RemoveDisk(t.Context(), "virtio-drive-1", hotplug.WithNode(kept[0].Name))
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Empty(t, m.State())
	})
}

// TestResizeMemoryWithNames has an object of another name.
func TestResizeMemoryWithNames(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	memory := kindsOfMemory["virtio-mem"]
	memory.ObjectID = "mem0"
	require.NoError(t, vm.AddMemory(ctx, memory))
	require.NoError(t, vm.ResizeMemory(ctx, memory.ID, 2*mib))
	info, err := vm.DeviceInfo(ctx, memory.ID)
	require.NoError(t, err)
	require.Equal(t, "mem0", info.Object)
	require.NoError(t, errorOf(vm.RemoveMemory(ctx, memory.ID)))
	require.Empty(t, m.State())
}
