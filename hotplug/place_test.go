package hotplug_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// counted is a connection that counts commands.
type counted struct {
	*qmp.Client
	mu   sync.Mutex
	sent []string
}

func (c *counted) Execute(ctx context.Context, call *qmp.Call) error {
	c.mu.Lock()
	c.sent = append(c.sent, call.Command)
	c.mu.Unlock()
	return c.Client.Execute(ctx, call)
}

// take returns the commands since the last call.
func (c *counted) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.sent = nil }()
	return c.sent
}

// ports starts a q35 with so many ports more than its four.
func ports(t *testing.T, q *qemutest.QEMU, n int) *qemutest.VM {
	var args []string
	for i := range n {
		args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=more%02d,chassis=%d,slot=%[2]d", i, 10+i))
	}
	return q.Start(t, qemutest.Config{Machine: "q35", Monitors: 2, Args: args})
}

// TestPortIsFound for disks, NICs and other devices on a q35, until there is none left.
func TestPortIsFound(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := &counted{Client: ports(t, q, 1).Dial(t)}
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddDisk(ctx, memory("a")))
		c.take()
		require.NoError(t, vm.AddNIC(ctx, userNet("b")))
		sent := strings.Join(c.take(), " ")
		require.Equal(t, 1, strings.Count(sent, "device_add"), "the VM knows that QEMU would choose pcie.0")
		require.LessOrEqual(t, strings.Count(sent, "qom-list"), 6, "once for each bus")
		require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "virtio-rng", ID: "c"})) // a short name
		disk := memory("d")
		disk.Props = qmp.Args{"serial": "x"}
		require.NoError(t, vm.AddDisk(ctx, disk))
		require.Equal(t, qmp.Args{"serial": "x"}, disk.Props, "they are the caller's")

		before := stateOf(t, c.Client)
		disk = memory("e")
		disk.Props = qmp.Args{"no-such-property": true}
		for _, other := range []*hotplug.VM{vm, hotplug.New(c, nil)} {
			err := other.AddDisk(ctx, disk)
			require.ErrorIs(t, err, qmp.ErrGeneric)
			require.ErrorContains(t, err, "no-such-property")
			require.NotErrorIs(t, err, hotplug.ErrNoFreeSlot)
			require.ErrorIs(t, other.AddDisk(ctx, hotplug.Disk{ID: "a", Backend: hotplug.Node{Name: "a"}}), hotplug.ErrExists)
		}
		require.Equal(t, before, stateOf(t, c.Client))
		require.NoError(t, vm.AddDisk(ctx, memory("f")))
		before = stateOf(t, c.Client)
		for _, other := range []*hotplug.VM{vm, hotplug.New(c, nil)} {
			err := other.AddDisk(ctx, memory("g"))
			require.ErrorIs(t, err, hotplug.ErrNoFreeSlot)
			require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
			require.ErrorContains(t, err, "-device pcie-root-port")
		}
		require.Equal(t, before, stateOf(t, c.Client))
		for id, bus := range map[string]string{"a": "rp1", "b": "rp2", "c": "rp3", "d": "rp4", "f": "more00"} {
			info, err := vm.DeviceInfo(ctx, id)
			require.NoError(t, err)
			require.Equal(t, bus, info.Bus)
			require.Equal(t, &hotplug.PCIAddress{}, info.PCI)
		}
	})
}

// TestRaceForPorts has two managers, with four goroutines each, race for the ports of a machine. Each device gets a
// port of its own, and those that get none are told so.
func TestRaceForPorts(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := ports(t, q, 10)
		ctx := limit(t)
		c, vms := managers(t, qvm)
		var all sync.WaitGroup
		var mu sync.Mutex
		var added, none int
		for i := range 8 {
			all.Go(func() {
				for j := range 2 {
					err := vms[i%2].AddDisk(ctx, memory(fmt.Sprint("d", i, "-", j)))
					mu.Lock()
					switch {
					case err == nil:
						added++
					case errors.Is(err, hotplug.ErrNoFreeSlot):
						none++
					default:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		require.Equal(t, []int{14, 2}, []int{added, none})
		tree, err := vms[0].PCITree(ctx)
		require.NoError(t, err)
		for bus := range tree.Buses() {
			if bus.Port {
				require.Len(t, bus.Devices, 1, bus.Name)
			}
		}
		state := strings.Join(stateOf(t, c), "\n")
		require.Equal(t, 14, strings.Count(state, "node d"))
	})
}

// TestReservedSlots are left to others, also on a pc, whose QEMU would choose them.
func TestReservedSlots(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		for machine, want := range map[string]string{"pc": "pci.0 0c.0", "q35": "rp3 00.0"} {
			c := q.Start(t, qemutest.Config{Machine: machine, Args: []string{"-device", "virtio-scsi-pci,id=scsi0"}}).Dial(t)
			ctx := limit(t)
			vm := hotplug.New(c, &hotplug.Options{Reserved: func(s hotplug.PCISlot) bool {
				return s.Bus == "pci.0" && s.Slot < 12 || s.Bus == "rp1" || s.Bus == "rp2"
			}})
			slot, err := vm.FreePCISlot(ctx, "", 0)
			require.NoError(t, err)
			require.Equal(t, want, slot.Bus+" "+slot.Addr()+".0")
			require.NoError(t, vm.AddDisk(ctx, memory("d")))
			info, err := vm.DeviceInfo(ctx, "d")
			require.NoError(t, err)
			require.Equal(t, want, info.Bus+" "+info.PCI.String())
			ofSCSI := memory("s")
			ofSCSI.Driver = "scsi-hd"
			require.NoError(t, vm.AddDisk(ctx, ofSCSI))
			if machine == "pc" {
				slot, err = vm.FreePCISlot(ctx, "", 0x1e)
				require.NoError(t, err)
				require.Equal(t, "pci.0/1e", slot.String())
				at := memory("at")
				at.Props = qmp.Args{"addr": "5"}
				require.NoError(t, vm.AddDisk(ctx, at), "the caller chooses a reserved one")
			}
		}
	})
}

// TestOtherController is used when the one that QEMU chooses is full.
func TestOtherController(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "virtio-scsi-pci,id=scsi0", "-device", "lsi53c895a,id=lsi",
			"-device", "qemu-xhci,id=usb1,p2=2,p3=2", "-device", "usb-ehci,id=usb2",
			"-device", "virtio-serial-pci,id=ser1,max_ports=3", "-device", "virtio-serial-pci,max_ports=2"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		buses := map[string]int{}
		add := func(id string, err error) {
			t.Helper()
			require.NoError(t, err)
			info, err := vm.DeviceInfo(ctx, id)
			require.NoError(t, err)
			buses[info.Bus]++
		}
		for i := range 10 {
			disk := memory(fmt.Sprint("d", i))
			disk.Driver = "scsi-hd"
			add(disk.ID, vm.AddDisk(ctx, disk))
		}
		device := func(driver, id string) error { return vm.AddDevice(ctx, hotplug.Device{Driver: driver, ID: id}) }
		for i := range 8 {
			id := fmt.Sprint("u", i)
			add(id, device("usb-tablet", id))
		}
		for i := range 3 {
			id := fmt.Sprint("p", i)
			add(id, device("virtserialport", id))
		}
		require.Equal(t, map[string]int{"lsi.0": 8, "scsi0.0": 2, "usb2.0": 6, "usb1.0": 2, "virtio-serial-bus.0": 1, "ser1.0": 2}, buses)
		before := stateOf(t, c)
		require.ErrorIs(t, device("virtserialport", "x"), qmp.ErrGeneric)
		require.Equal(t, before, stateOf(t, c))
	})
}

// TestFullTargets: a virtio-scsi controller has more units when all of its 256 targets are used.
func TestFullTargets(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-scsi-pci,id=scsi0"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		for i := range 258 {
			disk := memory(fmt.Sprint("d", i))
			disk.Driver = "scsi-hd"
			require.NoError(t, vm.AddDisk(ctx, disk))
		}
		var lun int
		raw, err := qemu.QOMGet{Path: "/machine/peripheral/d257", Property: "lun"}.Do(ctx, c)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &lun))
		require.Equal(t, 2, lun)
	})
}

// TestFullControllers fills all controllers of a kind. The error is QEMU's: no query tells how many places a controller has.
func TestFullControllers(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "virtio-serial-pci,id=ser1,max_ports=3", "-device", "virtio-serial-pci,max_ports=2"}}).Dial(t)
		vm := hotplug.New(c, nil)
		var err error
		var before []string
		for i := 0; err == nil; i++ {
			require.LessOrEqual(t, i, 3)
			before = stateOf(t, c)
			err = vm.AddDevice(limit(t), hotplug.Device{Driver: "virtserialport", ID: fmt.Sprint("port", i)})
		}
		require.ErrorAs(t, err, new(*qmp.Error))
		require.NotErrorIs(t, err, hotplug.ErrNoFreePlace)
		require.Equal(t, before, stateOf(t, c))
	})
}

// TestNoController names what QEMU needs.
func TestNoController(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "q35"}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		before := stateOf(t, c)
		for driver, option := range map[string]string{
			"scsi-hd": "-device virtio-scsi-pci,id=…", "nvme-ns": "-device nvme,id=…,serial=…",
		} {
			disk := memory("d")
			disk.Driver = driver
			err := vm.AddDisk(ctx, disk)
			require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
			require.ErrorContains(t, err, option)
		}
		for driver, option := range map[string]string{"usb-tablet": "qemu-xhci", "virtserialport": "virtio-serial-pci"} {
			err := vm.AddDevice(ctx, hotplug.Device{Driver: driver, ID: "d"})
			require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
			require.ErrorContains(t, err, option)
		}
		err := vm.AddDevice(ctx, hotplug.Device{Driver: "no-such-driver", ID: "d"})
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.Equal(t, before, stateOf(t, c))
	})
}

// TestControllerThatLeaves gets no disk while the guest is asked to release it, even if QEMU would choose it.
func TestControllerThatLeaves(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "virtio-scsi-pci,id=scsi0", "-device", "virtio-scsi-pci,id=scsi1"}}).Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		add := func(id string) error {
			disk := memory(id)
			disk.Driver = "scsi-hd"
			return vm.AddDisk(ctx, disk)
		}
		patience, cancel := context.WithCancel(ctx)
		defer cancel()
		removed := make(chan error)
		for i, name := range []string{"scsi1", "scsi0"} {
			go func() { removed <- errorOf(vm.RemoveDevice(patience, name)) }()
			require.Eventually(t, func() bool { return hotplug.Departing(vm) == i+1 }, time.Minute, time.Millisecond)
			err := add(fmt.Sprint("d", i))
			if name == "scsi0" {
				require.ErrorIs(t, err, hotplug.ErrNoFreePlace)
				break
			}
			require.NoError(t, err)
			info, err := vm.DeviceInfo(ctx, "d0")
			require.NoError(t, err)
			require.Equal(t, "scsi0.0", info.Bus)
			require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d0")))
			require.NoError(t, vm.AddDisk(ctx, memory("other")), "a bus of PCI does not leave")
		}
		cancel()
		require.ErrorIs(t, <-removed, hotplug.ErrUnplugPending)
		require.ErrorIs(t, <-removed, hotplug.ErrUnplugPending)
		require.Zero(t, hotplug.Departing(vm))
	})
}

// TestPortFaults has each command go wrong while a port is found, by a VM that does not know the machine and by one
// that does.
func TestPortFaults(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		if !q.AtLeast(7, 2) {
			t.Skip("root ports of QEMU 5.2 keep a device that is removed before the guest runs, also at a reset")
		}
		c := q.Start(t, qemutest.Config{Machine: "q35", Args: []string{"-S"}}).Dial(t)
		before := stateOf(t, c)
		ended, resets := make(chan struct{}), make(chan struct{})
		go func() { // release devices, in place of a guest
			defer close(resets)
			for {
				select {
				case <-time.After(50 * time.Millisecond):
					_ = qemu.SystemReset{}.Do(t.Context(), c)
				case <-ended:
					return
				}
			}
		}()
		defer func() { close(ended); <-resets }()
		for _, fault := range fakeqemu.Faults {
			for _, known := range []bool{false, true} {
				if !known && fault != fakeqemu.Refused && fault != fakeqemu.LostAfter {
					continue // it has many commands, most of them queries
				}
				met, err := fakeqemu.AtEveryStep(limit(t), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
					vm := hotplug.New(conn, nil)
					if known {
						at := conn.At
						conn.At = -1
						wrong := hotplug.Device{Driver: "virtio-rng-pci", ID: "x", Props: qmp.Args{"no-such-property": 1}}
						require.ErrorIs(t, vm.AddDevice(t.Context(), wrong), qmp.ErrGeneric)
						conn.At = at + conn.Count()
					}
					return vm.AddDisk(ctx, memory("d"))
				}, func(command string, err error) {
					if err != nil {
						require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
						require.Equal(t, before, stateOf(t, c), command)
						return
					}
					require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(t.Context(), "d")), command)
				})
				require.NoError(t, err)
				require.Contains(t, met, "device_add")
				require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(t.Context(), "d")))
				require.Equal(t, before, stateOf(t, c))
			}
		}
	})
}
