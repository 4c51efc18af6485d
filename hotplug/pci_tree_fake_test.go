package hotplug_test

import (
	"context"
	"fmt"
	"path"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A qomTree is a tree of objects: their properties by their paths, with the types of those that
// are objects themselves.
type qomTree map[string][]property

type property struct {
	name, kind string
	value      any
}

// find returns the properties of an object, whose path may end with a link.
func (tree qomTree) find(name string) []property {
	if found := tree[name]; found != nil {
		return found
	}
	for _, p := range tree[path.Dir(name)] {
		if target, ok := p.value.(string); ok && p.name == path.Base(name) {
			return tree[target]
		}
	}
	return nil
}

// serve has a machine answer from the tree.
func (tree qomTree) serve(m *fakeqemu.Machine, types map[string][]string) {
	notFound := &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "no such object"}
	type arguments struct{ Path, Property, Implements string }
	m.Handle("qom-list", func(r *qmptest.Request) (any, error) {
		var args arguments
		all := []qemu.ObjectPropertyInfo{}
		if err := r.Decode(&args); err != nil || tree.find(args.Path) == nil {
			return nil, notFound
		}
		for _, p := range tree.find(args.Path) {
			all = append(all, qemu.ObjectPropertyInfo{Name: p.name, Type: p.kind})
		}
		return all, nil
	})
	m.Handle("qom-get", func(r *qmptest.Request) (any, error) {
		var args arguments
		if err := r.Decode(&args); err != nil || tree.find(args.Path) == nil {
			return nil, notFound
		}
		for _, p := range tree.find(args.Path) {
			if p.name == args.Property {
				return p.value, nil
			}
		}
		return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no such property"}
	})
	m.Handle("qom-list-types", func(r *qmptest.Request) (any, error) {
		var args arguments
		all := []qemu.ObjectTypeInfo{}
		err := r.Decode(&args)
		for _, name := range types[args.Implements] {
			all = append(all, qemu.ObjectTypeInfo{Name: name})
		}
		return all, err
	})
}

// q35 is a machine with two ports, the first of which has a device that is going.
func q35(t *testing.T) *fakeqemu.Machine {
	m := fakeqemu.New(t)
	q35Tree().serve(m, q35Types)
	return m
}

func q35Tree() qomTree {
	return qomTree{
		"/machine":       {{"q35", "child<q35-pcihost>", nil}, {"peripheral", "child<container>", nil}},
		"/machine/q35":   {{"pcie.0", "child<PCIE>", nil}, {"mch", "child<mch>", nil}},
		"/machine/other": {},
		"/machine/q35/pcie.0": {
			{"hotplug-handler", "link<hotplug-handler>", "/machine/unattached/device[2]"},
			{"child[2]", "link<pcie-root-port>", "/machine/peripheral/rp2"},
			{"child[1]", "link<pcie-root-port>", "/machine/peripheral/rp1"},
			{"child[0]", "link<mch>", "/machine/q35/mch"},
			{"child[3]", "link<e1000>", ""}, // gone since it was listed
			{"child[4]", "link<e1000>", "/machine/peripheral/gone"},
		},
		"/machine/q35/mch":            {{"addr", "int32", 0}},
		"/machine/peripheral/rp1":     {{"addr", "int32", 8}, {"hotplug", "bool", true}, {"rp1", "child<PCIE>", nil}},
		"/machine/peripheral/rp2":     {{"addr", "int32", 9}, {"hotplug", "bool", true}, {"rp2", "child<PCIE>", nil}},
		"/machine/peripheral/rp1/rp1": {{"hotplug-handler", "link", "/machine/x"}, {"child[0]", "link<e1000>", "/machine/peripheral/nic"}},
		"/machine/peripheral/rp2/rp2": {{"hotplug-handler", "link", "/machine/x"}},
		"/machine/peripheral/nic":     {{"addr", "int32", 0}},
	}
}

var q35Types = map[string][]string{
	"pci-host-bridge": {"q35-pcihost"}, "PCI": {"PCI", "PCIE"},
	"base-pci-bridge": {"pcie-root-port"}, "pcie-slot": {"pcie-root-port"},
}

func TestPCITreeOfAFake(t *testing.T) {
	vm := hotplug.New(q35(t).Dial(), nil)
	tree, err := vm.PCITree(t.Context())
	require.NoError(t, err)
	var buses []string
	for bus := range tree.Buses() {
		buses = append(buses, bus.Name)
	}
	require.Equal(t, []string{"pcie.0", "rp1", "rp2"}, buses)
	for range tree.Buses() {
		break // which is allowed
	}
	require.False(t, tree.Bus("pcie.0").Hotplug)
	require.Len(t, tree.Bus("pcie.0").Devices, 3, "what is gone is not there")
	require.Equal(t, &hotplug.PCIDevice{ID: "nic", Driver: "e1000", Path: "/machine/peripheral/nic"}, tree.Device("nic"))
	require.Equal(t, 1, tree.Device("rp2").Function)
	require.Nil(t, tree.Device(""))
	require.Nil(t, tree.Device("none"))

	slot, err := vm.FreePCISlot(t.Context(), "", 0)
	require.NoError(t, err)
	require.Equal(t, "rp2/00", slot.String())
	_, err = vm.FreePCISlot(t.Context(), "rp1", 0)
	require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)
}

// TestPCITreePrinted has no addresses of Go's pointers.
func TestPCITreePrinted(t *testing.T) {
	bridge := &hotplug.PCIDevice{ID: "br", Driver: "pci-bridge", Slot: 0x1d, Buses: []*hotplug.PCIBus{{Name: "br"}}}
	tree := hotplug.PCITree{{Name: "pci.0", Devices: []*hotplug.PCIDevice{{Driver: "VGA", Slot: 2, Function: 1}, bridge}}}
	require.Equal(t, "[pci.0 [02.1 VGA 1d.0 pci-bridge br [br []]]]", fmt.Sprint(tree))
	require.Equal(t, "1d.0 pci-bridge br [br []]", fmt.Sprintf("%+v", *bridge))
}

// TestPCITreeAgain reads a tree again, with a command for each bus, after a port was replaced by one with the same
// id in another slot.
func TestPCITreeAgain(t *testing.T) {
	m := q35(t)
	vm := hotplug.New(m.Dial(), nil)
	first, err := vm.PCITree(t.Context())
	require.NoError(t, err)
	before := len(m.Requests())
	again, err := vm.PCITree(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 3+4, len(m.Requests())-before, "it asks again about the two that were gone")

	other := q35Tree()
	other["/machine/q35/pcie.0"][1].name = "child[5]"
	other["/machine/peripheral/rp2"][0].value = 0x50
	other["/machine/peripheral/rp2/rp2"] = append(other["/machine/peripheral/rp2/rp2"], property{"child[0]", "link<e1000>", "/machine/peripheral/nic2"})
	other["/machine/peripheral/nic2"] = []property{{"addr", "int32", 0}}
	other.serve(m, q35Types)
	again, err = vm.PCITree(t.Context())
	require.NoError(t, err)
	require.Equal(t, 10, again.Device("rp2").Slot)
	require.Equal(t, "nic2", again.Bus("rp2").Devices[0].ID)
	require.Equal(t, "nic", again.Bus("rp1").Devices[0].ID)
	require.Equal(t, 1, first.Device("rp2").Slot, "the caller's tree is as it was")
}

// TestPCITreeWaits counts how often the answers of QEMU are waited for: three times for each of two levels.
func TestPCITreeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vm := hotplug.New(slow{pipe(t, q35(t), nil)}, nil)
		begin := time.Now()
		_, err := vm.PCITree(t.Context())
		require.NoError(t, err)
		require.Equal(t, 6*time.Second, time.Since(begin))
		begin = time.Now()
		_, err = vm.PCITree(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(begin), 3*time.Second)
	})
}

// slow is a connection whose commands take a second, and do not wait for each other.
type slow struct{ *qmp.Client }

func (s slow) Execute(ctx context.Context, call *qmp.Call) error {
	time.Sleep(time.Second)
	return s.Client.Execute(ctx, call)
}

// TestPCITreeFaults has each command fail: the error is returned, or what is asked about has gone.
func TestPCITreeFaults(t *testing.T) {
	c := q35(t).Dial()
	for _, fault := range fakeqemu.Faults {
		met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
			_, err := hotplug.New(conn, nil).FreePCISlot(ctx, "rp2", 0)
			return err
		}, func(command string, err error) {
			if fault != fakeqemu.Refused {
				require.ErrorIs(t, err, context.Canceled, command)
			} else if command != "qom-get" {
				require.ErrorIs(t, err, qmp.ErrGeneric, command)
			}
		})
		require.NoError(t, err)
		require.Contains(t, met, "qom-list-types")
	}
}

// TestFreeSlots chooses on buses of every kind.
// TestPortHasOneSlot, which a device is put in that says none. What the caller says stays.
func TestPortHasOneSlot(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	require.NoError(t, qemu.DeviceAdd{Driver: "pcie-root-port", ID: new("rp1")}.Do(t.Context(), c))
	disk := memory("d")
	disk.Bus = "rp1"
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(t.Context(), disk))
	require.JSONEq(t, `{"driver":"virtio-blk-pci","bus":"rp1","id":"d","drive":"d"}`, argumentsOf(m, "device_add"), "QEMU 10.0 and later refuse by themselves")
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))

	vm = hotplug.New(old{c}, nil)
	require.NoError(t, vm.AddDisk(t.Context(), disk))
	require.JSONEq(t, `{"driver":"virtio-blk-pci","bus":"rp1","id":"d","drive":"d","addr":"00"}`, argumentsOf(m, "device_add"))

	dog := qemu.DeviceAdd{Driver: "i6300esb", ID: new("e"), Bus: new("rp1"), Props: qmp.Args{"addr": "0.1"}}
	require.NoError(t, vm.AddDevice(t.Context(), hotplug.DeviceOf(dog)))
	require.JSONEq(t, `{"driver":"i6300esb","bus":"rp1","id":"e","addr":"0.1"}`, argumentsOf(m, "device_add"))
	dog.ID, dog.Props = new("f"), qmp.Args{}
	require.NoError(t, vm.AddDevice(t.Context(), hotplug.DeviceOf(dog)))
	require.Empty(t, dog.Props, "they are the caller's")
}

// old is a connection to a QEMU 7.2.
type old struct{ *qmp.Client }

func (old) Version() qmp.Version { return qmp.Version{Major: 7, Minor: 2} }

func TestFreeSlots(t *testing.T) {
	bus := func(name string, hotplug_ bool, slots ...int) *hotplug.PCIBus {
		b := &hotplug.PCIBus{Name: name, Hotplug: hotplug_}
		for _, slot := range slots {
			b.Devices = append(b.Devices, &hotplug.PCIDevice{Slot: slot})
		}
		return b
	}
	port := func(name string, hotplug_ bool, slots ...int) *hotplug.PCIBus {
		b := bus(name, hotplug_, slots...)
		b.Port, b.Express = true, true
		return b
	}
	behind := func(root *hotplug.PCIBus, buses ...*hotplug.PCIBus) hotplug.PCITree {
		for i, b := range buses {
			root.Devices = append(root.Devices, &hotplug.PCIDevice{Slot: i + 1, Buses: []*hotplug.PCIBus{b}})
		}
		return hotplug.PCITree{root}
	}
	var all []int
	for slot := range 32 {
		all = append(all, slot)
	}
	gap := slices.DeleteFunc(slices.Clone(all), func(slot int) bool { return slot == 0x1e })
	pc := func(slots ...int) hotplug.PCITree { return behind(bus("pci.0", true, slots...), bus("br", true)) }
	for _, c := range []struct {
		name, bus string
		tree      hotplug.PCITree
		want      string // the slot, or the error
	}{
		{"pc", "", pc(0, 1), "pci.0/02"},
		{"pc with a gap", "pci.0", pc(gap...), "pci.0/1e"},
		{"pc that is full", "", pc(all...), "all slots of pci.0 are taken; start QEMU with a bridge"},
		{"bridge", "br", pc(all...), "br/00"},
		{"no such bus", "br2", pc(), `hotplug: find a free slot on PCI bus "br2": no such bus`},
		{"no PCI", "", nil, "machine has no PCI"},
		{"no such bus without PCI", "pci.0", nil, "no such bus"},
		{"root bus of Express", "pcie.0", behind(bus("pcie.0", false)), "takes no devices while the machine runs"},
		{"ports", "", behind(bus("pcie.0", false), port("a", true, 0), port("b", false), port("c", true)), "c/00"},
		{"port with a device in a slot that is not there", "", behind(bus("pcie.0", false), port("a", true, 1)), "no empty port"},
		{"no bridge in place of a port", "", behind(bus("pcie.0", false), bus("br", true)), "no empty port"},
		{"used port", "a", behind(bus("pcie.0", false), port("a", true, 0)), "all slots are taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			slot, err := c.tree.FreeSlot(c.bus, 0)
			if err != nil {
				require.ErrorContains(t, err, c.want)
				require.Zero(t, slot)
				return
			}
			require.Equal(t, c.want, slot.String())
			require.Equal(t, fmt.Sprintf("%02x", slot.Slot), slot.Addr())
		})
	}
}

func TestHasDevice(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
	for id, want := range map[string]bool{"d": true, "e": false} {
		has, err := vm.HasDevice(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, has)
	}
	_, err := vm.HasDevice(t.Context(), "d/virtio-backend")
	require.ErrorContains(t, err, "ID must begin with a letter")
	_, err = vm.DeviceInfo(t.Context(), "..")
	require.ErrorContains(t, err, "ID must begin with a letter")
	_, err = vm.DeviceInfo(t.Context(), "e")
	require.ErrorIs(t, err, qmp.ErrDeviceNotFound)
	c.Close()
	_, err = vm.HasDevice(t.Context(), "d")
	require.ErrorIs(t, err, qmp.ErrClosed)
}

// TestDeviceInfoFaults has each command fail: but for properties that a device need not have, the
// error is returned.
func TestDeviceInfoFaults(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), memory("d")))
	var info *hotplug.DeviceInfo
	for _, fault := range fakeqemu.Faults {
		_, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) (err error) {
			info, err = hotplug.New(conn, nil).DeviceInfo(ctx, "d")
			return err
		}, func(command string, err error) {
			if fault != fakeqemu.Refused || command != "qom-get" {
				require.Error(t, err, command)
				require.Nil(t, info)
			}
		})
		require.NoError(t, err)
	}
	require.Equal(t, "d", info.Node)
	block, err := hotplug.New(c, nil).BlockInfo(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, "d", qmp.Value(block.Inserted.NodeName))
	require.Nil(t, info.PCI)
}
