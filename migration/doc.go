// Package migration moves a running machine from one QEMU to another, or into a file. It reports the
// progress and, in the end, where the machine is.
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
// Operations that take a single command have no function here; use the generated requests:
// [qemu.MigrateSetParameters], [qemu.MigrateStartPostcopy], [qemu.MigratePause] and others.
//
// # Endings
//
// [Start], [Run], [Wait], [WaitIncoming], [Cancel] and [Resume] end in exactly one of these ways. An
// error matches one of the sentinels only, whatever its reason is.
//
//	error                 machine                                       begun  next
//	nil of Run, Wait,     sent; this QEMU keeps it stopped in run       yes    WaitIncoming
//	  Resume              state postmigrate
//	nil of WaitIncoming   there, and runs if it ran before              yes    end the source
//	nil of Cancel         here, as before; no migration goes on         –
//	ErrNotStarted         here, as before; Resume: paused as before     no     mend the reason
//	ErrNone               here, as before                               no
//	ErrCancelled          here, as before                               yes
//	*FailedError          here, as before, unless a member says more    yes
//	ErrCompleted          sent (of Cancel only)                         yes    WaitIncoming
//	ErrPaused             there, but a part of its memory is only here  yes    Resume
//	ErrGoesOn             being moved; only the wait ended              yes    Wait, Cancel
//	ErrUnknown            unknown: QEMU does not answer any more        maybe  connect, Wait
//
// "Begun" says whether QEMU may have begun the migration; [qmp.MayHaveExecuted] reports the same for each of
// these errors. Only ErrUnknown matches [qmp.ErrOutcomeUnknown]. Only ErrNotStarted matches
// [qmp.ErrNotSent], or else [*qmp.Error] if QEMU refused.
//
// QEMU reports the end of a migration before it changes the run state: for some milliseconds it is still in
// finish-migrate, and refuses cont. The functions wait for that too, also after a failure. A QEMU that stays
// in finish-migrate for 15 seconds gives ErrGoesOn, or a FailedError with Halted.
//
// The destination may still fail to load what the source has sent: it finds a missing device last.
// [WaitIncoming] returns nil when the machine is there. With the capability return-path, on both sides, the
// source waits for that as well, and goes on with the machine if the destination fails; QEMU 5.2 does not always
// wait. Without it, the source is done when all is sent. [qemu.Cont] lets the machine run again at the source. Do not send it
// before you are certain that the destination has failed and is gone.
//
// # Contexts
//
// If the context of Run ends, Run cancels the migration and returns when QEMU has done so, 15 seconds later
// at most. If QEMU has sent everything by then the error is nil, although the context has ended: the
// machine is at the destination.
//
// If the context of Wait or WaitIncoming ends, only the wait ends. The migration continues, and [Cancel]
// cancels it. A manager that was restarted can do what Run does:
//
//	_, err := migration.Wait(ctx, src, nil)
//	if ctx.Err() != nil && errors.Is(err, migration.ErrGoesOn) {
//		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
//		defer cancel()
//		_, err = migration.Cancel(limited, src)
//	}
//
// # Postcopy
//
// With the capability postcopy-ram, on both sides, a migration that does not come to its end can
// move the machine first and the rest of its memory afterwards ([Options.Postcopy]). From then on
// it cannot be cancelled: neither side has the whole machine. Run and Cancel never try, because QEMU 5.2 and
// 7.2 would cancel it. The destination then runs the machine even if it was stopped at the
// source, unless it was started with -S.
//
// If you hand over by other means ([qemu.MigrateStartPostcopy]), do not let the context of Run end, and do
// not call Cancel, in the same moment: on these two versions a cancellation that crosses it loses the
// machine.
//
// # What ends QEMU
//
// Start looks at the machine first and does not send migrate where that ends some QEMU (measured on 5.2, 7.2,
// 10.0 and 11.1). It then returns a [*StateError]. This is so for a machine that was sent already, also if it
// was reset since (5.2, 7.2); while a dump of the guest's memory is written (5.2); during a backup (before
// 7.2); and for a stopped machine that came with the capability late-block-activate (before 10.0).
//
// # Events
//
// [Start] and [StartIncoming] turn on QEMU's capability "events". The waits ask (query-migrate) after each
// MIGRATION event, and without any after [Options.Interval], which is a second: events that are lost delay
// the end by this time and change nothing else. A state that this package does not know counts as a
// migration that goes on.
//
// # Concurrency
//
// A QEMU has one migration at a time, and refuses a second. The functions keep no state: a manager
// that was restarted calls Wait. Callbacks run on the goroutine that waits.
package migration
