// Package job runs the jobs of QEMU and of qemu-storage-daemon to their ends: copies of disks, commits, streams,
// backups, new images and snapshots of the machine.
//
//	err := job.Run(ctx, client, "vm.save", qemu.SnapshotSave{Tag: "before-upgrade", VMState: "root", Devices: []string{"root"}}, nil)
//
// If the caller decides when and how the job ends, it starts the job first:
//
//	j, err := job.Start(ctx, client, "data1.copy", qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull})
//	…
//	err = j.WaitReady(ctx, func(p job.Progress) { fmt.Println(p.Current, "of", p.Total) })
//	…
//	err = j.Complete(ctx) // the guest now uses t1
//
// # IDs
//
// The caller chooses the ID of a job. No two jobs of a QEMU can have the same ID, even if one of them has ended and was
// not dismissed. QEMU does not report the disk of a job, so put the name of the disk and the purpose into the ID: a
// manager that was restarted finds the job by its ID. If the caller gives no ID, [Start] makes one from the request: the
// node, a dot and the kind of the job, "data1.mirror". A request without a node needs an ID.
//
// # Endings
//
// [Run], [Job.Wait], [Job.Complete] and [Job.EndWithoutPivot] end in exactly one of these ways. An error matches only
// one row, even if its reason matches another. There is one exception: if Run cancels a job that an I/O error has
// stopped, its error matches [ErrCancelled] and has the [*StoppedError].
//
//	error              the job                                       QEMU lists the job
//	nil                succeeded                                     no
//	[ErrNotStarted]    has not begun                                 no
//	[*FailedError]     failed, for QEMU's reason                     no
//	[ErrCancelled]     was cancelled, by this process or another     no
//	[ErrGone]          has ended; nobody knows how                   no
//	[ErrNotDismissed]  succeeded                                     until it is dismissed
//	[*StoppedError]    waits, because of an I/O error, for Resume    yes
//	[ErrGoesOn]        goes on; only the wait has ended              yes
//	[ErrUnknown]       unknown: QEMU does not answer                 maybe
//
// [Job.EndWithoutPivot] can also return [ErrTooLate].
//
// A job that fails or is cancelled changes nothing that the guest sees. If the wait could not dismiss such a job, QEMU
// still lists it. Nodes, bitmaps, exports and files that were added for the job stay.
//
// # Contexts
//
// If the context of a wait ends, the wait cancels the job and returns when the job has ended, 15 seconds later at most.
// If QEMU does not answer job-dismiss, the wait takes up to 30 seconds. If the job succeeded before QEMU could cancel
// it, the result is nil. If the job has not ended in this time, the error matches [ErrGoesOn], and the wait has called
// [Job.Detach].
//
// To leave a job running, call Job.Detach. [Find] takes the job up later, also in another process.
//
// # How it waits
//
// A wait follows the events of QEMU. It also asks for the state of the jobs (query-jobs) every second, so a lost event
// delays the wait by at most a second. The callback for the progress runs on the goroutine that waits, after each
// answer to query-jobs. It can call [Job.Detach], or end the context. It must not call [Job.Cancel] or wait for the same
// job: these wait for the callback to return.
//
// QEMU lists a job that has ended until a wait dismisses it: without the job, QEMU does not report why it failed. There
// are two exceptions: a backup on QEMU before 7.2, and a stream on QEMU 6.0 to 11.0. Such a QEMU terminates if a client
// sends query-named-block-nodes after the job has ended and before it is dismissed. So these jobs dismiss themselves. If
// the event about the end of the job is lost, the error is [ErrGone].
//
// These jobs, and all backups, stay pending until a wait finalizes them. After [Job.Detach], call [Find] and wait, or send
// job-finalize.
//
// # Disks with an iothread
//
// QEMU moves a disk of virtio-blk to its iothread when the guest starts the disk or the machine continues, and back when the
// guest resets the disk or the machine stops. QEMU can terminate if it moves a disk in the milliseconds in which a job of this
// disk ends. A backup that succeeds is safe, because a wait finalizes it. A mirror that is ready is safe until it is completed
// or cancelled. Before stop and cont, wait for other jobs of such disks. Disks of virtio-scsi stay in their iothreads.
package job
