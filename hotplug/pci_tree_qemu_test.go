package hotplug_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// occupy adds a device in a slot.
func occupy(ctx context.Context, c *qmp.Client, slot hotplug.PCISlot) error {
	add := qemu.DeviceAdd{Driver: "virtio-rng-pci", ID: new("at-" + slot.Bus + "-" + slot.Addr()), Bus: new(slot.Bus)}
	add.Props = qmp.Args{"addr": slot.Addr()}
	return add.Do(ctx, c)
}

// fill adds devices to a bus until FreePCISlot finds no slot, which must be true. It returns how
// many QEMU took.
func fill(t *testing.T, c *qmp.Client, bus string) (n int) {
	t.Helper()
	ctx := limit(t)
	vm := hotplug.New(c, nil)
	tree, err := vm.PCITree(ctx)
	require.NoError(t, err)
	for b := tree.Bus(bus); ; n++ {
		slot, ok := b.FreeSlot(0)
		if !ok {
			break
		}
		require.NoError(t, occupy(ctx, c, hotplug.PCISlot{Bus: bus, Slot: slot}))
		b.Devices = append(b.Devices, &hotplug.PCIDevice{Slot: slot})
	}
	_, err = vm.FreePCISlot(ctx, bus, 0)
	require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)
	tree, err = vm.PCITree(ctx)
	require.NoError(t, err)
	for _, d := range tree.Bus(bus).Devices { // each is taken, as QEMU sees it
		slot := hotplug.PCISlot{Bus: bus, Slot: d.Slot}
		require.ErrorIs(t, occupy(ctx, c, slot), qmp.ErrGeneric, slot.String())
	}
	return n
}

// TestSlotsOfPC looks for slots on the bus of a pc, and on bridges, before the firmware has
// numbered them.
func TestSlotsOfPC(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S",
			"-device", "pci-bridge,id=br,chassis_nr=1,addr=1e",
			"-device", "pci-bridge,chassis_nr=2", // its bus is pci.1
			"-device", "pxb,id=expander,bus_nr=80,bus=pci.0",
			"-device", "virtio-rng-pci,id=far,bus=br,addr=3.0"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		tree, err := vm.PCITree(ctx)
		require.NoError(t, err)
		require.Equal(t, "pci.0", tree[0].Name)
		require.Len(t, tree, 2)
		for name, takes := range map[string]bool{"pci.0": true, "br": true, "pci.1": true, "expander": false} {
			require.Equal(t, takes, tree.Bus(name).Hotplug, name)
			require.False(t, tree.Bus(name).Express)
		}
		require.Equal(t, 0x1e, tree.Device("br").Slot)
		require.Equal(t, []*hotplug.PCIDevice{tree.Device("far")}, tree.Bus("br").Devices)
		require.Equal(t, 3, tree.Device("far").Slot)
		_, err = vm.FreePCISlot(ctx, "expander", 0)
		require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)
		_, err = vm.FreePCISlot(ctx, "pcie.0", 0)
		require.ErrorIs(t, err, hotplug.ErrNoBus)

		require.NoError(t, qemu.Cont{}.Do(ctx, c))
		bridge := qemu.DeviceAdd{Driver: "pci-bridge", ID: new("hot"), Bus: new("pci.0"), Props: qmp.Args{"chassis_nr": 3}}
		require.NoError(t, bridge.Do(ctx, c))
		slot, err := vm.FreePCISlot(ctx, "hot", 0)
		require.NoError(t, err)
		require.Equal(t, 1, slot.Slot, "it has a hotplug controller of its own, and that no slot 0")
		require.ErrorIs(t, occupy(ctx, c, hotplug.PCISlot{Bus: "hot"}), qmp.ErrGeneric)
		require.NoError(t, occupy(ctx, c, slot))

		require.Equal(t, 31, fill(t, c, "br"))
		fill(t, c, "pci.0")
		_, err = vm.FreePCISlot(ctx, "", 0)
		require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)

		require.NoError(t, qemu.DeviceDel{ID: "far"}.Do(ctx, c))
		_, err = vm.FreePCISlot(ctx, "br", 0)
		require.ErrorIs(t, err, hotplug.ErrNoFreeSlot, "no guest has let go of it")
		require.NoError(t, qemu.SystemReset{}.Do(ctx, c))
		require.Eventually(t, func() bool { slot, err = vm.FreePCISlot(ctx, "br", 0); return err == nil }, time.Minute, 20*time.Millisecond)
		require.Equal(t, hotplug.PCISlot{Bus: "br", Slot: 3}, slot)
	})
}

// TestSlotsOfQ35 looks for ports, before and after the firmware has numbered the buses.
func TestSlotsOfQ35(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		args := []string{"-S", "-device", "pcie-pci-bridge,id=conventional,bus=rp2",
			"-device", "x3130-upstream,id=up,bus=rp3", "-device", "xio3130-downstream,id=down,bus=up,chassis=11,slot=11"}
		if q.AtLeast(6, 0) { // which brought the property
			args = append(args, "-device", "pcie-root-port,id=fixed,chassis=12,slot=12,hotplug=off")
		}
		c := q.Start(t, qemutest.Config{Machine: "q35", Args: args}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		free := func(bus string) string {
			slot, err := vm.FreePCISlot(ctx, bus, 0)
			if err != nil {
				require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)
				return "none"
			}
			return slot.String()
		}
		look := func() []string {
			return []string{free(""), free("rp1"), free("rp2"), free("rp3"), free("pcie.0"), free("up"), free("down")}
		}
		slots := []string{"rp1/00", "rp1/00", "none", "none", "none", "none", "down/00"}
		require.Equal(t, slots, look())
		require.NoError(t, qemu.Cont{}.Do(ctx, c))
		require.Eventually(t, func() bool { return numbered(t, c) }, time.Minute, 20*time.Millisecond)
		require.Equal(t, slots, look())

		conventional := "conventional/01" // SHPC, which has no slot 0
		if q.AtLeast(6, 1) {              // ACPI has it
			conventional = "conventional/00"
		}
		require.Equal(t, conventional, free("conventional"))
		if q.AtLeast(6, 0) {
			require.Equal(t, "none", free("fixed"))
		}
		for _, want := range []string{"rp1/00", "rp4/00", "down/00"} {
			slot, err := vm.FreePCISlot(ctx, "", 0)
			require.NoError(t, err)
			require.Equal(t, want, slot.String())
			require.NoError(t, occupy(ctx, c, slot))
			require.ErrorIs(t, occupy(ctx, c, slot), qmp.ErrGeneric, "who comes second is told")
		}
		require.Equal(t, "none", free(""))
	})
}

// numbered reports whether the firmware has given buses their numbers.
func numbered(t *testing.T, c *qmp.Client) bool {
	roots, err := qemu.QueryPCI{}.Do(t.Context(), c)
	require.NoError(t, err)
	for _, d := range roots[0].Devices {
		if d.PCIBridge == nil || d.PCIBridge.Bus.Number == 0 && d.PCIBridge.Bus.Secondary == 0 {
			continue
		}
		return true
	}
	return false
}

func TestSlotsOfNone(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm := hotplug.New(q.Start(t, qemutest.Config{}).Dial(t), nil)
		tree, err := vm.PCITree(t.Context())
		require.NoError(t, err)
		require.Empty(t, tree)
		_, err = vm.FreePCISlot(t.Context(), "", 0)
		require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)
		has, err := vm.HasDevice(t.Context(), "d")
		require.NoError(t, err)
		require.False(t, has)
	})
}

// TestDeviceInfo looks at devices of every kind.
func TestDeviceInfo(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "64,slots=1,maxmem=1G",
			"-device", "virtio-scsi-pci,id=scsi0", "-device", "pci-bridge,id=br,chassis_nr=1",
			"-object", "memory-backend-ram,id=ram1,size=64M", "-device", "pc-dimm,id=dimm1,memdev=ram1",
			"-device", "ide-cd,id=cd,bus=ide.1", "-netdev", "hubport,id=net1,hubid=1", "-device", "e1000,id=nic1,netdev=net1,addr=1d"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		scsi := memory("scsi1")
		scsi.Driver, scsi.Bus = "scsi-hd", "scsi0.0"
		virtio := memory("disk1")
		virtio.Bus, virtio.Props = "br", qmp.Args{"addr": "05.0"}
		require.NoError(t, vm.AddDisk(ctx, scsi))
		require.NoError(t, vm.AddDisk(ctx, virtio))
		at := func(slot int) *hotplug.PCIAddress { return &hotplug.PCIAddress{Slot: slot} }
		for _, want := range []hotplug.DeviceInfo{
			{ID: "disk1", Driver: "virtio-blk-pci", Bus: "br", Hotpluggable: true, PCI: at(5), Node: "disk1"},
			{ID: "scsi1", Driver: "scsi-hd", Bus: "scsi0.0", Hotpluggable: true, Node: "scsi1"},
			{ID: "nic1", Driver: "e1000", Bus: "pci.0", Hotpluggable: true, PCI: at(0x1d), Netdev: "net1"},
			{ID: "cd", Driver: "ide-cd", Bus: "ide.1"},
			{ID: "dimm1", Driver: "pc-dimm", Object: "ram1", Hotpluggable: true},
		} {
			info, err := vm.DeviceInfo(ctx, want.ID)
			require.NoError(t, err)
			block, err := vm.BlockInfo(ctx, want.ID)
			if want.Node != "" {
				require.NoError(t, err)
				require.Equal(t, want.Node, qmp.Value(block.Inserted.NodeName))
			} else if want.ID == "cd" {
				require.NoError(t, err)
				require.Nil(t, block.Inserted, "an empty drive")
			} else {
				require.ErrorIs(t, err, hotplug.ErrNotDisk)
			}
			want.Path = "/machine/peripheral/" + want.ID
			require.Equal(t, &want, info)
			has, err := vm.HasDevice(ctx, want.ID)
			require.NoError(t, err)
			require.True(t, has)
		}
		require.Equal(t, "1d.0", fmt.Sprint(at(0x1d)))
		_, err := vm.DeviceInfo(ctx, "none")
		require.ErrorIs(t, err, qmp.ErrDeviceNotFound)
		_, err = vm.BlockInfo(ctx, "none")
		require.ErrorIs(t, err, qmp.ErrDeviceNotFound)
	})
}

// TestPortThatIsTaken takes no second device, also where QEMU would.
func TestPortThatIsTaken(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "q35"}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		disk := memory("a")
		disk.Bus = "rp1"
		require.NoError(t, vm.AddDisk(ctx, disk))
		before := stateOf(t, c)
		disk = memory("b")
		disk.Bus = "rp1"
		require.ErrorIs(t, vm.AddDisk(ctx, disk), qmp.ErrGeneric)
		nic := userNet("n")
		nic.Bus = "rp1"
		require.ErrorIs(t, vm.AddNIC(ctx, nic), qmp.ErrGeneric)
		require.Equal(t, before, stateOf(t, c))
	})
}

// TestEmptyBus adds devices of which the caller does not say the bus.
func TestEmptyBus(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		for _, machine := range []string{"pc", "q35"} {
			c := q.Start(t, qemutest.Config{Machine: machine, Args: []string{"-device", "virtio-scsi-pci,id=scsi0"}}).Dial(t)
			vm := hotplug.New(c, nil)
			ofSCSI := memory("s")
			ofSCSI.Driver = "scsi-hd"
			require.NoError(t, vm.AddDisk(limit(t), ofSCSI), machine)
			require.NoError(t, vm.AddDisk(limit(t), memory("d")))
			require.NoError(t, vm.AddNIC(limit(t), userNet("n")))
		}
	})
}
