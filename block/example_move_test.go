package block_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// This prints the storage that a disk uses now, also if another program has added or moved it.
func ExampleVM_Disk() {
	var p qmptest.Program
	defer p.Close()
	m := fakeqemu.New(&p)
	m.Handle("query-jobs", qmptest.Return([]any{}))
	m.Handle("query-block-exports", qmptest.Return([]any{}))
	client := m.Dial()
	show := func(ctx context.Context, client *qmp.Client) error {
		d, err := block.New(client).Disk(ctx, "data1")
		if err != nil {
			return err
		}
		for _, layer := range d.Layers {
			fmt.Println(layer.Node, layer.Driver, layer.File)
		}
		fmt.Println(len(d.Jobs), "jobs; left over:", d.Left)
		return nil
	}
	plug := hotplug.New(client, nil)
	disk := hotplug.Disk{ID: "data1", Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{
		Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: "/srv/data1.img"}}}}
	left := hotplug.Disk{ID: "data1", NodeName: "data1.1", Backend: disk.Backend}
	if err := errors.Join(plug.AddDisk(p.Context(), disk), plug.AddNode(p.Context(), left), show(p.Context(), client)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// data1 file /srv/data1.img
	// 0 jobs; left over: [data1.1]
}

// This moves a disk to a new image of the same size. The file of the old image stays.
func ExampleVM_Move() {
	move := func(ctx context.Context, disks *block.VM) error {
		kept, err := disks.Move(ctx, "data1", block.Target{
			Backend: hotplug.File{Path: "/mnt/new/data1.qcow2", Format: qemu.BlockdevDriverQcow2},
			Create:  true,
		}, &block.MoveOptions{Progress: func(p job.Progress) { log.Println(p.Current, "of", p.Total) }})
		if failed, ok := errors.AsType[*job.FailedError](err); ok {
			return fmt.Errorf("the guest uses the old image, because QEMU reports: %s", failed.Reason)
		}
		if err != nil {
			return err
		}
		for _, k := range kept {
			log.Println("still in QEMU:", k)
		}
		return os.Remove("/srv/data1.img")
	}
	_ = move
}

// The target is a block device that the caller has opened. The guest may write faster than the device.
func ExampleVM_Move_descriptor() {
	move := func(ctx context.Context, disks *block.VM, device *os.File) error {
		defer device.Close() // QEMU has a copy by then
		_, err := disks.Move(ctx, "data1", block.Target{Backend: hotplug.Descriptor{File: device}}, &block.MoveOptions{WriteBlocking: true})
		return err
	}
	_ = move
}

// The target is on an NBD server. If ctx ends, the guest continues with the old image.
func ExampleVM_Move_nbd() {
	move := func(ctx context.Context, disks *block.VM) error {
		_, err := disks.Move(ctx, "data1", block.Target{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{
			Branch: &qemu.BlockdevOptionsNBD{
				Server: qemu.SocketAddress{Branch: &qemu.InetSocketAddress{Host: "storage1", Port: "10809"}},
				Export: new("data1"),
			},
		}}}, nil)
		return err
	}
	_ = move
}

// This moves only the overlay of a disk. The image below it stays where it is.
func ExampleVM_Move_top() {
	move := func(ctx context.Context, disks *block.VM) error {
		_, err := disks.Move(ctx, "data1", block.Target{
			Backend: hotplug.File{Path: "/mnt/new/overlay.qcow2", Format: qemu.BlockdevDriverQcow2},
			Create:  true,
		}, &block.MoveOptions{Top: true, BackingFile: "/srv/base.qcow2"})
		return err
	}
	_ = move
}

// This copies a disk while the guest uses it.
func ExampleVM_Copy() {
	copyDisk := func(ctx context.Context, disks *block.VM) error {
		_, err := disks.Copy(ctx, "data1", block.Target{Backend: hotplug.File{Path: "/mnt/copies/data1.img"}, Create: true},
			&block.CopyOptions{Speed: 100 << 20})
		return err
	}
	_ = copyDisk
}

// This copies a disk whose file systems are frozen when the copy ends. Until then the guest can write.
func ExampleVM_Copy_frozen() {
	copyDisk := func(ctx context.Context, disks *block.VM, guest block.Freezer) (err error) {
		defer func() { err = errors.Join(err, guest.Thaw(context.WithoutCancel(ctx))) }()
		_, err = disks.Copy(ctx, "data1", block.Target{Backend: hotplug.File{Path: "/mnt/copies/data1.img"}, Create: true},
			&block.CopyOptions{Ready: guest.Freeze})
		return err
	}
	_ = copyDisk
}

// After a restart, a manager finishes a move, and removes what is left.
func ExampleVM_Clean() {
	finish := func(ctx context.Context, client *qmp.Client) error {
		j, err := job.Find(ctx, client, "data1.move")
		if err == nil {
			err = j.Wait(ctx, nil)
		}
		if err != nil && !errors.Is(err, job.ErrGone) {
			return err
		}
		kept, err := block.New(client).Clean(ctx, "data1")
		for _, k := range kept {
			log.Println("still in QEMU:", k)
		}
		return err
	}
	_ = finish
}
