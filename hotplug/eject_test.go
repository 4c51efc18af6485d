package hotplug_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestSlotEjectedTwice removes a device while another one is added, and at once adds it again: a Linux guest ejects the
// slot of the first one twice, the second time often with the new device.
func TestSlotEjectedTwice(t *testing.T) {
	t.Parallel()
	for machine, places := range map[string][]hotplug.Device{
		"pc":  {{}, {Bus: "pci.0"}, {Bus: "pci.0", Props: qmp.Args{"addr": "9"}}},
		"q35": {{}, {Bus: "rp1"}},
	} {
		t.Run(machine, func(t *testing.T) {
			qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
				t.Parallel()
				qvm := q.Start(t, qemutest.Config{Machine: machine, Guest: true})
				c := qvm.Dial(t)
				require.NoError(t, qvm.WaitGuest(limit(t)))
				vm := hotplug.New(c, nil)
				if len(qemutest.MatrixMachines()) == 1 {
					places = places[:1]
				}
				for i, d := range places {
					d.ID, d.Driver, d.Backend = "d", "virtio-rng-pci", rng
					ejectedTwice(t, vm, c, d, fmt.Sprint(machine, " ", i))
				}
			})
		})
	}
}

// ejectedTwice adds d, removes it while another device is added, and adds it again.
func ejectedTwice(t *testing.T, vm *hotplug.VM, c *qmp.Client, d hotplug.Device, what string) {
	t.Helper()
	ctx := limit(t)
	rounds := 1
	if len(qemutest.MatrixMachines()) > 1 {
		rounds = 5
	}
	for range rounds {
		require.NoError(t, vm.AddDevice(ctx, d), what)
		time.Sleep(time.Second) // the guest sets it up
		removed := make(chan error, 1)
		go func() { removed <- errorOf(vm.RemoveDevice(ctx, "d")) }()
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "other", Driver: "virtio-balloon-pci"}), what)
		require.NoError(t, <-removed, what)

		require.NoError(t, vm.AddDevice(ctx, d), what)
		stays := true
		for end := time.Now().Add(2 * time.Second); stays && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			_, err := qemu.QOMGet{Path: "/machine/peripheral/d", Property: "type"}.Do(ctx, c)
			stays = err == nil
		}
		assert.True(t, stays, "%s: the guest ejected the new device", what)
		for _, id := range []string{"d", "other"} {
			require.NoError(t, errorOf(vm.RemoveDevice(ctx, id)), what)
		}
	}
}

// TestMemoryEjectedTwice asks for the removal of memory twice, and adds memory in the same place.
func TestMemoryEjectedTwice(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true, Args: []string{"-m", "256,slots=1,maxmem=1G"}})
		c := qvm.Dial(t)
		ctx := limit(t)
		require.NoError(t, qvm.WaitGuest(ctx))
		vm := hotplug.New(c, nil)
		memory := hotplug.Memory{ID: "m", Backend: hotplug.RAM{Size: 128 * mib}}
		for i := range 4 {
			require.NoError(t, vm.AddMemory(ctx, memory))
			require.NoError(t, vm.WaitGuest(ctx, "m"))
			require.NoError(t, qemu.DeviceDel{ID: "m"}.Do(ctx, c))
			time.Sleep(time.Duration(i) * 4 * time.Millisecond) // the guest sees this request, and is still busy with it
			hotplug.HoldBoard(vm, "m")
			require.NoError(t, errorOf(vm.RemoveMemory(ctx, "m")))

			require.NoError(t, vm.AddMemory(ctx, memory))
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				_, err := qemu.QOMGet{Path: "/machine/peripheral/m", Property: "type"}.Do(ctx, c)
				require.NoError(t, err, "the guest ejected the new memory")
			}
			require.NoError(t, vm.WaitGuest(ctx, "m"))
			require.NoError(t, errorOf(vm.RemoveMemory(ctx, "m")))
		}
	})
}

// TestHeldBoard adds memory and a CPU while the guest may eject the place of another one again.
func TestHeldBoard(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "q35", Args: []string{"-smp", "1,maxcpus=2", "-m", "128,slots=2,maxmem=1G"}})
		c := qvm.Dial(t)
		vm := hotplug.New(c, nil)
		memory := hotplug.Memory{ID: "m", Backend: hotplug.RAM{Size: 128 * mib}}
		add := []func(ctx context.Context) error{
			func(ctx context.Context) error { return vm.AddMemory(ctx, memory) },
			func(ctx context.Context) error { _, err := vm.AddCPU(ctx, hotplug.CPU{ID: "c"}); return err },
		}
		before := stateOf(t, c)
		for _, add := range add {
			hotplug.HoldBoard(vm, "old")
			hotplug.HoldBoard(vm, "old") // and it is gone
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			err := add(short)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "the guest may eject a new device")
			require.Equal(t, before, stateOf(t, c))
		}
		start := time.Now()
		for _, add := range add {
			require.NoError(t, add(limit(t)))
		}
		require.Greater(t, time.Since(start), time.Second)

		hotplug.HoldBoard(vm, "m")
		hotplug.HoldBoard(vm, "m") // but it is still there
		memory.ID = "n"
		require.NoError(t, vm.AddMemory(limit(t), memory))
		require.Equal(t, []string{"m"}, hotplug.HeldBoards(vm))
	})
}

// TestHeldSlot adds devices while the guest may eject a slot again.
func TestHeldSlot(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "q35"})
		c := qvm.Dial(t)
		device := func(id, bus string) hotplug.Device {
			return hotplug.Device{ID: id, Driver: "virtio-rng-pci", Backend: rng, Bus: bus}
		}
		busOf := func(id string) (bus string) {
			raw, err := qemu.QOMGet{Path: "/machine/peripheral/" + id, Property: "parent_bus"}.Do(t.Context(), c)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal([]byte(raw), &bus))
			return path.Base(bus)
		}
		vm := hotplug.New(c, nil)
		hotplug.Hold(vm, hotplug.PCISlot{Bus: "rp1"}, false)

		require.NoError(t, vm.AddDevice(limit(t), device("a", "")))
		require.Equal(t, "rp2", busOf("a"))

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		named := device("b", "rp1")
		named.Props = qmp.Args{"addr": "0"}
		err := vm.AddDevice(short, named)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the guest may eject a new device")

		for i := 3; i <= qemutest.RootPorts; i++ {
			require.NoError(t, vm.AddDevice(limit(t), device(fmt.Sprint("more", i), "")))
		}
		start := time.Now()
		require.NoError(t, vm.AddDevice(limit(t), device("c", ""))) // the last port is that one
		require.Equal(t, "rp1", busOf("c"))
		require.Greater(t, time.Since(start), time.Second)
		require.ErrorIs(t, vm.AddDevice(limit(t), device("d", "")), hotplug.ErrNoFreePlace)
	})
}

// TestEjectedUnseen adds devices after the guest has ejected a slot when no operation waited for it any more.
func TestEjectedUnseen(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, []string{"11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "q35"})
		vm := hotplug.New(qvm.Dial(t), nil)
		hotplug.Hold(vm, hotplug.PCISlot{Bus: "rp1"}, true)
		hotplug.Hold(vm, hotplug.PCISlot{Bus: "gone"}, true)
		for i := range qemutest.RootPorts {
			require.NoError(t, vm.AddDevice(limit(t), hotplug.Device{ID: fmt.Sprint("d", i), Driver: "virtio-rng-pci", Backend: rng}))
		}
	})
}
