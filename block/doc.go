// Package block works on the storage of a running machine: it moves a disk to another file, takes snapshots, merges
// them, backs disks up, and describes what a disk uses.
//
//	disks := block.New(client)
//	err := disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: "/mnt/new/data1.qcow2", Format: "qcow2"}, Create: true}, nil)
//
// The guest uses its disks meanwhile.
package block
