package hotplug_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// QEMU 5.2 tells the guest about new CPUs only if this property is set first. Machine types that are older than
// pc-i440fx-2.7 and pc-q35-2.7 do not have the property.
func ExampleVM_AddCPU_qemu52() {
	_ = modernCPUHotplug
}

func modernCPUHotplug(ctx context.Context, client *qmp.Client) error {
	raw, err := qemu.QOMGet{Path: "/machine", Property: "acpi-device"}.Do(ctx, client)
	if err != nil {
		return err
	}
	var path string
	if err := json.Unmarshal(raw, &path); err != nil {
		return err
	}
	return qemu.QOMSet{Path: path, Property: "cpu-hotplug-legacy", Value: qmp.RawJSON("false")}.Do(ctx, client)
}

// Two CPUs more, in the first free places.
func ExampleVM_AddCPU() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		for _, id := range []string{"cpu1", "cpu2"} {
			cpu, err := vm.AddCPU(ctx, hotplug.CPU{ID: id})
			if err != nil {
				return err
			}
			fmt.Println(id, "is in socket", qmp.Value(cpu.Props.SocketID))
		}
		return nil
	}
	_ = add
}

// The machine gets 8 CPUs, in whole cores. If the machine cannot have 8, it gets the next smaller number.
func ExampleVM_SetCPUs() {
	set := func(ctx context.Context, vm *hotplug.VM) error {
		cores := &hotplug.CPUOptions{Whole: hotplug.WholeCores}
		change, err := vm.SetCPUs(ctx, 8, cores)
		if target, ok := errors.AsType[*hotplug.TargetError](err); ok {
			change, err = vm.SetCPUs(ctx, int(target.Nearest[0]), cores)
		}
		for _, kept := range change.Kept {
			fmt.Println("the guest keeps", qmp.Value(kept.CPU.QOMPath))
		}
		fmt.Println("CPUs:", change.Before, "to", change.After)
		return err
	}
	_ = set
}

// A whole socket, or nothing.
func ExampleVM_AddCPUs() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		added, err := vm.AddCPUs(ctx, 4, &hotplug.CPUOptions{Whole: hotplug.WholeSockets})
		for _, cpu := range added {
			fmt.Println("added", qmp.Value(cpu.QOMPath))
		}
		return err
	}
	_ = add
}

// The guest gets 6 GiB of memory. A guest may need some time to give memory back, or keep it.
func ExampleVM_SetMemory() {
	set := func(ctx context.Context, vm *hotplug.VM) error {
		patience, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		change, err := vm.SetMemory(patience, 6<<30, nil)
		for _, kept := range change.Kept {
			fmt.Println("the guest keeps", kept.Size, "bytes of", kept.ID)
		}
		fmt.Println("bytes:", change.Before, "to", change.After)
		return err
	}
	_ = set
}

// An NVDIMM in a file of the host. The machine was started with the option nvdimm=on. QEMU cannot remove the device.
func ExampleVM_AddMemory_nvdimm() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddMemory(ctx, hotplug.Memory{
			ID:     "nv1",
			Driver: "nvdimm",
			Props:  qmp.Args{"label-size": 128 << 10},
			Backend: hotplug.Object{Options: qemu.ObjectOptions{Branch: &qemu.MemoryBackendFileProperties{
				MemPath: "/srv/nv1.img", Size: 1 << 30, Share: new(true),
			}}},
		})
	}
	_ = add
}

// A PCI device of the host, which is bound to vfio-pci there. QEMU opens the device itself: it must be allowed to open
// /dev/vfio and to lock the guest's memory.
func ExampleVM_AddDevice_host() {
	_ = addHostDevice
}

func addHostDevice(ctx context.Context, vm *hotplug.VM) error {
	return vm.AddDevice(ctx, hotplug.Device{
		Driver: "vfio-pci",
		ID:     "gpu1",
		Bus:    "rp1", // if Bus is empty, AddDevice finds one
		Props:  qmp.Args{"host": "0000:01:00.0"},
	})
}

// A USB stick with an image of the host, on a controller that the machine was started with
// (-device qemu-xhci,id=usb), and a device of the host's USB.
func ExampleVM_AddDevice_usb() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		err := vm.AddDisk(ctx, hotplug.Disk{ID: "stick", Backend: hotplug.File{Path: "/srv/stick.img"}, Driver: "usb-storage", Bus: "usb.0"})
		if err != nil {
			return err
		}
		return vm.AddDevice(ctx, hotplug.Device{
			Driver: "usb-host",
			ID:     "token",
			Bus:    "usb.0",
			Props:  qmp.Args{"vendorid": 0x1050, "productid": 0x0407},
		})
	}
	_ = add
}

// Memory in huge pages of the host, for one NUMA node of the guest.
func ExampleVM_AddMemory() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddMemory(ctx, hotplug.Memory{
			ID: "mem1",
			Backend: hotplug.Object{Options: qemu.ObjectOptions{
				QOMType: qemu.ObjectTypeMemoryBackendMemfd,
				Branch:  &qemu.MemoryBackendMemfdProperties{Hugetlb: new(true), Size: 1 << 30},
			}},
			Props: qmp.Args{"node": 0},
		})
	}
	_ = add
}

// A device of 16 GiB, of which the guest uses 4 at first, then 8.
func ExampleVM_ResizeMemory() {
	grow := func(ctx context.Context, vm *hotplug.VM) error {
		err := vm.AddMemory(ctx, hotplug.Memory{
			ID: "mem1", Backend: hotplug.RAM{Size: 16 << 30}, Driver: "virtio-mem-pci", Props: qmp.Args{"requested-size": int64(4 << 30)},
		})
		if err != nil {
			return err
		}
		return vm.ResizeMemory(ctx, "mem1", 8<<30)
	}
	_ = grow
}

// A directory of the host, which a virtiofsd shares. The guest mounts it with: mount -t virtiofs share /mnt
func ExampleVM_AddDevice_virtiofs() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		err := vm.AddDevice(ctx, hotplug.Device{
			ID:      "share0",
			Backend: hotplug.VirtioFS{Tag: "share", Server: &qemu.UnixSocketAddress{Path: "/run/virtiofsd.sock"}},
			Bus:     "rp1", // if Bus is empty, AddDevice finds one
		})
		if errors.Is(err, hotplug.ErrNotShared) {
			fmt.Println("the machine must be started with shared memory")
		}
		return err
	}
	_ = add
}

// A channel for the guest agent, on a virtio-serial-pci that the machine was started with (id=serial0).
func ExampleChardev() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		listen := &qemu.ChardevSocket{Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: "/run/vm1/agent.sock"}}}
		return vm.AddDevice(ctx, hotplug.Device{
			ID:      "agent0",
			Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: listen}},
			Bus:     "serial0.0",
			Props:   qmp.Args{"name": "org.qemu.guest_agent.0"},
		})
	}
	_ = add
}

// A random number generator. RemoveDevice also removes the object behind it.
func ExampleObject_device() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		err := vm.AddDevice(ctx, hotplug.Device{
			ID: "rng0",
			Backend: hotplug.Object{Options: qemu.ObjectOptions{
				Branch: &qemu.RNGRandomProperties{Filename: new("/dev/urandom")},
			}},
		})
		if err != nil {
			return err
		}
		_, err = vm.RemoveDevice(ctx, "rng0")
		return err
	}
	_ = add
}

// A vsock for the guest with the context ID 5. The program has opened the device, because QEMU has no right to.
func ExampleDescriptors() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		vhost, err := os.OpenFile("/dev/vhost-vsock", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer vhost.Close() // QEMU has a copy by then
		return vm.AddDevice(ctx, hotplug.Device{
			ID:      "vsock0",
			Driver:  "vhost-vsock-pci",
			Backend: hotplug.Descriptors{"vhostfd": vhost},
			Props:   qmp.Args{"guest-cid": 5},
		})
	}
	_ = add
}

// A USB device of the host, which QEMU has no access to.
func ExampleHostUSB() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		token, err := os.OpenFile("/dev/bus/usb/001/004", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer token.Close()
		return vm.AddDevice(ctx, hotplug.Device{ID: "token0", Backend: hotplug.HostUSB{File: token}, Bus: "usb.0"})
	}
	_ = add
}

// A disk whose server can be restarted while the guest uses it. If the server does not listen yet, AddDisk waits.
func ExampleVhostUser() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		patience, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return vm.AddDisk(patience, hotplug.Disk{ID: "data1", Backend: hotplug.VhostUser{
			Server:    &qemu.UnixSocketAddress{Path: "/run/data1.sock"},
			Reconnect: time.Second,
		}})
	}
	_ = add
}

// A program has the request for a device, here a watchdog. It also sets what QEMU does when the guest hangs.
func ExampleDeviceOf() {
	add := func(ctx context.Context, client *qmp.Client, vm *hotplug.VM) error {
		request := qemu.DeviceAdd{Driver: "i6300esb", ID: new("watchdog0")}
		if err := vm.AddDevice(ctx, hotplug.DeviceOf(request)); err != nil {
			return err
		}
		return qemu.WatchdogSetAction{Action: qemu.WatchdogActionPause}.Do(ctx, client)
	}
	_ = add
}
