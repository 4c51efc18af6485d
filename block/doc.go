// Package block works on the disks of a running machine: it moves and copies them, takes and merges snapshots, backs them
// up, exports them, and describes the storage that they use. The guest uses its disks during the operations; only
// [VM.SaveMachine] and [VM.LoadMachine] stop it for long.
//
//	disks := block.New(client)
//	kept, err := disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: "/srv/data1.img"}, Create: true}, nil)
//
// To add and remove disks, use package hotplug. To run a single job, use package job.
//
// # The view of a disk
//
// The caller names a disk by the ID of its device. A device without an ID has a name, too: that of its drive, for example
// "virtio0" for -drive if=virtio, or its number, see [hotplug.DiskNames] and [Disk.Name]. Each operation first asks QEMU which nodes the disk uses now. So
// operations work on disks that other programs have added, moved or snapshotted. [VM.Disk] returns the same view: layers
// (images and filters) from the top, jobs, bitmaps, exports, and the nodes that an interrupted operation has left.
//
// If a filter, for example a throttle, is on top of the images, it stays on top.
//
// # Targets
//
// A [Target] is the storage that an operation writes to: a file or a block device, opened by this process
// ([hotplug.File]) or by the caller ([hotplug.Descriptor]), nodes that QEMU opens, for example of an NBD server
// ([hotplug.Blockdev]), or a node that exists ([hotplug.Node]). QEMU gets descriptors of a File and a Descriptor, so it
// needs no access to the files.
//
// The target has exactly the size of the disk; only a raw block device can be larger. With Create, the operation makes the
// image. Files belong to the caller: no operation deletes them.
//
// If QEMU connects to an NBD server, its monitor answers no command until the server answers. Package block limits this
// time to 10 seconds. QEMU before 7.0 has no such limit: connect to the server yourself first, to see that it answers.
//
// The header of an image names the image below it. QEMU does not know the name of a file that it got as a descriptor. If
// package hotplug opened the file, the name is with the descriptor, see [Layer.Path]; otherwise the caller gives it as
// BackingFile. The caller also gives it if QEMU was started with a relative path: in a header, the path would be relative to
// the folder of the image.
//
// # When an operation fails
//
// If an operation fails or ctx ends, it undoes its steps: the disk has the same layers as before, and the nodes,
// descriptors and exports that the operation has added are removed. Undoing continues after ctx has ended, for up to
// 30 seconds. If undoing fails too, the error is a [*hotplug.RollbackError]. Created files stay.
//
// An operation that has changed the disk is not undone. It then removes what the disk no longer uses, even if ctx has
// ended, and returns what it could not remove as kept, without an error. [VM.Clean] removes that later.
//
// If an answer of QEMU is lost, the operation looks at the disk and returns what has happened.
//
// [VM.LoadMachine] and [VM.Migrate] have failures that cannot be undone; their comments list them.
//
// # Jobs and names
//
// The ID of a job is the name of the disk and the operation: "data1.move". The jobs of [VM.SaveMachine], [VM.LoadMachine] and
// [VM.DeleteSavedMachine] are "machine.save", "machine.load" and "machine.delete". The name of a node is the name of the disk
// and a random text: "data1.k3fa5c". The nodes of a backup or a frozen view are "data1.frozen", "data1.scratch" and
// "data1.view".
//
// A disk has one operation at a time. An operation does not wait for a job on the disk, not even for one of another program:
// its error matches [ErrBusy]. [hotplug.VM.RemoveDisk] refuses to remove such a disk, too. Limits, bitmaps and read-only
// exports are exceptions: they can change while jobs run.
//
// # Backups
//
// While a push backup ([VM.Backup]) runs, QEMU saves old data before the guest overwrites it. From QEMU 7.1 on, the data
// goes to a scratch image on a local disk: a slow or full target does not affect the guest. With [BackupOptions.Direct],
// and on QEMU before 7.1, the data goes to the target. The guest then waits for a slow target, and writes of the guest
// fail if the target is full or fails. If the target is on an NBD server that does not answer, the guest's writes hang,
// and cancelling the backup blocks QEMU's monitor.
//
// If a backup fails, its bitmap is as before. If the bitmap of an increment is missing or inconsistent, the error matches
// [ErrNeedFull]: take a full backup.
//
// Do not migrate the machine and do not end QEMU while a backup runs.
//
// # After a restart of the program
//
// A VM keeps no state, and QEMU continues the jobs. The next program finds out what the last one has left:
//
//   - [VM.Disk] lists the jobs and the nodes that are left. [job.Find] takes a job up. For a move or a merge, call
//     [job.Job.Wait] or [job.Job.Cancel]. For "ID.copy" and "ID.migrate", call only Cancel: Wait would complete the job, and
//     the guest would use the target.
//   - [VM.Clean] then removes the nodes that the disk does not use.
//   - If the program ended in the milliseconds in which a backup of several disks stops the machine, the machine is stopped:
//     send cont.
//   - [VM.FindView] finds a frozen view, and [VM.AbortBackups] ends backups and views.
//
// # Cost
//
// QEMU answers queries about disks for all disks of the machine. With 400 disks, query-block takes 15 ms, query-blockstats
// 10 ms and query-fdsets 2 ms. Other commands take 0.1 or 0.2 ms. An operation on several disks queries as often as an
// operation on one disk.
//
// These are the commands on QEMU 10.0, with new qcow2 files as targets. In parentheses is a program that does the same work by
// hand, and does not prepare for failures and restarts:
//
//   - Disk, and Disks for all disks: 7 (4), and one more if there are jobs
//   - Snapshot: 9, and 12 for each disk; Snapshot and Commit of one disk: 39 (16)
//   - Move: 34 (15)
//   - Backup: 30, and 33 for each disk; Backup of one disk: 63 (25)
//
// Disk takes 2 ms, and 50 ms if the machine has 400 other disks. For a disk of 1 MiB, Snapshot and Commit together take 30 ms,
// and so do Move and Backup; with 400 other disks, they take 0.15 to 0.3 s. By hand it takes half the time, and a quarter to a
// half with 400 other disks. "make bench block" measures this.
//
// # Disks with an iothread
//
// While a job is on a disk of virtio-blk with an iothread, the operations that stop the machine return [ErrBusy]: Backup and
// OpenView of several disks, SaveMachine and LoadMachine. QEMU could terminate. Package job has the details.
//
// # Old versions
//
//   - QEMU before 7.1 has no frozen views: the error of [VM.OpenView] matches [errors.ErrUnsupported].
//   - QEMU before 6.0 cannot cut the connection to an NBD server. If ctx ends during a move to such a server, the node
//     stays until [VM.Clean], because removing it could block the monitor.
//   - QEMU before 6.0 has no SaveMachine, LoadMachine and DeleteSavedMachine.
//   - QEMU 7.2 can terminate when an NBD client leaves the export of a disk with an iothread. If QEMU is older than 8.2, the
//     error of [VM.Export] and [VM.OpenView] matches [errors.ErrUnsupported] for such a disk. QEMU 5.2 does not terminate.
//   - While the machine is stopped, QEMU 5.2 and 7.2 keep descriptors open, see [hotplug.ErrDescriptorsKept]. They are in
//     [Disk.Left] until [VM.Clean].
//   - query-named-block-nodes terminates some versions while a job is not dismissed, see package job. Package block does
//     not send it.
package block
