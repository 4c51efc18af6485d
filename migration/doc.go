// Package migration moves a running machine from one QEMU to another, or into a file. It reports the
// progress and, at the end, which QEMU has the machine.
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
// Start, Run, Wait, WaitIncoming, Cancel and Resume end in exactly one of these ways. An error
// matches only one row, whatever its reason is.
//
//	error                 machine                                         begun  next
//	nil of Run, Wait,     sent; stopped at the source in run state        yes    WaitIncoming
//	  Resume              postmigrate
//	nil of WaitIncoming   at the destination; runs if it ran before       yes    end the source
//	nil of Cancel         at this QEMU; no migration is running           –
//	ErrNotStarted         at the source, as before; Resume: still paused  no     remove the reason
//	ErrNone               at the source, as before                        no
//	ErrCancelled          at the source, as before                        yes
//	*FailedError          at the source, as before, unless a field says   yes
//	                      otherwise
//	ErrCompleted          sent; only Cancel returns this error            yes    WaitIncoming
//	ErrPaused             at the destination, which needs more memory     yes    Resume
//	                      from the source
//	ErrGoesOn             being sent; only the wait has ended             yes    Wait, Cancel
//	ErrUnknown            unknown: QEMU does not answer                   maybe  connect, Wait
//
// Column "begun" says whether QEMU may have begun the migration. [qmp.MayHaveExecuted] reports the same for
// each of these errors. Only ErrUnknown matches [qmp.ErrOutcomeUnknown]. Only ErrNotStarted matches
// [qmp.ErrNotSent]; if QEMU refused migrate, it matches [*qmp.Error] instead.
//
// QEMU reports the end of a migration before it changes the run state. For some milliseconds it is still in
// finish-migrate, and refuses cont. The functions wait for the change of the run state, also after a
// failure. If QEMU stays in finish-migrate for 15 seconds, the error is [ErrGoesOn], or after a failure a
// [*FailedError] with Halted.
//
// The destination may still fail to load the machine after the source has sent it. WaitIncoming returns nil
// when the destination has the machine. With the capability return-path on both sides, the source also waits
// for the destination, and continues the machine if the destination fails; QEMU 5.2 does not always wait.
// Without return-path, the migration is complete at the source when all is sent. qemu.Cont makes the machine
// run again at the source. Send it only if you are certain that the destination has failed and its QEMU has
// ended.
//
// # Contexts
//
// If the context of Run ends, Run cancels the migration and returns when QEMU has done so, 15 seconds later
// at most. If QEMU has sent everything by then, Run returns nil although the context has ended: the machine
// is at the destination.
//
// A QEMU older than 10.0 must not get migrate_cancel during the milliseconds in which it gives the disks to
// the destination: the machine would continue at the source without its disks, and QEMU would terminate when
// the guest writes. Run, Wait and Cancel wait until this is over, 5 seconds at most. With the capability
// pause-before-switchover and [Options.PreSwitchover], Run is always safe. Without them, the machine can stop
// between Run's last question and migrate_cancel: if ctx ends in this millisecond, a QEMU older than 10.0 can
// still terminate.
//
// If the context of Wait or WaitIncoming ends, only the wait ends. The migration continues, and [Cancel]
// cancels it. A manager that was restarted can also cancel when its context ends, as Run does:
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
// With the capability postcopy-ram on both sides, a migration can move the machine first and the rest of its
// memory afterwards ([Options.Postcopy]). Use it if the machine changes its memory faster than QEMU sends
// it. After the switch, neither side has the whole machine, and cancelling the migration would lose it. QEMU
// 5.2 and 7.2 do not refuse to cancel, so Run and Cancel do not ask for it. The destination then runs the
// machine even if it was stopped at the source, unless the destination was started with -S.
//
// If you start postcopy yourself (qemu.MigrateStartPostcopy), do not let the context of Run end and do not
// call Cancel at the same time: on QEMU 5.2 and 7.2 a cancellation at this moment loses the machine.
//
// # States in which migrate crashes QEMU
//
// Start checks the state of the machine before it sends migrate. In the states below, migrate
// crashes the QEMU versions in parentheses (measured on 5.2, 7.2, 10.0 and 11.1), so Start returns a
// [*StateError] if:
//   - the machine was sent already, even if it was reset since (5.2, 7.2).
//   - QEMU is writing a dump of the guest's memory (5.2).
//   - a backup is running (before 7.2).
//   - the machine is stopped and came with the capability late-block-activate (before 10.0).
//
// # Events
//
// [Start] and [StartIncoming] turn on QEMU's capability "events". The functions that wait ask QEMU
// (query-migrate) after each MIGRATION event, and every [Options.Interval], which is a second by default.
// So a lost event delays the end of the wait by at most this time, and has no other effect. If this
// package does not know the state of a migration, it continues to wait.
//
// # Concurrency
//
// A QEMU has one migration at a time, and refuses a second. This package keeps no state, so a
// manager that was restarted can call Wait. Callbacks run on the goroutine that waits.
package migration
