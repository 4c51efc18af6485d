package migration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A fault is what goes wrong with one command.
type fault struct {
	name string
	do   func(r *qmptest.Request, m *model, cancel func()) (any, error)
}

var faults = []fault{
	{"refused", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no"}
	}},
	{"lost before it is executed", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		r.Disconnect()
		return nil, qmptest.ErrNoReply
	}},
	{"lost after it was executed", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		_, _ = m.execute(r)
		r.Disconnect()
		return nil, qmptest.ErrNoReply
	}},
	{"hangs, and the context ends", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		time.AfterFunc(time.Second, cancel)
		return qmptest.Hang(r)
	}},
	{"the context ends before it is executed", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		cancel()
		time.Sleep(time.Millisecond) // until all others wait
		return m.execute(r)
	}},
	{"the context ends after it was executed", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		value, err := m.execute(r)
		cancel()
		time.Sleep(time.Millisecond)
		return value, err
	}},
	{"the connection and the context end", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		r.Disconnect()
		cancel()
		return nil, qmptest.ErrNoReply
	}},
	{"answered with something else", func(r *qmptest.Request, m *model, cancel func()) (any, error) {
		_, _ = m.execute(r)
		return 7, nil
	}},
}

// claims is an error that claims to be everything.
var claims = errors.Join(errors.New("the storage is not ready"), qmp.ErrNotSent, qmp.ErrOutcomeUnknown, &qmp.Error{Class: qmp.ErrGeneric},
	migration.ErrNone, migration.ErrNotStarted, migration.ErrCancelled, migration.ErrCompleted, migration.ErrPaused,
	migration.ErrGoesOn, migration.ErrUnknown, &migration.FailedError{Postcopy: true})

// endingOf is the name of the ending that err is, of which there must be exactly one.
func endingOf(t *testing.T, err error) (name string) {
	t.Helper()
	if err == nil {
		return "nil"
	}
	var names []string
	for name, sentinel := range map[string]error{
		"none": migration.ErrNone, "not started": migration.ErrNotStarted, "cancelled": migration.ErrCancelled,
		"completed": migration.ErrCompleted, "paused": migration.ErrPaused, "goes on": migration.ErrGoesOn,
		"unknown": migration.ErrUnknown,
	} {
		if errors.Is(err, sentinel) {
			names = append(names, name)
		}
	}
	if errors.As(err, new(*migration.FailedError)) {
		names = append(names, "failed")
	}
	require.Len(t, names, 1, "%v", err)
	return names[0]
}

// TestEndings causes every fault at every command of every operation. Each operation ends in one way
// only, which is true of the machine.
func TestEndings(t *testing.T) {
	unix := migration.Unix("/run/m")
	run := func(opts *migration.Options) func(context.Context, qmp.Conn) error {
		return func(ctx context.Context, c qmp.Conn) error {
			_, err := migration.Run(ctx, c, unix, opts)
			return err
		}
	}
	wait := func(opts *migration.Options) func(context.Context, qmp.Conn) error {
		return func(ctx context.Context, c qmp.Conn) error {
			_, err := migration.Wait(ctx, c, opts)
			return err
		}
	}
	cancel := func(ctx context.Context, c qmp.Conn) error {
		_, err := migration.Cancel(ctx, c)
		return err
	}
	accepts := &migration.Options{PreSwitchover: func(context.Context) error { return nil }}
	fails := &migration.Options{PreSwitchover: func(context.Context) error { return claims }}
	postcopy := &migration.Options{Postcopy: atOnce}
	for _, op := range []struct {
		name    string
		model   func() *model
		do      func(ctx context.Context, c qmp.Conn) error
		ending  string // without a fault
		cancels bool   // it may send migrate_cancel
		others  string // the endings that a fault may lead to
	}{
		{"Start", func() *model { return sends(false, "setup", "active") },
			func(ctx context.Context, c qmp.Conn) error { return migration.Start(ctx, c, unix) },
			"nil", false, "not started, unknown"},
		{"StartIncoming", func() *model { m := receives("setup"); m.begun = false; return m },
			func(ctx context.Context, c qmp.Conn) error { return migration.StartIncoming(ctx, c, unix) },
			"nil", false, "not started, unknown"},
		{"Run", func() *model { return sends(false, "setup", "active", "active", "device", "completed") },
			run(nil), "nil", true, "not started, unknown, cancelled"},
		{"Run that fails", func() *model { return sends(false, "setup", "active", "failed") },
			run(nil), "failed", true, "not started, unknown, cancelled"},
		{"Run with a callback before the switchover", func() *model { return sends(false, "active", "pre-switchover", "device", "completed") },
			run(accepts), "nil", true, "not started, unknown, cancelled"},
		{"Run with one that fails", func() *model { return sends(false, "active", "pre-switchover", "device", "completed") },
			run(fails), "cancelled", true, "not started, unknown, goes on"},
		{"Run with postcopy", func() *model { return sends(false, "setup", "active", "active", "active") },
			run(postcopy), "nil", true, "not started, unknown, goes on, cancelled"},
		{"Wait", func() *model { return sends(true, "active", "active", "device", "completed") },
			wait(nil), "nil", false, "unknown, goes on"},
		{"Wait that fails", func() *model { return sends(true, "active", "device", "failed") },
			wait(nil), "failed", false, "unknown, goes on"},
		{"Wait with a callback before the switchover", func() *model { return sends(true, "active", "pre-switchover", "device", "completed") },
			wait(accepts), "nil", false, "unknown, goes on"},
		{"Wait with one that fails", func() *model { return sends(true, "active", "pre-switchover", "device", "completed") },
			wait(fails), "cancelled", true, "unknown, goes on"},
		{"Wait with postcopy", func() *model { return sends(true, "active", "active", "active", "active") },
			wait(postcopy), "nil", false, "unknown, goes on"},
		{"Wait for one that somebody cancelled", func() *model { return sends(true, "active", "cancelling", "cancelled") },
			wait(nil), "cancelled", false, "unknown, goes on"},
		{"Wait for one that is paused", func() *model { return sends(true, "postcopy-active", "postcopy-paused") },
			wait(nil), "paused", false, "unknown, goes on"},
		{"Wait for none", func() *model { return sends(false, "setup") },
			wait(nil), "none", false, "unknown, goes on"},
		{"WaitIncoming", func() *model { return receives("", "", "active", "completed") },
			func(ctx context.Context, c qmp.Conn) error {
				_, err := migration.WaitIncoming(ctx, c, nil)
				return err
			}, "nil", false, "unknown, goes on"},
		{"Cancel", func() *model { return sends(true, "active", "active", "active", "active", "completed") },
			cancel, "nil", true, "unknown, goes on"},
		{"Cancel of one that is completed", func() *model { return sends(true, "completed") },
			cancel, "completed", false, "unknown, goes on"},
		{"Cancel of one that failed", func() *model { return sends(true, "failed") },
			cancel, "nil", false, "unknown, goes on"},
		{"Cancel of none", func() *model { return sends(false, "setup") },
			cancel, "nil", false, "unknown, goes on"},
		{"Cancel of postcopy", func() *model { return sends(true, "postcopy-active") },
			cancel, "goes on", false, "unknown"},
		{"Resume", func() *model {
			return sends(true, "postcopy-paused", "postcopy-recover", "postcopy-active", "completed")
		},
			func(ctx context.Context, c qmp.Conn) error {
				_, err := migration.Resume(ctx, c, unix, nil)
				return err
			}, "nil", false, "not started, unknown, goes on"},
	} {
		t.Run(op.name, func(t *testing.T) {
			for _, fault := range faults {
				for at := 0; ; at++ {
					hit, command, resume := false, "", op.name == "Resume"
					synctest.Test(t, func(t *testing.T) {
						m, n := op.model(), 0
						s := qmptest.NewServer(t, nil)
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						for _, name := range modelCommands {
							s.Handle(name, func(r *qmptest.Request) (any, error) {
								m.mu.Lock()
								now := n == at
								n++
								if now {
									hit, command = true, name
								}
								m.mu.Unlock()
								if now {
									return fault.do(r, m, cancel)
								}
								return m.execute(r)
							})
						}
						c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
						require.NoError(t, err)
						defer c.Close()
						err = op.do(ctx, c)

						m.mu.Lock()
						defer m.mu.Unlock()
						what := fmt.Sprintf("%s, command %d (%s) %s: %v", op.name, at, command, fault.name, err)
						ending := endingOf(t, err)
						if ending != op.ending {
							require.Contains(t, ", "+op.others+", ", ", "+ending+", ", what)
						}
						if !hit {
							require.Equal(t, op.ending, ending, what)
						}
						require.Equal(t, ending == "unknown", errors.Is(err, qmp.ErrOutcomeUnknown), what)
						refused := errors.As(err, new(*qmp.Error))
						require.Equal(t, ending == "not started" && !refused, errors.Is(err, qmp.ErrNotSent), what)
						if err != nil {
							require.Equal(t, ending != "not started" && ending != "none", qmp.MayHaveExecuted(err), what)
						}
						require.False(t, errors.Is(err, context.DeadlineExceeded), what)
						if ctx.Err() == nil {
							require.False(t, errors.Is(err, context.Canceled), what)
						}
						if !op.cancels {
							require.Zero(t, m.cancels, what)
						}
						m.check(t, ending, op.name, what, resume)
					})
					if !hit {
						break
					}
				}
			}
		})
	}
}

// check compares how an operation ended with what has become of the machine.
func (m *model) check(t *testing.T, ending, op, what string, resumes bool) {
	t.Helper()
	starts := op == "Start" || op == "StartIncoming"
	cancels := len(op) >= 6 && op[:6] == "Cancel"
	switch ending {
	case "nil":
		switch {
		case starts:
			require.True(t, m.begun, what)
		case cancels:
			require.Contains(t, []qemu.MigrationStatus{"", "cancelled", "failed"}, m.status(), what)
			require.Equal(t, qemu.RunStateRunning, m.runState(), what)
		case m.incoming:
			require.Equal(t, qemu.MigrationStatusCompleted, m.status(), what)
			require.Equal(t, qemu.RunStateRunning, m.runState(), what)
		default:
			require.Equal(t, qemu.MigrationStatusCompleted, m.status(), what)
			require.Equal(t, qemu.RunStatePostmigrate, m.runState(), what)
		}
	case "not started":
		if resumes {
			require.Equal(t, qemu.MigrationStatusPostcopyPaused, m.status(), what)
		} else {
			require.False(t, m.begun, what)
		}
	case "none":
		require.False(t, m.begun, what)
	case "cancelled", "failed":
		require.Equal(t, qemu.MigrationStatus(ending), m.status(), what)
		require.Equal(t, qemu.RunStateRunning, m.runState(), what)
	case "completed":
		require.Equal(t, qemu.MigrationStatusCompleted, m.status(), what)
	}
}

// TestReasonsOfEndings: an ending matches its reasons, but no other ending because of them.
func TestReasonsOfEndings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("pre-switchover")
		mine := fmt.Errorf("mine: %w", claims)
		_, err := migration.Run(t.Context(), f.Client, migration.Unix("/run/m"), &migration.Options{
			PreSwitchover: func(context.Context) error { return mine },
		})
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, mine)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.ErrorAs(t, err, new(*qmp.Error))
		require.True(t, qmp.MayHaveExecuted(err))
		require.ErrorContains(t, err, "the storage is not ready")
		require.Equal(t, "cancelled", endingOf(t, err))
	})
}

// TestOwnLimits: QEMU never answers migrate or getfd. The error of the package's own time limit
// does not match that of the caller's context.
func TestOwnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("migrate", qmptest.Hang)
		err := migration.Start(t.Context(), f.Client, migration.Unix("/run/m"))
		require.ErrorIs(t, err, migration.ErrUnknown)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "no answer within 15s")
	})
}

// TestWaitEndsWithItsContext: Wait returns at once, whenever its context ends, and cancels nothing.
func TestWaitEndsWithItsContext(t *testing.T) {
	for name, prepare := range map[string]func(*fake){
		"active":         func(f *fake) { f.is("active") },
		"hanging":        func(f *fake) { f.Handle("query-migrate", qmptest.Hang) },
		"not settled":    func(f *fake) { f.is("completed"); f.isIn(qemu.RunStateFinishMigrate) },
		"cancelling":     func(f *fake) { f.is("cancelling") },
		"pre-switchover": func(f *fake) { f.is("pre-switchover") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				prepare(f)
				for _, timeout := range []time.Duration{0, 3 * time.Millisecond, 1700 * time.Millisecond} {
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					start := time.Now()
					_, err := migration.Wait(ctx, f.Client, &migration.Options{
						PreSwitchover: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
					})
					cancel()
					require.ErrorIs(t, err, migration.ErrGoesOn)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, timeout, time.Since(start))
				}
				require.Zero(t, f.sent("migrate_cancel"))
			})
		})
	}
}

// TestRunCancelsBeforeTheSwitchover: the context of Run ends in the callback.
func TestRunCancelsBeforeTheSwitchover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("pre-switchover")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := migration.Run(ctx, f.Client, migration.Unix("/run/m"), &migration.Options{
			PreSwitchover: func(ctx context.Context) error { <-ctx.Done(); return io.ErrUnexpectedEOF },
		})
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// TestRunStateAtTheEnd: after the end of a migration the source is in finish-migrate for a moment, and
// the wait goes on. If the source stays in it, the error says so.
func TestRunStateAtTheEnd(t *testing.T) {
	for _, c := range []struct {
		status string
		then   qemu.RunState
		ending string // while the run state is finish-migrate
	}{
		{"completed", qemu.RunStatePostmigrate, "goes on"},
		{"cancelled", qemu.RunStateRunning, "goes on"},
		{"failed", qemu.RunStateRunning, "failed"},
	} {
		t.Run(c.status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.is("active")
				ended := f.waits(t.Context(), nil)
				f.isIn(qemu.RunStateFinishMigrate)
				f.becomes(c.status)
				time.Sleep(5*time.Second - time.Millisecond)
				f.isIn(c.then)
				start := time.Now()
				e := <-ended
				require.Less(t, time.Since(start), 100*time.Millisecond)
				require.Equal(t, qemu.MigrationStatus(c.status), e.Status)
				if e.err != nil {
					require.Equal(t, c.status, endingOf(t, e.err))
				}

				f.isIn(qemu.RunStateFinishMigrate)
				start = time.Now()
				e = <-f.waits(t.Context(), nil)
				require.Equal(t, c.ending, endingOf(t, e.err))
				require.Equal(t, 15*time.Second, time.Since(start))
				var failed *migration.FailedError
				if errors.As(e.err, &failed) {
					require.True(t, failed.Halted)
					require.ErrorContains(t, e.err, "still stopped")
				}
			})
		})
	}
}

// TestArrivedBetweenTwoQuestions: the machine comes after query-migrate and before query-status.
func TestArrivedBetweenTwoQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.isIn(qemu.RunStateInmigrate)
		ended := begins(func() (migration.Progress, error) { return migration.WaitIncoming(t.Context(), f.Client, nil) })
		f.Handle("query-status", func(*qmptest.Request) (any, error) {
			f.is("completed")
			return map[string]any{"status": "running", "running": true}, nil
		})
		e := <-ended
		require.NoError(t, e.err)
		require.Equal(t, qemu.MigrationStatusCompleted, e.Status)
	})
}

// TestStatesThatForbidMigration: Start finds these states and does not send migrate.
func TestStatesThatForbidMigration(t *testing.T) {
	backup := qmptest.Return([]map[string]any{
		{"id": "m", "type": "mirror", "status": "running", "current-progress": 0, "total-progress": 1},
		{"id": "old", "type": "backup", "status": "concluded", "current-progress": 0, "total-progress": 1},
		{"id": "b", "type": "backup", "status": "running", "current-progress": 0, "total-progress": 1},
	})
	version := func(major, minor int) qmptest.Handler {
		return qmptest.Return(map[string]any{"qemu": map[string]int{"major": major, "minor": minor, "micro": 0}, "package": ""})
	}
	for _, c := range []struct {
		name    string
		prepare func(*fake)
		text    string // of the error; "" for none
	}{
		{"running", func(f *fake) {}, ""},
		{"paused", func(f *fake) { f.isIn(qemu.RunStatePaused) }, ""},
		{"sent already", func(f *fake) { f.isIn(qemu.RunStatePostmigrate); f.is("completed") }, "send cont"},
		{"sent already, and reset", func(f *fake) {
			f.isIn(qemu.RunStatePrelaunch)
			f.is("completed", "ram", exampleInfo("active")["ram"])
		}, "reset"},
		{"a dump", func(f *fake) { f.isIn(qemu.RunStateSaveVM) }, "dump"},
		{"a backup on 5.2", func(f *fake) { f.Handle("query-jobs", backup); f.Handle("query-version", version(5, 2)) }, "(b)"},
		{"a backup on 7.2", func(f *fake) { f.Handle("query-jobs", backup); f.Handle("query-version", version(7, 2)) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				c.prepare(f)
				err := migration.Start(t.Context(), f.Client, migration.Unix("/run/m"))
				if c.text == "" {
					require.NoError(t, err)
					return
				}
				require.Equal(t, "not started", endingOf(t, err))
				var state *migration.StateError
				require.ErrorAs(t, err, &state)
				require.Equal(t, f.runState, state.RunState)
				require.ErrorContains(t, err, c.text)
				require.ErrorIs(t, err, qmp.ErrNotSent)
				require.Zero(t, f.sent("migrate"))
			})
		})
	}
}
