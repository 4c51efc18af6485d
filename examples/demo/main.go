// Demo connects to a QEMU, prints its version and status, adds a disk to the running machine, shows it in
// the list of block devices, and removes it again.
//
// The QEMU is installed on this machine, or is downloaded from Debian's packages; internal/qemutest has the
// rules, and the variables that choose another. If there is no QEMU, Demo uses a fake server that only
// records devices.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	m, err := start(out) // which may fetch a QEMU first
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := m.boot(ctx); err != nil {
		return err
	}

	client, err := qmp.Dial(ctx, m.socket, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := about(ctx, out, client); err != nil {
		return err
	}
	image, err := makeImage()
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(image))

	vm := hotplug.New(client, nil)
	fmt.Fprintln(out, "adding the disk data1, raw, 64 MiB")
	err = vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: image}, Props: qmp.Args{"serial": "data1"}})
	if err != nil {
		return err
	}
	if err := disks(ctx, out, client); err != nil {
		return err
	}
	fmt.Fprintln(out, "removing it")
	err = m.removing(ctx, client, func() error {
		_, err := vm.RemoveDisk(ctx, "data1")
		return err
	})
	if err != nil {
		return err
	}
	return disks(ctx, out, client)
}

// about prints what QEMU it is, and how it is.
func about(ctx context.Context, out io.Writer, client *qmp.Client) error {
	version, err := qemu.QueryVersion{}.Do(ctx, client)
	if err != nil {
		return err
	}
	status, err := qemu.QueryStatus{}.Do(ctx, client)
	if err != nil {
		return err
	}
	v := version.QEMU
	fmt.Fprintf(out, "QEMU %d.%d.%d %s\nstatus: %s\n", v.Major, v.Minor, v.Micro, version.Package, status.Status)
	return nil
}

// disks prints the block devices.
func disks(ctx context.Context, out io.Writer, client *qmp.Client) error {
	blocks, err := qemu.QueryBlock{}.Do(ctx, client)
	if err != nil {
		return err
	}
	if len(blocks) == 0 {
		fmt.Fprintln(out, "query-block: no disks")
	}
	for _, b := range blocks {
		device := strings.TrimSuffix(qmp.Value(b.Qdev), "/virtio-backend")
		fmt.Fprintf(out, "query-block: device %s", device)
		if b.Inserted != nil {
			fmt.Fprintf(out, ", node %s, file %s", qmp.Value(b.Inserted.NodeName), b.Inserted.File)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// makeImage makes a file for the disk, in a folder of its own.
func makeImage() (path string, err error) {
	dir, err := os.MkdirTemp("", "qmpkit-demo")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "data1.img")
	err = os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = os.Truncate(path, 64<<20)
	}
	return path, err
}
