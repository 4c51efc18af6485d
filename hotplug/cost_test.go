package hotplug_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestCommandsOfOperations checks that the commands of an operation are few, and the same on a machine with many disks
// and NICs.
func TestCommandsOfOperations(t *testing.T) {
	qemutest.CheckFds(t)
	taps, _ := fakeTaps(t, 1)
	m := fakeqemu.New(t)
	m.SetPlaces(2)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	path := image(t)
	dimm := hotplug.Memory{ID: "d", Backend: hotplug.RAM{Size: 128 * mib}}
	disk := func(id string) hotplug.Disk {
		return hotplug.Disk{ID: id, Backend: hotplug.File{Path: path}, Driver: "scsi-hd", Bus: "scsi0.0"}
	}
	require.NoError(t, vm.AddDisk(ctx, disk("first")))
	require.NoError(t, vm.AddNIC(ctx, userNet("nic"))) // asks for the target, to choose a driver
	memory := dimm
	memory.ID = "memory"
	require.NoError(t, vm.AddMemory(ctx, memory))
	for _, id := range []string{"first", "nic", "memory"} {
		_, err := vm.DeviceInfo(ctx, id) // asks what devices of the type have
		require.NoError(t, err)
	}
	var many int
	for range 2 {
		for _, op := range []struct {
			do   func() error
			want []string
		}{
			{func() error { return vm.AddDisk(ctx, disk("d")) }, []string{"add-fd", "blockdev-add", "device_add"}},
			{func() error { _, err := vm.HasDevice(ctx, "d"); return err }, []string{"qom-get"}},
			{func() error { _, err := vm.DeviceInfo(ctx, "d"); return err }, slices.Repeat([]string{"qom-get"}, 4)},
			{func() error { return errorOf(vm.RemoveDisk(ctx, "d")) }, []string{
				"qom-get", "qom-get", "query-jobs", "query-block-exports", "qom-list", "device_del", "qom-get", "blockdev-del",
				"query-fdsets", "remove-fd", "query-fdsets", "qom-list"}},
			{func() error { return vm.AddNIC(ctx, hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}) },
				[]string{"closefd", "getfd", "netdev_add", "device_add"}},
			{func() error { return errorOf(vm.RemoveNIC(ctx, "d")) },
				[]string{"qom-get", "qom-get", "qom-get", "qom-list", "device_del", "qom-get", "netdev_del"}},
			{func() error { return vm.AddMemory(ctx, dimm) }, []string{"object-add", "device_add"}},
			{func() error { return vm.AddMemory(ctx, dimm) }, []string{"object-add", "qom-get"}},
			{func() error { return errorOf(vm.RemoveMemory(ctx, "d")) },
				[]string{"qom-get", "qom-get", "qom-get", "qom-get", "qom-list", "device_del", "qom-get", "object-del"}},
			{func() error { _, err := vm.AddCPU(ctx, hotplug.CPU{ID: "d"}); return err },
				[]string{"query-hotpluggable-cpus", "device_add"}},
			{func() error { _, err := vm.AddCPU(ctx, hotplug.CPU{ID: "d"}); return err },
				[]string{"query-hotpluggable-cpus", "device_add", "query-hotpluggable-cpus", "qom-get"}},
			{func() error { return vm.RemoveCPU(ctx, "d") },
				[]string{"qom-get", "query-hotpluggable-cpus", "qom-get", "qom-list", "qom-get", "device_del", "qom-get"}},
			{func() error { _, err := vm.SetCPUs(ctx, 2, nil); return err },
				[]string{"query-hotpluggable-cpus", "device_add", "device_add"}},
			{func() error { _, err := vm.SetCPUs(ctx, 2, nil); return err }, []string{"query-hotpluggable-cpus"}},
			{func() error { return vm.RemoveCPU(ctx, "cpu-socket0-core0") }, nil},
			{func() error { return vm.RemoveCPU(ctx, "cpu-socket1-core0") }, nil},
			{func() error { return vm.AddDevice(ctx, tablet) }, []string{"device_add"}},
			{func() error { return vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.Node{Name: "d"}}) }, []string{"device_add", "qom-get"}},
		} {
			before := len(m.Requests())
			_ = op.do() // the last is refused
			var sent []string
			for _, r := range m.Requests()[before:] {
				sent = append(sent, r.Command)
			}
			if op.want != nil {
				require.Equal(t, op.want, sent)
			}
		}
		require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
		for ; many < 100; many++ {
			require.NoError(t, vm.AddDisk(ctx, disk(fmt.Sprint("disk", many))))
			require.NoError(t, vm.AddNIC(ctx, userNet(fmt.Sprint("nic", many))))
		}
	}
}

// TestLostAnswerAndOthers has the answer to each command of an addition lost, on a machine where somebody else has
// something of the same name. It stays.
func TestLostAnswerAndOthers(t *testing.T) {
	taps, _ := fakeTaps(t, 1)
	disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}
	nic := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}
	addDisk := func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDisk(ctx, disk) }
	addNIC := func(ctx context.Context, vm *hotplug.VM) error { return vm.AddNIC(ctx, nic) }
	node := func(ctx context.Context, c *qmp.Client) error {
		return qemu.BlockdevAdd(named("d", nullNode())).Do(ctx, c)
	}
	netdev := func(ctx context.Context, c *qmp.Client) error {
		return qemu.NetdevAdd{ID: "d", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c)
	}
	device := func(ctx context.Context, c *qmp.Client) error {
		return qemu.DeviceAdd{Driver: "virtio-rng-pci", ID: new("d")}.Do(ctx, c)
	}
	object := func(ctx context.Context, c *qmp.Client) error {
		return qemu.ObjectAdd{ID: "d", Branch: &qemu.MemoryBackendProperties{Size: 64 * mib}, QOMType: qemu.ObjectTypeMemoryBackendRAM}.Do(ctx, c)
	}
	dimm := hotplug.Memory{ID: "d", Backend: hotplug.RAM{Size: 128 * mib}}
	addMemory := func(ctx context.Context, vm *hotplug.VM) error { return vm.AddMemory(ctx, dimm) }
	addCPU := func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "d"})
		return err
	}
	for name, test := range map[string]struct {
		others func(ctx context.Context, c *qmp.Client) error
		add    func(ctx context.Context, vm *hotplug.VM) error
	}{
		"node": {node, addDisk}, "netdev": {netdev, addNIC},
		"device, a disk": {device, addDisk}, "device, a NIC": {device, addNIC},
		"device, memory": {device, addMemory}, "object, memory": {object, addMemory}, "device, a CPU": {device, addCPU},
	} {
		for _, fault := range fakeqemu.Faults {
			t.Run(name+", "+string(fault), func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetPlaces(1)
				c := m.Dial()
				require.NoError(t, test.others(t.Context(), c))
				before := m.State()
				_, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
					return test.add(ctx, hotplug.New(conn, nil))
				}, func(command string, err error) {
					require.Error(t, err, command)
					require.Subset(t, m.State(), before, command)
					switch command {
					case "add-fd", "getfd", "blockdev-add", "netdev_add", "object-add", "device_add": // and no command that undoes
						require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
						require.Equal(t, before, m.State(), command)
					}
				})
				require.ErrorIs(t, err, hotplug.ErrExists)
				require.Subset(t, m.State(), before)
			})
		}
	}
}

// managers returns two managers of a QEMU. Each uses another monitor. c is the connection of the first manager.
func managers(t *testing.T, qvm *qemutest.VM) (c *qmp.Client, vms []*hotplug.VM) {
	t.Helper()
	for _, socket := range qvm.Sockets {
		conn, err := qmp.Dial(limit(t), socket, nil)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		c, vms = cmp.Or(c, conn), append(vms, hotplug.New(conn, nil))
	}
	return c, vms
}

// together has all managers do something at the same time, and returns their errors.
func together(vms []*hotplug.VM, do func(vm *hotplug.VM, i int) error) []error {
	errs := make([]error, len(vms))
	var running sync.WaitGroup
	for i, vm := range vms {
		running.Go(func() { errs[i] = do(vm, i) })
	}
	running.Wait()
	return errs
}

// TestTwoManagers race to add something under one ID, each by a monitor of its own: one of them succeeds, and
// the other is told that the ID is in use.
func TestTwoManagers(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "q35", Monitors: 2, Args: []string{
			"-device", "virtio-scsi-pci,id=scsi0", "-device", "qemu-xhci,id=usb0,p2=8,p3=8"}})
		ctx := limit(t)
		c, vms := managers(t, qvm)
		disk := func() hotplug.Disk {
			return hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}, Driver: "scsi-hd", Bus: "scsi0.0"}
		}
		nic := userNet("d")
		nic.Driver, nic.Bus = "usb-net", "usb0.0"
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		removeDisk := func(vm *hotplug.VM) error { return errorOf(vm.RemoveDisk(ctx, "d")) }
		for name, op := range map[string]struct{ add, remove func(vm *hotplug.VM) error }{
			"disk":   {func(vm *hotplug.VM) error { return vm.AddDisk(ctx, disk()) }, removeDisk},
			"NIC":    {func(vm *hotplug.VM) error { return vm.AddNIC(ctx, nic) }, func(vm *hotplug.VM) error { return errorOf(vm.RemoveNIC(ctx, "d")) }},
			"device": {func(vm *hotplug.VM) error { return vm.AddDevice(ctx, hotplug.DeviceOf(usb("d"))) }, func(vm *hotplug.VM) error { return errorOf(vm.RemoveDevice(ctx, "d")) }},
		} {
			for range 20 {
				errs := together(vms, func(vm *hotplug.VM, _ int) error { return op.add(vm) })
				loser := slices.IndexFunc(errs, func(err error) bool { return err != nil })
				require.GreaterOrEqual(t, loser, 0, "%s: both have succeeded", name)
				require.NoError(t, errs[1-loser], name)
				require.ErrorIs(t, errs[loser], hotplug.ErrExists, name)
				require.NotErrorAs(t, errs[loser], new(*hotplug.RollbackError), name)
				require.NoError(t, op.remove(vms[1-loser]), name)
				require.Equal(t, before, stateOf(t, c), name)
			}
		}
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// A before does something once, before it executes a command.
type before struct {
	*qmp.Client
	command string
	do      func()
}

func (b *before) Execute(ctx context.Context, call *qmp.Call) error {
	if do := b.do; call.Command == b.command && do != nil {
		b.do = nil
		do()
	}
	return b.Client.Execute(ctx, call)
}

// TestSecondNetdev: while a manager adds a NIC, a second manager adds the same NIC. QEMU 5.2 takes both netdevs of the same
// name, and terminates when the loser removes its netdev.
func TestSecondNetdev(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Monitors: 2, Args: []string{"-device", "qemu-xhci,id=usb"}})
		ctx := limit(t)
		c, vms := managers(t, qvm)
		state := stateOf(t, c)
		nic := userNet("d")
		nic.Driver, nic.Bus = "usb-net", "usb.0"
		for _, command := range []string{"netdev_add", "device_add"} {
			var errs [2]error
			errs[0] = hotplug.New(&before{c, command, func() { errs[1] = vms[1].AddNIC(ctx, nic) }}, nil).AddNIC(ctx, nic)
			loser := slices.IndexFunc(errs[:], func(err error) bool { return err != nil })
			require.GreaterOrEqual(t, loser, 0, "both have succeeded")
			require.NoError(t, errs[1-loser], command)
			require.ErrorIs(t, errs[loser], hotplug.ErrExists, command)
			require.NotErrorAs(t, errs[loser], new(*hotplug.RollbackError), command)
			require.NoError(t, errorOf(vms[1].RemoveNIC(ctx, "d")), command)
			require.Equal(t, state, stateOf(t, c), command)
		}
		for _, fault := range fakeqemu.Faults {
			faultsAtEveryStep(t, c, fault, addsNIC(nic), func() []string { return stateOf(t, c) })
		}
		partTaken(t, c, addsNIC(nic).add,
			qemu.DeviceAdd{Driver: nic.Driver, ID: new("d"), Props: qmp.Args{"netdev": "d"}}, "netdev d")
		require.NoError(t, errorOf(vms[1].RemoveNIC(ctx, "d")))
		require.Equal(t, state, stateOf(t, c))

		claim := qemu.ObjectAdd{ID: "d.netdev.d", QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("")}}
		require.NoError(t, claim.Do(ctx, c)) // as a manager leaves it that has ended
		err := vms[0].AddNIC(ctx, nic)
		if q.Major < 7 {
			require.ErrorIs(t, err, hotplug.ErrExists)
			require.ErrorContains(t, err, `object "d.netdev.d" exists`)
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, errorOf(vms[0].RemoveNIC(ctx, "d")))
		_, err = vms[0].RemoveObject(ctx, claim.ID)
		require.NoError(t, err)
		require.Equal(t, state, stateOf(t, c))
	})
}

// TestPartTaken has a device of another manager use a part of a device that is being added.
func TestPartTaken(t *testing.T) {
	for left, test := range map[string]struct {
		add   func(ctx context.Context, vm *hotplug.VM) error
		other qemu.DeviceAdd
	}{
		"node d": {
			func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDisk(ctx, memory("d")) },
			qemu.DeviceAdd{Driver: "scsi-hd", Props: qmp.Args{"drive": "d"}},
		},
		"netdev d": {
			func(ctx context.Context, vm *hotplug.VM) error { return vm.AddNIC(ctx, userNet("d")) },
			qemu.DeviceAdd{Driver: "virtio-net-pci", Props: qmp.Args{"netdev": "d"}},
		},
		"memory backend d": {
			func(ctx context.Context, vm *hotplug.VM) error {
				return vm.AddMemory(ctx, hotplug.Memory{ID: "d", Backend: hotplug.RAM{Size: 128 * mib}})
			},
			qemu.DeviceAdd{Driver: "pc-dimm", Props: qmp.Args{"memdev": "d"}},
		},
		"character device d-chardev": {
			func(ctx context.Context, vm *hotplug.VM) error {
				return vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevPTY{}}}})
			},
			qemu.DeviceAdd{Driver: "virtserialport", Props: qmp.Args{"chardev": "d-chardev"}},
		},
	} {
		t.Run(left, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetPlaces(1)
				c := pipe(t, m, nil)
				test.other.ID = new("d")
				partTaken(t, c, test.add, test.other, left)
				require.Len(t, m.State(), 2)
			})
		})
	}
}

// partTaken adds another device with the ID and a part of a device before that device. Adding it fails, and the part
// stays: the guest of the other device needs it.
func partTaken(t *testing.T, c *qmp.Client, add func(ctx context.Context, vm *hotplug.VM) error, other qemu.DeviceAdd, part string) {
	t.Helper()
	conn := &before{c, "device_add", func() { require.NoError(t, other.Do(t.Context(), c)) }}
	err := add(t.Context(), hotplug.New(conn, nil))
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.ErrorIs(t, err, hotplug.ErrInUse)
	var left *hotplug.RollbackError
	require.ErrorAs(t, err, &left)
	require.Equal(t, []string{part}, left.Left)
}

// usb is a device that needs nothing else.
func usb(id string) qemu.DeviceAdd {
	return qemu.DeviceAdd{Driver: "usb-tablet", ID: new(id), Bus: new("usb0.0")}
}
