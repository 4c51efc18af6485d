package block_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// This creates an image, and adds a disk that uses it.
func ExampleVM_CreateImage() {
	add := func(ctx context.Context, client *qmp.Client) error {
		file := hotplug.File{Path: "/srv/data2.qcow2", Format: "qcow2"}
		if err := block.New(client).CreateImage(ctx, "data2", block.Image{Backend: file, Size: 10 << 30}); err != nil {
			return err
		}
		return hotplug.New(client, nil).AddDisk(ctx, hotplug.Disk{ID: "data2", Backend: file})
	}
	_ = add
}

// This inserts a CD with drivers, if the guest releases the medium in the drive.
func ExampleVM_ChangeMedium() {
	change := func(ctx context.Context, disks *block.VM) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_, err := disks.ChangeMedium(ctx, "cd1", hotplug.File{Path: "/srv/drivers.iso"}, nil)
		if errors.Is(err, block.ErrTrayLocked) {
			return fmt.Errorf("unmount the CD in the guest first: %w", err)
		}
		return err
	}
	_ = change
}

// This limits a disk to 100 MiB a second, and to 400 MiB a second for ten seconds.
func ExampleVM_SetThrottle() {
	limit := func(ctx context.Context, disks *block.VM) error {
		return disks.SetThrottle(ctx, "data1", block.Throttle{
			Bytes: block.Limit{Rate: 100 << 20, Burst: 400 << 20, BurstTime: 10 * time.Second},
		})
	}
	_ = limit
}

// NBD clients can read the disk at a UNIX socket until the function returns.
func ExampleVM_Export() {
	serve := func(ctx context.Context, disks *block.VM, read func(url string) error) (err error) {
		socket := "/run/vm1.nbd"
		err = disks.Export(ctx, "data1", &block.ExportOptions{
			Server: &qemu.NBDServerOptions{Addr: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: socket}}},
		})
		if err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, disks.Unexport(ctx, "data1", &block.UnexportOptions{Hard: true, StopServer: true}))
		}()
		return read("nbd+unix:///data1?socket=" + socket)
	}
	_ = serve
}

// This moves a machine to another host, with two disks that the hosts do not share.
func ExampleVM_Migrate() {
	move := func(ctx context.Context, source, destination *qmp.Client) error {
		nbd := qemu.SocketAddress{Branch: &qemu.InetSocketAddress{Host: "192.0.2.2", Port: "10809"}}
		_, err := block.New(source).Migrate(ctx, block.New(destination), migration.TCP("192.0.2.2:4444"), &block.MigrateOptions{
			Disks:        []string{"root", "data1"},
			Server:       &qemu.NBDServerOptions{Addr: nbd},
			DiskProgress: func(disk string, p job.Progress) { log.Println(disk, p.Current, "of", p.Total) },
		})
		if errors.Is(err, migration.ErrCancelled) || errors.Is(err, migration.ErrNotStarted) {
			log.Print("the machine runs at the source, with its disks as before")
		}
		return err
	}
	_ = move
}
