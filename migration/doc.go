// Package migration moves a running machine from one QEMU to another, or into a file, and tells
// how that goes and where the machine is in the end.
//
//	// The destination was started with "-incoming defer" and otherwise as the source was.
//	err := migration.StartIncoming(ctx, dst, migration.TCP("[::]:4444"))
//	…
//	// The source sends.
//	_, err = migration.Run(ctx, src, migration.TCP("host2.example.org:4444"), &migration.Options{
//		Progress: func(p migration.Progress) { log.Println(p.Status, p.Remaining, "bytes to go") },
//	})
//	…
//	// The destination has received.
//	_, err = migration.WaitIncoming(ctx, dst, nil)
//
// What takes a single command has no function here; the generated requests are the operations:
// [qemu.MigrateSetParameters], [qemu.MigrateStartPostcopy], [qemu.MigratePause] and others.
//
// # Where the machine is
//
// The errors of [Run], [Wait] and [Resume] differ by where the machine is, and so by what is to be
// done next:
//
//	nil                     all of it has been sent, and this QEMU does not run it again by itself
//	[ErrCancelled]          here; it runs, or does not run, as before
//	[*FailedError]          here, as before, unless its member Postcopy says more
//	[ErrNotStarted]         here, as before
//	[ErrPaused]             there, and a part of its memory is only here: [Resume] brings it there
//	[ErrGoesOn]             being moved; [Wait] waits again
//	[ErrOutcomeUnknown]     on its way; connect again and ask, by Wait or [Query]
//
// A context that ends cancels the migration, and Run returns when QEMU has cancelled it, 15 seconds
// later at most. When QEMU was faster and has sent everything the error is nil, although the
// context has ended: the machine is there.
//
// What the source has sent the destination may still fail to load: a device that it lacks is found
// last. [WaitIncoming] returns nil when the machine is there. With the capability return-path, on
// both sides, the source waits for that as well, and goes on with the machine when the destination
// fails. Without, it is done when all is sent, and the machine stays stopped there, in run state
// "postmigrate". [qemu.Cont] lets it run again, which must not be done before it is certain that the
// destination has failed and is gone.
//
// # Postcopy
//
// With the capability postcopy-ram, on both sides, a migration that does not come to its end can
// move the machine first and the rest of its memory afterwards ([Options.Postcopy]). From then on
// it cannot be cancelled: neither side has the whole machine. Run never tries to, since QEMU 5.2 and
// 7.2 would let it happen. The destination then runs the machine even if it was stopped at the
// source, unless it was started with -S.
//
// Who hands over by other means ([qemu.MigrateStartPostcopy]) must not let the context of a wait end
// in the same moment: on these two versions a cancellation that crosses it loses the machine.
//
// # Events
//
// [Start] and [StartIncoming] turn on QEMU's capability "events". Waiting is done by asking
// (query-migrate) after each MIGRATION event, and without any after [Options.Interval]: events that
// were lost, or are not sent, delay the end by this time and change nothing else. States that this
// package does not know are taken for a migration that goes on.
//
// # Concurrency
//
// A QEMU has one migration at a time, and refuses a second. The functions keep nothing: a manager
// that was started again calls Wait. Callbacks run on the goroutine of who waits.
package migration
