package hotplug_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An image file of the host.
func ExampleVM_AddDisk_file() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddDisk(ctx, hotplug.Disk{
			ID:      "data1",
			Backend: hotplug.File{Path: "/srv/data1.qcow2", Format: qemu.BlockdevDriverQcow2, Direct: true},
		})
	}
	_ = add
}

// A file that another process has opened, for example one with more rights. If the file is open for reading only, the
// disk is read-only.
func ExampleVM_AddDisk_descriptor() {
	add := func(ctx context.Context, vm *hotplug.VM, file *os.File) error {
		defer file.Close() // QEMU has a copy by then
		return vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.Descriptor{File: file}})
	}
	_ = add
}

// A node that QEMU already has, for example the copy that a mirror has made. RemoveDisk leaves it, unless WithNode names
// it.
func ExampleVM_AddDisk_existingNode() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddDisk(ctx, hotplug.Disk{ID: "copy", Backend: hotplug.Node{Name: "mirror0"}})
	}
	remove := func(ctx context.Context, vm *hotplug.VM) error {
		_, err := vm.RemoveDisk(ctx, "copy", hotplug.WithNode("mirror0")) // without the option, the node stays
		return err
	}
	_, _ = add, remove
}

// A QEMU that must not open files. The program, or a process with more rights, opens every file of an encrypted overlay.
// QEMU has the key as long as it has the disk.
func ExampleVM_AddDisk_open() {
	add := func(ctx context.Context, vm *hotplug.VM, key []byte) error {
		file := func(path string) qemu.BlockdevRef {
			return qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{
				Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: path}}}
		}
		base := &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{File: file("/srv/base.qcow2")}}
		overlay := qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
			File:    file("/srv/data1.qcow2"),
			Backing: &qemu.BlockdevRefOrNull{Definition: base},
			Encrypt: &qemu.BlockdevQcow2Encryption{Branch: &qemu.QCryptoBlockOptionsLUKS{
				KeySecret: new(hotplug.SecretID("data1", "key"))}},
		}}
		return vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.Blockdev{
			Options: overlay,
			Secrets: map[string][]byte{"key": key},
			Open: func(path string, flags int) (*os.File, error) {
				fmt.Println("opening", path)
				return os.OpenFile(path, flags, 0)
			},
		}})
	}
	_ = add
}

// A disk on the bus of a SCSI controller.
func ExampleVM_AddDisk_scsi() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddDisk(ctx, hotplug.Disk{
			ID:      "data1",
			Backend: hotplug.File{Path: "/dev/vg/data1", Direct: true, WriteCache: new(false)},
			Driver:  "scsi-hd", Bus: "scsi0.0", Props: qmp.Args{"channel": 0, "scsi-id": 3, "lun": 0},
		})
	}
	_ = add
}

// A disk of a vhost-user server. It has no node: the device talks to the server.
func ExampleVM_AddDisk_vhostUser() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		return vm.AddDisk(ctx, hotplug.Disk{
			ID:      "data1",
			Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: "/run/data1.sock"}},
		})
	}
	_ = add
}

// If QEMU is too old to add disks, the error lists the commands that it lacks.
func ExampleVM_Supports() {
	check := func(ctx context.Context, vm *hotplug.VM) error {
		err := vm.Supports(ctx, hotplug.Disks)
		if missing, ok := errors.AsType[*hotplug.MissingError](err); ok {
			fmt.Println("missing:", missing.Commands)
		}
		return err
	}
	_ = check
}

// In a QEMU without blockdev-add, the caller's Fallback adds the drives. With a newer QEMU, AddDisk does not call it.
func ExampleNew() {
	add := func(ctx context.Context, client *qmp.Client, driveAdd func(context.Context, hotplug.Disk) error,
		driveDel func(ctx context.Context, id string) error) error {
		vm := hotplug.New(client, &hotplug.Options{Fallback: &hotplug.Fallback{Add: driveAdd, Remove: driveDel}})
		return vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: "/srv/data1.img"}})
	}
	_ = add
}

// Generated values become JSON and JSON becomes values, as on the wire. So one process can keep the tree of a disk in a
// file, and another process can add the disk again.
func ExampleVM_AddDisk_json() {
	keep := func(path string, tree *qemu.BlockdevOptions) error {
		text, err := json.MarshalIndent(tree, "", "  ")
		if err != nil {
			return err // for example because a file name is not UTF-8
		}
		fmt.Println(string(text))
		return os.WriteFile(path, text, 0o600)
	}
	plug := func(ctx context.Context, vm *hotplug.VM, id, path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var tree qemu.BlockdevOptions
		if err := json.Unmarshal(text, &tree); err != nil {
			return err // for example because a member occurs twice
		}
		return vm.AddDisk(ctx, hotplug.Disk{ID: id, Backend: hotplug.Blockdev{Options: tree}})
	}
	_ = plug

	dir, err := os.MkdirTemp("", "disks")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	err = keep(filepath.Join(dir, "data1.json"), &qemu.BlockdevOptions{
		ReadOnly: new(true),
		Branch: &qemu.BlockdevOptionsQcow2{
			File: qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{
				Branch: &qemu.BlockdevOptionsNVMe{Device: "0000:01:00.0", Namespace: 1},
			}},
			Backing: &qemu.BlockdevRefOrNull{Null: &qmp.Null{}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// {
	//   "driver": "qcow2",
	//   "read-only": true,
	//   "file": {
	//     "driver": "nvme",
	//     "device": "0000:01:00.0",
	//     "namespace": 1
	//   },
	//   "backing": null
	// }
}

// The disks of a machine by the names that package block and ResizeDisk take. Not every device has an ID.
func ExampleDiskNames() {
	blocks := []qemu.BlockInfo{ // the answer of query-block
		{Device: "virtio0", Qdev: new("/machine/peripheral-anon/device[0]/virtio-backend")},
		{Qdev: new("/machine/peripheral/data1/virtio-backend")},
		{Qdev: new("/machine/peripheral-anon/device[1]")},
	}
	fmt.Println(hotplug.DiskNames(blocks))
	// Output:
	// [virtio0 data1 anon1]
}
