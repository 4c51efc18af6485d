// Package job runs the jobs of QEMU and of qemu-storage-daemon to their ends: copies of disks, commits, streams,
// backups, new images and snapshots of the machine.
//
//	err := job.Run(ctx, client, "vm.save", qemu.SnapshotSave{Tag: "before-upgrade", VMState: "root", Devices: []string{"root"}}, nil)
//
// A job whose end the caller decides is started first:
//
//	j, err := job.Start(ctx, client, "data1.copy", qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull})
//	…
//	err = j.WaitReady(ctx, func(p job.Progress) { fmt.Println(p.Current, "of", p.Total) })
//	…
//	err = j.Complete(ctx) // the guest now uses t1
//
// # IDs
//
// A job has an ID, which the caller chooses. All jobs of a QEMU share the IDs, also jobs that have ended and that
// nobody has dismissed. QEMU does not report the disk of a job, so put the name of the disk and the purpose into
// the ID: a manager that was restarted finds the job by it. If the ID is empty, [Start] makes one of the request:
// the node, a dot and the kind of the job, "data1.mirror".
//
// # Endings
//
// [Run], [Job.Wait], [Job.Complete] and [Job.EndWithoutPivot] end in exactly one of these ways. An error matches only
// one row, whatever its reason is.
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
// A job that fails or is cancelled changes nothing that the guest sees. QEMU leaves the things that were added for
// it: nodes, bitmaps, exports and files.
//
// # Contexts
//
// If the context of a wait ends, the job is cancelled, and the wait returns when QEMU has done so, 15 seconds later at
// most, or 30 if QEMU does not answer job-dismiss. The result says what the job did: it is nil if the job succeeded before it could be cancelled. To leave
// a job running call [Job.Detach]. [Find] takes the job up later, also in another process. If the job is still there
// after 15 seconds, the Job is detached: use Find.
//
// # How it waits
//
// A wait follows the events of QEMU and asks for the state of the jobs (query-jobs) every second, so a lost event
// delays it by at most a second. The callback for the progress runs on the goroutine that waits, after each answer. It can call [Job.Detach], or end the context. It must not
// call [Job.Cancel] or wait for the same job: these wait for the callback to return.
//
// Jobs do not dismiss themselves, because QEMU forgets the reason of a failure with the job. There are two
// exceptions: a backup on QEMU before 7.2, and a stream on QEMU 6.0 to 11.0. If such a job has ended and is not
// dismissed, query-named-block-nodes terminates that QEMU, whoever sends it. These jobs stop before their end
// (auto-finalize false) and dismiss themselves. A wait finalizes them. After [Job.Detach] they stay pending until
// somebody takes them up with [Find] and waits, or finalizes them. If the event with the reason is lost
// there, the error is [ErrGone].
package job
