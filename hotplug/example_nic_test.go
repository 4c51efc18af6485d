package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A process with the right opens the queues of a tap, and a vhost file for each. QEMU gets copies.
func ExampleVM_AddNIC() {
	add := func(ctx context.Context, vm *hotplug.VM, taps, vhost []*os.File) error {
		return vm.AddNIC(ctx, hotplug.NIC{
			ID:      "net1",
			Backend: hotplug.Tap{Queues: taps, Vhost: vhost},
			MAC:     "52:54:00:12:34:56",
			NoROM:   true, // QEMU runs in a chroot
		})
	}
	_ = add
}

// QEMU itself provides the network (user).
func ExampleVM_AddNIC_netdev() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddNIC(ctx, hotplug.NIC{
			ID:      "net1",
			Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevBridgeOptions{Br: new("br0")}}},
		})
	}
	_ = add
}

// QEMU connects to a vhost-user server, for example a switch.
func ExampleVM_AddNIC_vhostUser() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddNIC(ctx, hotplug.NIC{
			ID:      "net1",
			Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: "/run/switch/port1.sock"}, Queues: 2},
		})
	}
	_ = add
}

// A vDPA device of the host. The program opens it, and QEMU gets a copy of the descriptor.
func ExampleVM_AddNIC_vhostVDPA() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		device, err := os.OpenFile("/dev/vhost-vdpa-0", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer device.Close() // QEMU has a copy by then
		return vm.AddNIC(ctx, hotplug.NIC{ID: "net1", Backend: hotplug.VhostVDPA{File: device}})
	}
	_ = add
}

// A caller that chooses slots itself, from slot 12 on. If another manager takes the slot first, QEMU refuses the device,
// and the caller looks again. With an empty Bus, AddDisk does all of this by itself, from slot 0 on.
func ExampleVM_FreePCISlot() {
	add := func(ctx context.Context, vm *hotplug.VM, disk hotplug.Disk) error {
		for range 3 {
			slot, err := vm.FreePCISlot(ctx, "pci.0", 12)
			if errors.Is(err, hotplug.ErrNoFreeSlot) {
				return fmt.Errorf("the machine is full: %w", err)
			}
			if err != nil {
				return err
			}
			disk.Bus, disk.Props = slot.Bus, qmp.Args{"addr": slot.Addr()}
			err = vm.AddDisk(ctx, disk)
			if refusal, ok := errors.AsType[*qmp.Error](err); !ok || refusal.Command != "device_add" {
				return err
			}
		}
		return errors.New("others were faster")
	}
	_ = add
}

// A manager leaves the first slots of a pc, and a port of a q35, to devices that are added later.
func ExampleOptions_reserved() {
	add := func(ctx context.Context, client *qmp.Client, disk hotplug.Disk) error {
		vm := hotplug.New(client, &hotplug.Options{Reserved: func(slot hotplug.PCISlot) bool {
			return slot.Bus == "pci.0" && slot.Slot < 12 || slot.Bus == "rp1"
		}})
		return vm.AddDisk(ctx, disk)
	}
	_ = add
}

// A NIC gets another tap. Its place and its MAC address stay. The link is down until the tap is set up.
func ExampleVM_ReplaceNIC() {
	replace := func(ctx context.Context, client *qmp.Client, tap *os.File, setUp func() error) error {
		vm := hotplug.New(client, nil)
		nic := hotplug.NIC{ID: "net1", Backend: hotplug.Tap{Queues: []*os.File{tap}}, LinkDown: true}
		if _, err := vm.ReplaceNIC(ctx, nic); err != nil {
			return err
		}
		if err := setUp(); err != nil {
			return err
		}
		return qemu.SetLink{Name: "net1", Up: true}.Do(ctx, client)
	}
	_ = replace
}

// A program looks in a PCITree by names and IDs, without asking QEMU again.
func ExamplePCITree_FreeSlot() {
	port := &hotplug.PCIBus{Name: "rp1", Express: true, Port: true, Hotplug: true}
	root := &hotplug.PCIBus{Name: "pcie.0", Express: true, Devices: []*hotplug.PCIDevice{
		{ID: "rp1", Driver: "pcie-root-port", Slot: 1, Buses: []*hotplug.PCIBus{port}},
	}}
	tree := hotplug.PCITree{root}
	fmt.Println(tree.FreeSlot("", 0))

	port.Devices = []*hotplug.PCIDevice{{ID: "net1", Driver: "virtio-net-pci"}}
	_, err := tree.FreeSlot("rp1", 0)
	fmt.Println(err)
	// Output:
	// rp1/00 <nil>
	// hotplug: find a free slot on PCI bus "rp1": all slots are taken
}

// A manager that takes over a machine looks at its devices.
func ExampleVM_DeviceInfo() {
	look := func(ctx context.Context, vm *hotplug.VM) error {
		info, err := vm.DeviceInfo(ctx, "net1")
		if errors.Is(err, qmp.ErrDeviceNotFound) {
			fmt.Println("it is not there, or gone")
			return nil
		}
		if err == nil {
			fmt.Println(info.Driver, "on", info.Bus, info.PCI, "with the netdev", info.Netdev)
		}
		return err
	}
	_ = look
}

// The program finds out whether a CD drive has a medium.
func ExampleVM_BlockInfo() {
	look := func(ctx context.Context, vm *hotplug.VM) error {
		info, err := vm.BlockInfo(ctx, "cd1")
		if errors.Is(err, hotplug.ErrNotDisk) {
			return fmt.Errorf("is it a vhost-user disk? %w", err)
		}
		if err != nil {
			return err
		}
		if info.Inserted == nil {
			fmt.Println("no medium; the tray is open:", qmp.Value(info.TrayOpen))
			return nil
		}
		fmt.Println(qmp.Value(info.Inserted.NodeName), info.Inserted.File)
		return nil
	}
	_ = look
}
