package block_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// This backs up two disks as they are at one moment: an increment, or a full backup if a bitmap is lost.
func ExampleVM_Backup() {
	backUp := func(ctx context.Context, disks *block.VM, name string) error {
		run := func(incremental bool) error {
			var all []block.BackupDisk
			for _, id := range []string{"root", "data1"} {
				file := hotplug.File{Path: fmt.Sprintf("/backup/%s.%s.qcow2", id, name), Format: "qcow2"}
				all = append(all, block.BackupDisk{
					ID: id, Target: block.Target{Backend: file, Create: true}, Bitmap: "nightly", Incremental: incremental,
				})
			}
			_, err := disks.Backup(ctx, all, &block.BackupOptions{ScratchDir: "/var/tmp"})
			return err
		}
		err := run(true)
		if errors.Is(err, block.ErrNeedFull) {
			err = run(false)
		}
		return err
	}
	_ = backUp
}

// A program reads a disk as it was at one moment, over NBD, while the guest uses the disk.
func ExampleVM_OpenView() {
	pull := func(ctx context.Context, disks *block.VM, read func(url string) error) error {
		const socket = "/run/vm1/backup.sock"
		address := qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: socket}}
		view, err := disks.OpenView(ctx, []block.ViewDisk{{ID: "data1", Bitmap: "pull"}}, &block.ViewOptions{
			Server: &qemu.NBDServerOptions{Addr: address},
		})
		if err != nil {
			return err
		}
		if err := read("nbd+unix:///data1?socket=" + socket); err != nil {
			_, closeErr := view.Discard(ctx)
			return errors.Join(err, closeErr)
		}
		_, err = view.Finish(ctx) // the next view can be Incremental
		return err
	}
	_ = pull
}

// After a restart, a manager closes the view that it had opened.
func ExampleVM_FindView() {
	restarted := func(ctx context.Context, disks *block.VM) error {
		view, err := disks.FindView(ctx, "data1")
		if errors.Is(err, block.ErrNoView) {
			return nil
		}
		if err == nil {
			_, err = view.Discard(ctx)
		}
		return err
	}
	_ = restarted
}

// After a restart, a manager ends a backup that it had begun. It can then take the increment again.
func ExampleVM_AbortBackups() {
	restarted := func(ctx context.Context, disks *block.VM) error {
		kept, err := disks.AbortBackups(ctx, "root", "data1")
		for _, k := range kept {
			fmt.Println("still in QEMU:", k)
		}
		return err
	}
	_ = restarted
}

// A bitmap shows how much of a disk the guest writes.
func ExampleVM_AddBitmap() {
	written := func(ctx context.Context, disks *block.VM) error {
		d, err := disks.Disk(ctx, "data1")
		if err != nil {
			return err
		}
		for _, b := range d.Bitmaps {
			if *b.Name == "since-noon" {
				fmt.Println(b.Count, "bytes")
				return disks.ClearBitmap(ctx, "data1", "since-noon")
			}
		}
		return disks.AddBitmap(ctx, "data1", "since-noon", &block.BitmapOptions{Volatile: true})
	}
	_ = written
}
