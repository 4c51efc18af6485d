package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// The guest refuses to release the disk, then does not answer, then releases it. Nothing is removed before that.
func ExampleVM_RemoveDisk_refused() {
	exampleMachine(func(ctx context.Context, vm *hotplug.VM, m *fakeqemu.Machine) error {
		node := hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNull{}, Driver: "null-co"}}
		if err := vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: node}); err != nil {
			return err
		}
		m.SetGuest(fakeqemu.Refusing)
		_, err := vm.RemoveDisk(ctx, "data1")
		fmt.Println(errors.Is(err, hotplug.ErrUnplugRefused), err)

		m.SetGuest(fakeqemu.Deaf)
		patience, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err = vm.RemoveDisk(patience, "data1")
		fmt.Println(errors.Is(err, hotplug.ErrUnplugPending), err)

		m.SetGuest(fakeqemu.Willing)
		kept, err := vm.RemoveDisk(ctx, "data1")
		fmt.Println(kept, err)
		return nil
	})
	// Output:
	// true hotplug: remove disk "data1": guest refused to release the device
	// true hotplug: remove disk "data1": guest has not released the device yet: context deadline exceeded
	// [] <nil>
}

// A disk that another manager has added. Its node is above another node, and the device and the two nodes have three
// different names.
func ExampleWithBackend() {
	var p qmptest.Program
	defer p.Close()
	m := fakeqemu.New(&p) // in place of a machine
	ctx, client := context.Background(), m.Dial()
	vm := hotplug.New(client, nil)
	storage := qemu.BlockdevAdd{Driver: "null-co", NodeName: new("libvirt-1-storage"), Branch: &qemu.BlockdevOptionsNull{}}
	format := qemu.BlockdevAdd{NodeName: new("libvirt-1-format"), Branch: &qemu.BlockdevOptionsRaw{
		File: qemu.BlockdevRef{Reference: new("libvirt-1-storage")}}}
	device := qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: new("virtio-disk0"), Props: qmp.Args{"drive": "libvirt-1-format"}}
	fmt.Println(storage.Do(ctx, client), format.Do(ctx, client), device.Do(ctx, client))

	kept, err := vm.RemoveDisk(ctx, "virtio-disk0") // by default, the parts of other managers stay
	fmt.Println(kept, err)

	fmt.Println(device.Do(ctx, client)) // the guest gets the disk again
	kept, err = vm.RemoveDisk(ctx, "virtio-disk0", hotplug.WithBackend())
	fmt.Println(kept, err)
	// Output:
	// <nil> <nil> <nil>
	// [node "libvirt-1-format": was not added by this package] <nil>
	// <nil>
	// [] <nil>
}

// A mirror copies the disk. RemoveDisk leaves both as they are, until the caller wants it to cancel the job.
func ExampleWithJobs() {
	var p qmptest.Program
	defer p.Close()
	m := fakeqemu.New(&p) // in place of a machine
	fakeqemu.NewJobs(m.Server)
	ctx, client := context.Background(), m.Dial()
	vm := hotplug.New(client, nil)
	node := hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNull{}, Driver: "null-co"}}
	fmt.Println(vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: node}))
	copying, err := job.Start(ctx, client, "data1.copy", qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull})
	fmt.Println(err)
	defer copying.Detach()

	_, err = vm.RemoveDisk(ctx, "data1")
	if busy, ok := errors.AsType[*hotplug.BusyError](err); ok {
		fmt.Println(busy.Jobs, err)
	}
	kept, err := vm.RemoveDisk(ctx, "data1", hotplug.WithJobs())
	fmt.Println(kept, err)
	// Output:
	// <nil>
	// <nil>
	// [data1.copy] hotplug: remove disk "data1": jobs are on the disk: data1.copy
	// [] <nil>
}

// RemoveNIC removes a NIC and everything that AddNIC added for it: the device, the netdev and the descriptors.
func ExampleVM_RemoveNIC() {
	exampleMachine(func(ctx context.Context, vm *hotplug.VM, _ *fakeqemu.Machine) error {
		user := hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}
		if err := vm.AddNIC(ctx, hotplug.NIC{ID: "net1", Backend: user}); err != nil {
			return err
		}
		for range 2 { // removing a NIC that is gone is not an error
			if _, err := vm.RemoveNIC(ctx, "net1"); err != nil {
				return err
			}
		}
		has, err := vm.HasDevice(ctx, "net1")
		fmt.Println(has)
		return err
	})
	// Output: false
}

// The guest can release only a whole slot, so RemoveFunctions removes all of its functions.
func ExampleVM_RemoveFunctions() {
	remove := func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.RemoveDisk(ctx, "data1")
		if shared, ok := errors.AsType[*hotplug.SharedSlotError](err); ok {
			fmt.Println("in the slot are also:", strings.Join(shared.Others, ", "))
			_, err = vm.RemoveFunctions(ctx, append(shared.Others, shared.ID))
		}
		return err
	}
	_ = remove
}

// ResizeDisk also grows the file. QEMU tells the guest.
func ExampleVM_ResizeDisk() {
	grow := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.ResizeDisk(ctx, "data1", 20<<30)
	}
	_ = grow
}

// A virtio-rng device and the object that it uses: two steps, which the caller undoes.
func ExampleVM_RemoveDevice() {
	add := func(ctx context.Context, client *qmp.Client, vm *hotplug.VM) error {
		rng := qemu.ObjectAdd{QOMType: qemu.ObjectTypeRNGBuiltin, ID: "rng1-source"}
		if err := rng.Do(ctx, client); err != nil {
			return err
		}
		err := vm.AddDevice(ctx, hotplug.Device{
			Driver: "virtio-rng-pci", ID: "rng1", Props: qmp.Args{"rng": "rng1-source"},
		})
		if err != nil {
			_, undo := vm.RemoveObject(ctx, "rng1-source")
			return errors.Join(err, undo)
		}
		return nil
	}
	remove := func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.RemoveDevice(ctx, "rng1", hotplug.WithBackend()) // with the object that it uses
		return err
	}
	_, _ = add, remove
}

// The guest moves the contents of the memory, if it can, and then releases the memory.
func ExampleVM_RemoveMemory() {
	shrink := func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.RemoveMemory(ctx, "mem1")
		if errors.Is(err, hotplug.ErrUnplugRefused) {
			fmt.Println("the guest cannot do without this memory; nothing has changed")
		}
		return err
	}
	_ = shrink
}

// A CPU that AddCPU has added, perhaps in another process.
func ExampleVM_RemoveCPU() {
	remove := func(ctx context.Context, vm *hotplug.VM) error {
		err := vm.RemoveCPU(ctx, "cpu1")
		if errors.Is(err, errors.ErrUnsupported) {
			fmt.Println("this QEMU would crash")
		}
		return err
	}
	_ = remove
}

// AddDisk failed, and undoing failed too. The program keeps the ID, and removes the rest later.
func ExampleRollbackError() {
	add := func(ctx context.Context, vm *hotplug.VM, disk hotplug.Disk, later func(id string)) error {
		err := vm.AddDisk(ctx, disk)
		if failed, ok := errors.AsType[*hotplug.RollbackError](err); ok {
			fmt.Println("still in QEMU:", strings.Join(failed.Left, ", "))
			later(disk.ID) // RemoveDisk removes these, also in another process
		}
		return err
	}
	_ = add
}

// The empty root ports of a q35.
func ExampleVM_PCITree() {
	ports := func(ctx context.Context, vm *hotplug.VM) ([]string, error) {
		tree, err := vm.PCITree(ctx)
		if err != nil {
			return nil, err
		}
		var empty []string
		for bus := range tree.Buses() {
			if bus.Port && bus.Hotplug && len(bus.Devices) == 0 {
				empty = append(empty, bus.Name)
			}
		}
		return empty, nil
	}
	_ = ports
}

// exampleMachine calls f with a machine whose guest f can tell what to do.
func exampleMachine(f func(ctx context.Context, vm *hotplug.VM, m *fakeqemu.Machine) error) {
	var p qmptest.Program
	m := fakeqemu.New(&p)
	err := f(context.Background(), hotplug.New(m.Dial(), nil), m)
	if err := errors.Join(err, p.Close()); err != nil {
		fmt.Println(err)
	}
}
