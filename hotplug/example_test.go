package hotplug_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func Example() {
	start := func() error {
		ctx := context.Background()
		client, err := qmp.Dial(ctx, "/run/vm1/qmp.sock", nil)
		if err != nil {
			return err
		}
		defer client.Close()

		status, err := qemu.QueryStatus{}.Do(ctx, client) // a qemu.StatusInfo
		if err != nil {
			return err
		}
		fmt.Println(client.Version(), status.Status)

		vm := hotplug.New(client, nil)
		return vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: "/srv/data1.img", Direct: true}})
	}
	_ = start // there is no such machine here
}

// A guest can take a long time to release a disk. If ctx ends before that, call RemoveDisk again.
func ExampleVM_RemoveDisk() {
	remove := func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.RemoveDisk(ctx, "data1")
		switch {
		case errors.Is(err, hotplug.ErrUnplugPending):
			fmt.Println("the guest has not answered yet; the disk is still there")
		case errors.Is(err, hotplug.ErrUnplugRefused):
			fmt.Println("the guest wants to keep the disk")
		}
		return err
	}
	_ = remove
}

// Storage that QEMU opens by itself is a tree of nodes.
func ExampleVM_AddDisk_node() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddDisk(ctx, hotplug.Disk{
			ID: "data1",
			Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNBD{
				Server: qemu.SocketAddress{Branch: &qemu.InetSocketAddress{Host: "10.0.0.1", Port: "10809"}},
				Export: new("data1"),
			}}},
			Props: qmp.Args{"serial": "data1", "bootindex": 2},
		})
	}
	_ = add
}

// A program that starts again cleans up what it may have left: the parts of a disk, or single things.
func ExampleVM_RemoveNode() {
	cleanUp := func(ctx context.Context, vm *hotplug.VM) error {
		removed, err := vm.RemoveNode(ctx, "backup-target")
		if errors.Is(err, hotplug.ErrInUse) {
			return fmt.Errorf("a job still writes to it: %w", err)
		}
		if err == nil && removed {
			fmt.Println("removed what an earlier run has left")
		}
		return err
	}
	_ = cleanUp
}
