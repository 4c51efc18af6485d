package migration_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A fake is a QEMU that tells of a migration what a test says.
type fake struct {
	*qmptest.Server
	*qmp.Client

	mu       sync.Mutex
	info     map[string]any
	runState qemu.RunState
}

// newFake makes a fake with no migration, whose time is the test's in a bubble.
func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{Server: qmptest.NewServer(t, nil), info: map[string]any{}, runState: qemu.RunStateRunning}
	f.Handle("query-migrate", func(*qmptest.Request) (any, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.info, nil
	})
	f.Handle("query-status", func(*qmptest.Request) (any, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return qemu.StatusInfo{Status: f.runState, Running: f.runState == qemu.RunStateRunning}, nil
	})
	f.Handle("query-migrate-capabilities", qmptest.Return([]qemu.MigrationCapabilityStatus{
		{Capability: qemu.MigrationCapabilityPostcopyRAM, State: true},
		{Capability: qemu.MigrationCapabilityPauseBeforeSwitchover, State: true},
	}))
	for _, command := range []string{"migrate", "migrate-set-capabilities", "migrate-start-postcopy", "migrate-continue"} {
		f.Handle(command, qmptest.Return(nil))
	}
	f.Handle("migrate_cancel", func(*qmptest.Request) (any, error) {
		f.is("cancelled")
		return nil, nil
	})
	var err error
	f.Client, err = qmp.NewClient(t.Context(), f.Pipe(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { f.Client.Close() })
	return f
}

// is changes the state without an event, as without the capability. more are names and values.
func (f *fake) is(status string, more ...any) {
	info := map[string]any{"status": status, "total-time": 1}
	for i := 0; i < len(more); i += 2 {
		info[more[i].(string)] = more[i+1]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.info = info
}

// becomes changes the state and tells.
func (f *fake) becomes(status string, more ...any) {
	f.is(status, more...)
	f.Event(qemu.EventMigration, map[string]string{"status": status})
}

// isIn changes the run state.
func (f *fake) isIn(state qemu.RunState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runState = state
}

// version changes the version of QEMU.
func (f *fake) version(major int) {
	f.Handle("query-version", qmptest.Return(map[string]any{
		"qemu": map[string]int{"major": major, "minor": 2, "micro": 0}, "package": ""}))
}

// sent counts how often a command has come.
func (f *fake) sent(command string) (n int) {
	for _, r := range f.Requests() {
		if r.Command == command {
			n++
		}
	}
	return n
}

// An end is how a wait ended.
type end struct {
	migration.Progress
	err error
}

// waits begins to wait.
func (f *fake) waits(ctx context.Context, opts *migration.Options) <-chan end {
	return begins(func() (migration.Progress, error) { return migration.Wait(ctx, f.Client, opts) })
}

// runs begins a migration of its own.
func (f *fake) runs(ctx context.Context, opts *migration.Options) <-chan end {
	return begins(func() (migration.Progress, error) {
		return migration.Run(ctx, f.Client, migration.Unix("/run/m"), opts)
	})
}

// begins calls f until it waits for something.
func begins(f func() (migration.Progress, error)) <-chan end {
	ended := make(chan end, 1)
	go func() {
		p, err := f()
		ended <- end{p, err}
	}()
	synctest.Wait()
	return ended
}

// TestUnknownStates: the wait continues in a state that the package does not know.
func TestUnknownStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("setup")
		var seen []qemu.MigrationStatus
		ended := f.waits(t.Context(), &migration.Options{Progress: func(p migration.Progress) { seen = append(seen, p.Status) }})
		states := []string{"device", "failing", "newfangled", "completed"}
		for _, status := range states {
			f.becomes(status)
			synctest.Wait()
		}
		require.NoError(t, (<-ended).err)
		require.Equal(t, []qemu.MigrationStatus{"setup", "device", "failing", "newfangled", "completed"}, seen)
	})
}

// TestWithoutEvents: the wait asks after each interval.
func TestWithoutEvents(t *testing.T) {
	for _, interval := range []time.Duration{0, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.is("active")
			start, calls := time.Now(), 0
			ended := f.waits(t.Context(), &migration.Options{
				Interval: interval,
				Progress: func(migration.Progress) { calls++ },
			})
			time.Sleep(10*time.Second - time.Millisecond)
			f.is("completed")
			require.NoError(t, (<-ended).err)
			require.Equal(t, 10*time.Second, time.Since(start))
			if interval == 0 {
				interval = time.Second
			}
			require.Equal(t, int(10*time.Second/interval)+1, calls)
		})
	}
}

// A failingStream returns an error once, or each time.
type failingStream struct {
	qmp.EventStream
	err    error
	always bool
	failed bool
}

func (s *failingStream) Next(ctx context.Context) (qmp.RawEvent, error) {
	if s.always || !s.failed {
		s.failed = true
		return qmp.RawEvent{}, s.err
	}
	return s.EventStream.Next(ctx)
}

// withEvents is a connection with another stream of events.
type withEvents struct {
	qmp.Conn
	stream *failingStream
}

func (c withEvents) Events(names ...string) qmp.EventStream {
	c.stream.EventStream = c.Conn.Events(names...)
	return c.stream
}

// TestLostEvents: if events were lost the wait asks at once. If no events come it asks after each
// interval.
func TestLostEvents(t *testing.T) {
	for _, stream := range []*failingStream{
		{err: &qmp.EventsLostError{Count: 7}},
		{err: errors.New("no more events"), always: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.is("active")
			start, calls := time.Now(), 0
			_, err := migration.Wait(t.Context(), withEvents{f.Client, stream}, &migration.Options{
				Progress: func(migration.Progress) {
					if calls++; calls == 2 {
						f.is("completed")
					}
				},
			})
			require.NoError(t, err)
			require.Equal(t, 3, calls)
			require.Equal(t, time.Second, time.Since(start))
		})
	}
}

// An unreadable connection has answers to query-migrate that are no JSON.
type unreadable struct {
	qmp.Conn
	count int
}

func (c *unreadable) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == "query-migrate" && c.count > 0 {
		c.count--
		return &qmp.DecodeError{Command: call.Command, Path: "ram.mbps", Reason: "inf is no number"}
	}
	return c.Conn.Execute(ctx, call)
}

// TestUnreadableAnswers: the wait ignores a few answers that cannot be decoded.
func TestUnreadableAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("completed")
		start := time.Now()
		p, err := migration.Wait(t.Context(), &unreadable{f.Client, 5}, nil)
		require.NoError(t, err)
		require.Equal(t, qemu.MigrationStatusCompleted, p.Status)
		require.Equal(t, 5*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = migration.Wait(ctx, &unreadable{f.Client, 1 << 30}, nil)
		require.ErrorIs(t, err, migration.ErrUnknown)
		require.ErrorAs(t, err, new(*qmp.DecodeError))
		require.NoError(t, ctx.Err())

		f.is("active")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = migration.Wait(ended, &unreadable{f.Client, 3}, nil)
		require.ErrorIs(t, err, migration.ErrGoesOn)
		_, err = migration.Cancel(t.Context(), &unreadable{f.Client, 3})
		require.NoError(t, err, "a migration that is not known to be in postcopy is cancelled afterwards")
	})
}

// TestConnectionLost: the outcome is unknown, also during a cancellation.
func TestConnectionLost(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.is("active")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := f.runs(ctx, nil)
			if cancelled {
				f.Handle("migrate_cancel", func(r *qmptest.Request) (any, error) {
					r.Disconnect()
					return nil, qmptest.ErrNoReply
				})
				cancel()
			} else {
				f.Disconnect()
			}
			err := (<-ended).err
			require.ErrorIs(t, err, migration.ErrUnknown)
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, cancelled, errors.Is(err, context.Canceled))
			require.NotErrorIs(t, err, qmp.ErrNotSent, "that the question was not sent says nothing")
		})
	}
}

// TestConnectionLostAtTheDestination: the connection is lost between two questions.
func TestConnectionLostAtTheDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.Handle("query-status", func(r *qmptest.Request) (any, error) {
			r.Disconnect()
			return nil, qmptest.ErrNoReply
		})
		_, err := migration.WaitIncoming(t.Context(), f.Client, nil)
		require.ErrorIs(t, err, migration.ErrUnknown)
	})
}

// TestLateFigures: QEMU reports the last figures a moment after the end. The callback gets the end
// once, even if the figures never come.
func TestLateFigures(t *testing.T) {
	for _, late := range []time.Duration{20 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.is("active")
			calls := 0
			ended := f.waits(t.Context(), &migration.Options{Progress: func(migration.Progress) { calls++ }})
			start := time.Now()
			figures := time.AfterFunc(late, func() { f.is("completed", "total-time", 1234) })
			defer figures.Stop()
			f.becomes("completed", "total-time", 0)
			e := <-ended
			require.NoError(t, e.err)
			require.Equal(t, 2, calls)
			if late < time.Minute {
				require.Equal(t, 1234*time.Millisecond, e.Elapsed)
				require.LessOrEqual(t, time.Since(start), late+5*time.Millisecond)
			} else {
				require.Equal(t, 100*time.Millisecond, time.Since(start))
			}
		})
	}
}

// TestFailures: a FailedError has the reason, if there is one, and reports whether the machine
// was handed over.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		states func(f *fake)
		want   migration.FailedError
		text   string
	}{
		{"with a reason", func(f *fake) { f.becomes("failed", "error-desc", "out of cheese") },
			migration.FailedError{Reason: "out of cheese"}, "migration: failed: out of cheese"},
		{"without", func(f *fake) { f.is("failed") },
			migration.FailedError{}, "migration: failed: QEMU gives no reason"},
		{"in postcopy", func(f *fake) {
			f.becomes("postcopy-device")
			synctest.Wait()
			f.is("failed", "error-desc", "gone")
		}, migration.FailedError{Reason: "gone", Postcopy: true},
			"migration: failed in postcopy: gone; ask both sides whether they run the machine"},
		{"cancelled by somebody in postcopy", func(f *fake) {
			f.becomes("postcopy-active")
			synctest.Wait()
			f.becomes("cancelled")
		}, migration.FailedError{Reason: "it was cancelled", Postcopy: true},
			"migration: failed in postcopy: it was cancelled; ask both sides whether they run the machine"},
		{"in postcopy, of which only the event tells", func(f *fake) {
			f.is("failed")
			f.Event(qemu.EventMigration, map[string]string{"status": "postcopy-active"})
		}, migration.FailedError{Postcopy: true},
			"migration: failed in postcopy: QEMU gives no reason; ask both sides whether they run the machine"},
		{"in postcopy, of which only bytes tell", func(f *fake) {
			f.is("failed", "ram", qemu.MigrationStats{PostcopyBytes: new(uint64(1))})
		}, migration.FailedError{Postcopy: true},
			"migration: failed in postcopy: QEMU gives no reason; ask both sides whether they run the machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.is("active")
				ended := f.waits(t.Context(), nil)
				c.states(f)
				err := (<-ended).err
				var failed *migration.FailedError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, c.want, *failed)
				require.EqualError(t, err, c.text)
			})
		})
	}
}

// TestAnotherClientCancels: the migration is cancelled, and the context has not ended.
func TestAnotherClientCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.is("active")
		ended := f.waits(t.Context(), nil)
		f.becomes("cancelling")
		f.becomes("cancelled")
		require.Equal(t, migration.ErrCancelled, (<-ended).err)
		require.Zero(t, f.sent("migrate_cancel"))
	})
}

// TestProgress: durations and rates are in Go's units.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p, err := migration.Query(t.Context(), f.Client)
		require.NoError(t, err)
		require.Zero(t, p)
		f.is("none")
		p, err = migration.Query(t.Context(), f.Client)
		require.NoError(t, err)
		require.Empty(t, p.Status)

		f.is("active", "total-time", 1500, "expected-downtime", 300, "downtime", 12, "ram", map[string]any{
			"transferred": 1, "remaining": 2, "total": 3, "mbps": 8.0, "dirty-pages-rate": 10,
			"page-size": 4096, "dirty-sync-count": 4,
			"duplicate": 0, "normal": 0, "normal-bytes": 0, "postcopy-requests": 0, "multifd-bytes": 0,
			"pages-per-second": 0, "precopy-bytes": 0, "downtime-bytes": 0, "postcopy-bytes": 0,
			"dirty-sync-missed-zero-copy": 0,
		})
		p, err = migration.Query(t.Context(), f.Client)
		require.NoError(t, err)
		p.Info = qemu.MigrationInfo{}
		require.Equal(t, migration.Progress{
			Status: qemu.MigrationStatusActive, Transferred: 1, Remaining: 2, Total: 3,
			Rate: 1e6, DirtyRate: 40960, Pass: 4,
			ExpectedDowntime: 300 * time.Millisecond, Downtime: 12 * time.Millisecond,
			Elapsed: 1500 * time.Millisecond,
		}, p)
	})
}
