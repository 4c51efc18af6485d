package migration_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// abandoned is how Run ends whose context ends while the migration is active.
func abandoned(t *testing.T, f *fake) (e end, took time.Duration) {
	t.Helper()
	f.is("active")
	ctx, cancel := context.WithCancel(t.Context())
	ended := f.runs(ctx, nil)
	start := time.Now()
	cancel()
	e = <-ended
	require.LessOrEqual(t, f.sent("migrate_cancel"), 1)
	return e, time.Since(start)
}

func TestCancelIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate_cancel", qmptest.Refuse(qmp.ErrGeneric, "no way"))
		e, _ := abandoned(t, f)
		require.ErrorIs(t, e.err, migration.ErrGoesOn)
		require.ErrorIs(t, e.err, context.Canceled)
		require.ErrorIs(t, e.err, qmp.ErrGeneric)
	})
}

// TestCancelIsRefusedForPostcopy: postcopy began just before migrate_cancel.
func TestCancelIsRefusedForPostcopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate_cancel", func(*qmptest.Request) (any, error) {
			f.is("postcopy-active")
			return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "too late"}
		})
		e, _ := abandoned(t, f)
		require.ErrorIs(t, e.err, migration.ErrGoesOn)
		require.ErrorContains(t, e.err, "postcopy")
	})
}

// TestCancelTakesTime: Cancel waits until QEMU has cancelled, with and without events.
func TestCancelTakesTime(t *testing.T) {
	for _, change := range []func(*fake, string, ...any){(*fake).is, (*fake).becomes} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.Handle("migrate_cancel", func(*qmptest.Request) (any, error) {
				f.is("cancelling")
				time.AfterFunc(10*time.Second, func() { change(f, "cancelled") })
				return nil, nil
			})
			e, took := abandoned(t, f)
			require.ErrorIs(t, e.err, migration.ErrCancelled)
			require.ErrorIs(t, e.err, context.Canceled)
			require.InDelta(t, 10, took.Seconds(), 0.1)
		})
	}
}

// TestCancelNeverEnds: QEMU cannot reach its destination.
func TestCancelNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate_cancel", func(*qmptest.Request) (any, error) {
			f.is("cancelling")
			return nil, nil
		})
		e, took := abandoned(t, f)
		require.ErrorIs(t, e.err, migration.ErrGoesOn)
		require.ErrorIs(t, e.err, context.Canceled)
		require.Equal(t, 15*time.Second, took)
	})
}

// TestMigrationFailsDuringCancel: the error is that of the failure.
func TestMigrationFailsDuringCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate_cancel", func(*qmptest.Request) (any, error) {
			f.is("failed", "error-desc", "out of cheese")
			return nil, nil
		})
		e, _ := abandoned(t, f)
		require.ErrorAs(t, e.err, new(*migration.FailedError))
		require.ErrorIs(t, e.err, context.Canceled)
	})
}

// TestQEMUHangs: QEMU answers neither query-migrate nor migrate_cancel.
func TestQEMUHangs(t *testing.T) {
	for _, command := range []string{"query-migrate", "migrate_cancel"} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.is("active")
				ctx, cancel := context.WithCancel(t.Context())
				ended := f.runs(ctx, nil)
				f.Handle(command, qmptest.Hang)
				start := time.Now()
				cancel()
				err := (<-ended).err
				require.ErrorIs(t, err, migration.ErrUnknown)
				require.ErrorIs(t, err, context.Canceled)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "that is not the caller's")
				require.Equal(t, 15*time.Second, time.Since(start))
			})
		})
	}
}

// TestPostcopyIsLeftAlone: after migrate-start-postcopy nothing is cancelled, even if QEMU has
// not begun postcopy.
func TestPostcopyIsLeftAlone(t *testing.T) {
	for _, status := range []string{"active", "postcopy-device", "postcopy-active", "postcopy-recover", "postcopy-newfangled"} {
		t.Run(status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.is("active")
				ctx, cancel := context.WithCancel(t.Context())
				ended := f.runs(ctx, &migration.Options{Postcopy: atOnce})
				f.is(status)
				cancel()
				err := (<-ended).err
				require.ErrorIs(t, err, migration.ErrGoesOn)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, 1, f.sent("migrate-start-postcopy"))
				require.Zero(t, f.sent("migrate_cancel"))
			})
		})
	}
}

// TestPostcopyIsAskedForOnce: migrate-start-postcopy is sent once, after Options.Postcopy has
// returned true.
func TestPostcopyIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("setup")
		ended := f.waits(t.Context(), &migration.Options{
			Postcopy: func(p migration.Progress) bool { return p.Elapsed > time.Minute },
		})
		f.becomes("active", "total-time", 60_000)
		time.Sleep(5 * time.Second)
		require.Zero(t, f.sent("migrate-start-postcopy"))
		f.becomes("active", "total-time", 60_001)
		time.Sleep(5 * time.Second)
		require.Equal(t, 1, f.sent("migrate-start-postcopy"))
		f.becomes("completed")
		require.NoError(t, (<-ended).err)
	})
}

// TestPreSwitchoverByAnotherClient: without a function another client continues the migration. A function
// is called once.
func TestPreSwitchoverByAnotherClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("pre-switchover")
		ended := f.waits(t.Context(), nil)
		time.Sleep(time.Minute)
		require.Zero(t, f.sent("migrate-continue"))
		f.becomes("completed")
		require.NoError(t, (<-ended).err)

		f.is("pre-switchover")
		called := 0
		ended = f.waits(t.Context(), &migration.Options{PreSwitchover: func(context.Context) error {
			called++
			return nil
		}})
		time.Sleep(time.Minute)
		require.Equal(t, 1, called)
		require.Equal(t, 1, f.sent("migrate-continue"))
		f.becomes("completed")
		require.NoError(t, (<-ended).err)
	})
}

// TestResume: Resume waits for a limited time until QEMU has connected again.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		name   string
		states []string // each after a second
		took   time.Duration
		want   error
	}{
		{"that succeeds", []string{"postcopy-recover", "postcopy-active", "completed"}, 3 * time.Second, nil},
		{"that fails", []string{"postcopy-recover-setup", "postcopy-paused"}, 2 * time.Second, migration.ErrPaused},
		{"of which nothing is told", nil, 10 * time.Second, migration.ErrPaused},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.is("postcopy-paused")
				f.Handle("migrate", func(r *qmptest.Request) (any, error) {
					var args struct {
						URI    string
						Resume bool
					}
					require.NoError(t, r.Decode(&args))
					require.True(t, args.Resume)
					for i, status := range c.states {
						time.AfterFunc(time.Duration(i+1)*time.Second, func() { f.becomes(status) })
					}
					return nil, nil
				})
				start := time.Now()
				_, err := migration.Resume(t.Context(), f.Client, migration.Unix("/run/m"), nil)
				require.ErrorIs(t, err, c.want)
				require.Equal(t, c.took, time.Since(start))
			})
		})
	}
}

// TestResumeIsRefused: there is nothing to resume.
func TestResumeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate", qmptest.Refuse(qmp.ErrGeneric, "nothing to resume"))
		_, err := migration.Resume(t.Context(), f.Client, migration.Unix("/run/m"), nil)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.NotErrorIs(t, err, migration.ErrUnknown)
		require.Zero(t, f.sent("migrate-set-capabilities"), "QEMU refuses that while a migration is paused")
	})
}

// TestStartWithoutAnswer: the migration may have begun, and the error does not match that of the
// context.
func TestStartWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate", qmptest.Hang)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := migration.Run(ctx, f.Client, migration.Unix("/run/m"), nil)
		require.ErrorIs(t, err, migration.ErrUnknown)
		require.Equal(t, 15*time.Second, time.Since(start))
	})
}

// TestQuestionsBeforeMigrate: if a question before migrate fails, no migration begins.
func TestQuestionsBeforeMigrate(t *testing.T) {
	unix := migration.Unix("/run/m")
	for _, c := range []struct {
		command string
		do      func(ctx context.Context, c *qmp.Client) error
	}{
		{"migrate-set-capabilities", func(ctx context.Context, c *qmp.Client) error { return migration.Start(ctx, c, unix) }},
		{"migrate-set-capabilities", func(ctx context.Context, c *qmp.Client) error { return migration.StartIncoming(ctx, c, unix) }},
		{"query-qmp-schema", func(ctx context.Context, c *qmp.Client) error { return migration.StartIncoming(ctx, c, unix) }},
		{"query-qmp-schema", func(ctx context.Context, c *qmp.Client) error {
			return migration.Start(ctx, c, migration.File("/srv/state", 0))
		}},
		{"query-qmp-schema", func(ctx context.Context, c *qmp.Client) error {
			return migration.SetLimits(ctx, c, migration.Limits{Bandwidth: 1})
		}},
		{"query-migrate-capabilities", func(ctx context.Context, c *qmp.Client) error {
			_, err := migration.Run(ctx, c, unix, &migration.Options{Postcopy: atOnce})
			return err
		}},
		{"query-migrate", func(ctx context.Context, c *qmp.Client) error {
			_, err := migration.Query(ctx, c)
			return err
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			refusal := errors.New("injected")
			f.Handle(c.command, func(*qmptest.Request) (any, error) { return nil, refusal })
			err := c.do(t.Context(), f.Client)
			require.ErrorContains(t, err, "injected")
			require.NotErrorIs(t, err, migration.ErrUnknown)
			require.Zero(t, f.sent("migrate"))
		})
	}
}

// TestCancelWhileQEMUHandsOver: a QEMU older than 10.0 would run the machine without its disks, so Cancel waits until that is
// over, and 5 seconds at most.
func TestCancelWhileQEMUHandsOver(t *testing.T) {
	for _, c := range []struct {
		status   string
		runState qemu.RunState
		major    int
		lasts    time.Duration
		cancels  int
	}{
		{"device", qemu.RunStateFinishMigrate, 5, 3 * time.Second, 0},
		{"device", qemu.RunStateFinishMigrate, 9, 3 * time.Second, 0},
		{"device", qemu.RunStateFinishMigrate, 9, 6 * time.Second, 1},
		{"device", qemu.RunStateFinishMigrate, 10, 3 * time.Second, 1},
		{"pre-switchover", qemu.RunStateFinishMigrate, 9, 3 * time.Second, 1},
		{"active", qemu.RunStateFinishMigrate, 9, 3 * time.Second, 0},
		{"active", qemu.RunStateFinishMigrate, 10, 3 * time.Second, 1},
		{"active", qemu.RunStateRunning, 9, 3 * time.Second, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.version(c.major)
			f.Handle("migrate_cancel", func(*qmptest.Request) (any, error) {
				f.isIn(qemu.RunStateRunning)
				f.is("cancelled")
				return nil, nil
			})
			f.is(c.status)
			f.isIn(c.runState)
			between := 10 * time.Millisecond // two questions
			end := time.AfterFunc(c.lasts+between, func() { f.isIn(qemu.RunStatePostmigrate); f.is("completed") })
			defer end.Stop()
			_, err := migration.Cancel(t.Context(), f.Client)
			require.Equal(t, c.cancels, f.sent("migrate_cancel"), c)
			if c.cancels == 0 {
				require.ErrorIs(t, err, migration.ErrCompleted)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// TestCancelAfterContinue: the context ends when Run has sent migrate-continue, and the state is pre-switchover for another
// moment.
func TestCancelAfterContinue(t *testing.T) {
	for _, answered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.version(7)
			f.is("pre-switchover")
			f.isIn(qemu.RunStateFinishMigrate)
			ctx, cancel := context.WithCancel(t.Context())
			f.Handle("migrate-continue", func(*qmptest.Request) (any, error) {
				time.AfterFunc(time.Second, func() { f.isIn(qemu.RunStatePostmigrate); f.is("completed") })
				if !answered {
					cancel()
					return nil, qmptest.ErrNoReply
				}
				time.AfterFunc(time.Millisecond, cancel)
				return nil, nil
			})
			_, err := migration.Run(ctx, f.Client, migration.Unix("/run/m"), &migration.Options{
				PreSwitchover: func(context.Context) error { return nil },
			})
			require.NoError(t, err, "the machine is at the destination")
			require.Zero(t, f.sent("migrate_cancel"))
		})
	}
}
