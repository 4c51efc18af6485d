package job_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A fake is a QEMU with fake jobs.
type fake struct {
	*qmptest.Server
	*fakeqemu.Jobs
	client *qmp.Client
}

// inBubble runs a test with a fake whose time passes at once.
func inBubble(t *testing.T, version qmp.Version, test func(t *testing.T, f *fake)) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, &qmptest.Options{Version: version})
		f := &fake{Server: s, Jobs: fakeqemu.NewJobs(s)}
		var err error
		f.client, err = qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		defer f.client.Close()
		test(t, f)
	})
}

var (
	newest = qmp.Version{Major: 11, Minor: 1}
	oldest = qmp.Version{Major: 5, Minor: 2}

	mirror = qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull}
	backup = qemu.BlockdevBackup{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull}
	stream = qemu.BlockStream{Device: "data1"}
)

// requests are a job with a state "ready", one without, one that may dismiss itself, and one that is no block job.
var requests = map[string]qmp.Request{
	"mirror": mirror, "backup": backup, "stream": stream,
	"save": qemu.SnapshotSave{Tag: "one", VMState: "data1", Devices: []string{"data1"}},
}

// TestEvents: jobs succeed and fail with and without events, on QEMUs where they dismiss themselves and on others.
func TestEvents(t *testing.T) {
	for _, version := range []qmp.Version{oldest, {Major: 7, Minor: 2}, newest} {
		for name, request := range requests {
			t.Run(version.String()+"/"+name, func(t *testing.T) {
				inBubble(t, version, func(t *testing.T, f *fake) {
					require.NoError(t, job.Run(t.Context(), f.client, "one", request, nil))
					require.Empty(t, f.States())
					f.Fail("No space left on device")
					err := job.Run(t.Context(), f.client, "one", request, nil)
					failed, ok := errors.AsType[*job.FailedError](err)
					require.True(t, ok, "%v", err)
					require.Equal(t, "No space left on device", failed.Reason)
					require.Empty(t, f.States())

					f.Mute(true)
					f.Fail("")
					start := time.Now()
					err = job.Run(t.Context(), f.client, "one", request, nil)
					if errors.Is(err, job.ErrGone) { // it dismissed itself
						require.Contains(t, []string{"5.2.0/backup", "7.2.0/stream"}, version.String()+"/"+name)
					} else {
						require.NoError(t, err)
					}
					require.LessOrEqual(t, time.Since(start), 5*time.Second)
					require.Empty(t, f.States())
				})
			})
		}
	}
}

// TestFaultAtEveryStep: whatever command goes wrong, the wait ends, and the error says what is known.
func TestFaultAtEveryStep(t *testing.T) {
	for name, request := range requests {
		for _, fault := range fakeqemu.Faults {
			t.Run(name+"/"+string(fault), func(t *testing.T) {
				inBubble(t, newest, func(t *testing.T, f *fake) {
					run := func(ctx context.Context, conn *fakeqemu.Faulty) error {
						return job.Run(ctx, conn, "one", request, nil)
					}
					met, err := fakeqemu.AtEveryStep(t.Context(), f.client, fault, run, func(command string, err error) {
						known := 0
						for _, ending := range []error{
							job.ErrNotStarted, job.ErrCancelled, job.ErrGone, job.ErrNotDismissed, job.ErrGoesOn, job.ErrUnknown,
						} {
							if errors.Is(err, ending) {
								known++
							}
						}
						if _, failed := errors.AsType[*job.FailedError](err); failed {
							known++
						}
						require.LessOrEqual(t, known, 1, "%s: %v", command, err)
						require.True(t, err == nil || known == 1, "%s: %v", command, err)
						switch left := f.States(); {
						case err == nil, errors.Is(err, job.ErrNotStarted), errors.Is(err, job.ErrCancelled):
							require.Empty(t, left, "%s: %v", command, err)
						default:
							for range left {
								j, err := job.Find(t.Context(), f.client, "one")
								require.NoError(t, err)
								require.NotErrorIs(t, j.Wait(t.Context(), nil), job.ErrGoesOn)
							}
						}
					})
					require.NoError(t, err)
					require.GreaterOrEqual(t, len(met), 3)
				})
			})
		}
	}
}

// TestFaultsOfCancel: the same for the commands of Cancel.
func TestFaultsOfCancel(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			inBubble(t, newest, func(t *testing.T, f *fake) {
				f.Hold(true)
				cancel := func(ctx context.Context, conn *fakeqemu.Faulty) error {
					j, err := job.Start(ctx, conn, "one", mirror)
					if err != nil {
						return err
					}
					defer j.Detach()
					return j.Cancel(ctx)
				}
				met, err := fakeqemu.AtEveryStep(t.Context(), f.client, fault, cancel, func(command string, err error) {
					left := f.States()
					if err == nil || errors.Is(err, job.ErrNotStarted) || errors.Is(err, job.ErrCancelled) {
						require.Empty(t, left, "%s: %v", command, err)
					}
					for range left {
						j, err := job.Find(t.Context(), f.client, "one")
						require.NoError(t, err)
						require.NoError(t, j.Cancel(t.Context()))
					}
				})
				require.NoError(t, err)
				require.Equal(t, []string{"blockdev-mirror", "job-cancel", "query-jobs", "job-dismiss"}, met)
			})
		})
	}
}

// TestOthers: another client dismisses the job, or cancels it, and the events say how it ended.
func TestOthers(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { f.Forget("one") })
		require.NoError(t, j.Wait(t.Context(), nil))

		j, err = job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { qemu.JobCancel{ID: "one"}.Do(t.Context(), f.client) })
		require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrCancelled)

		j, err = job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		f.Mute(true)
		f.Forget("one")
		require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrGone)
		require.ErrorIs(t, j.Cancel(t.Context()), job.ErrGone)
	})
}

// afterEarlier is a connection on which events of an earlier job come before a job starts.
type afterEarlier struct {
	*qmp.Client
	f *fake
}

func (c afterEarlier) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == "blockdev-mirror" {
		c.f.Event(qemu.EventBlockJobCancelled, map[string]any{"type": "mirror", "device": "one", "len": 0, "offset": 0, "speed": 0})
		c.f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "null"})
	}
	return c.Client.Execute(ctx, call)
}

// TestEarlierJob: events of an earlier job with this ID count for nothing.
func TestEarlierJob(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), afterEarlier{f.client, f}, "one", mirror)
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { f.Advance("one") })
		require.NoError(t, j.WaitReady(t.Context(), nil))
		f.Mute(true)
		f.Forget("one")
		require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrGone)
	})
}

// TestStandby: QEMU refuses to complete a job for a while, then does it; or it never does.
func TestStandby(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		refusals := 3
		jobs := f.Jobs
		f.Handle("job-complete", func(r *qmptest.Request) (any, error) {
			if refusals--; refusals >= 0 {
				return nil, errors.New("Job 'one' in state 'standby' cannot accept command verb 'complete'")
			}
			return nil, jobs.Complete("one")
		})
		require.NoError(t, job.Run(t.Context(), f.client, "one", mirror, nil))

		refusals = 1000
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		err = j.Complete(t.Context())
		require.ErrorIs(t, err, job.ErrGoesOn)
		_, refused := errors.AsType[*qmp.Error](err)
		require.True(t, refused, "%v", err)
		require.NoError(t, j.Cancel(t.Context()))

		err = job.Run(t.Context(), f.client, "one", mirror, nil)
		require.ErrorIs(t, err, job.ErrCancelled, "Run leaves no job behind")
		require.Empty(t, f.States())
	})
}

// TestStopped: a person mends the reason of an I/O error, and the wait goes on.
func TestStopped(t *testing.T) {
	for _, muted := range []bool{false, true} {
		inBubble(t, newest, func(t *testing.T, f *fake) {
			f.Mute(muted)
			f.Hold(true)
			j, err := job.Start(t.Context(), f.client, "one", mirror)
			require.NoError(t, err)
			time.AfterFunc(time.Minute, func() { f.Stop("one", qemu.BlockDeviceIOStatusFailed) })
			err = j.WaitReady(t.Context(), nil)
			stopped, ok := errors.AsType[*job.StoppedError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, &job.StoppedError{ID: "one", Type: qemu.JobTypeMirror, IOStatus: qemu.BlockDeviceIOStatusFailed}, stopped)
			require.NoError(t, j.Resume(t.Context()))
			time.AfterFunc(time.Minute, func() { f.Advance("one") })
			require.NoError(t, j.WaitReady(t.Context(), nil))
			require.NoError(t, j.Pause(t.Context()))
			require.NoError(t, j.Cancel(t.Context()))
			require.Empty(t, f.States())
		})
	}
}

// TestDetach ends the waits of several goroutines, and leaves the job running.
func TestDetach(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		endings := make(chan error, 2)
		for range 2 {
			go func() { endings <- j.Wait(t.Context(), nil) }()
		}
		synctest.Wait()
		j.Detach()
		j.Detach()
		for range 2 {
			require.ErrorIs(t, <-endings, job.ErrGoesOn)
		}
		require.ErrorIs(t, j.Cancel(t.Context()), job.ErrGoesOn)
		require.Equal(t, []string{"one running"}, f.States())
	})
}

// TestSecondWaiter: the end of its context cancels the job, although another goroutine waits as well.
func TestSecondWaiter(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		first := make(chan error, 1)
		go func() { first <- j.Wait(t.Context(), nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = j.WaitReady(ctx, nil)
		require.ErrorIs(t, err, job.ErrCancelled)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, <-first, job.ErrCancelled)
	})
}

// TestSilence: QEMU does not answer any more; the wait ends 15 seconds after its context.
func TestSilence(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		f.Handle("query-jobs", qmptest.NoReply)
		f.Handle("job-cancel", qmptest.NoReply)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err = j.Wait(ctx, nil)
		require.ErrorIs(t, err, job.ErrGoesOn)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), 76*time.Second)
	})
}

// TestRequests: what is no request of a job is refused before anything is sent.
func TestRequests(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		with := func(change func(r *qemu.BlockdevMirror)) qmp.Request {
			request := mirror
			change(&request)
			return request
		}
		for reason, request := range map[string]qmp.Request{
			"needs a request": nil,
			"starts no job":   qemu.Stop{},
			"auto-dismiss":    with(func(r *qemu.BlockdevMirror) { r.AutoDismiss = new(true) }),
			"is \"ignore\"":   with(func(r *qemu.BlockdevMirror) { r.OnTargetError = new(qemu.BlockdevOnErrorIgnore) }),
			"break-snapshot": qemu.BlockdevBackup{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull,
				OnCBWError: new(qemu.OnCBWErrorBreakSnapshot)},
			"the job ID \"two\"": with(func(r *qemu.BlockdevMirror) { r.JobID = new("two") }),
		} {
			_, err := job.Start(t.Context(), f.client, "one", request)
			require.ErrorIs(t, err, job.ErrNotStarted, reason)
			require.ErrorIs(t, err, qmp.ErrNotSent, reason)
			require.ErrorContains(t, err, reason)
			require.False(t, qmp.MayHaveExecuted(err), reason)
		}
		_, err := job.Start(t.Context(), f.client, "1st", mirror)
		require.ErrorContains(t, err, "must begin with a letter")
		_, err = job.Start(t.Context(), f.client, "", qemu.BlockdevCreate{Options: qemu.BlockdevCreateOptions{
			Branch: &qemu.BlockdevCreateOptionsFile{Filename: "/nowhere"},
		}})
		require.ErrorContains(t, err, "needs an ID")
		require.False(t, strings.Contains(err.Error(), "job: job:"), err.Error())
		for id, request := range map[string]qmp.Request{
			"data1.mirror":        mirror,
			"data1.snapshot-save": requests["save"],
			"two":                 with(func(r *qemu.BlockdevMirror) { r.JobID = new("two") }),
		} {
			j, err := job.Start(t.Context(), f.client, "", request)
			require.NoError(t, err)
			require.Equal(t, id, j.ID())
			require.NoError(t, j.Wait(t.Context(), nil))
		}
	})
}

// TestCallback: a callback can detach, panic, and end its goroutine.
func TestCallback(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		require.ErrorIs(t, j.Wait(t.Context(), func(job.Progress) { f.Advance("one"); j.Detach() }), job.ErrGoesOn)
		synctest.Wait()
		require.Equal(t, []string{"one ready"}, f.States(), "no command is sent after Detach")
		f.Hold(false)
		synctest.Wait()
		delivered := f.client.Stats().EventsDelivered
		f.Event(qemu.EventJobStatusChange, map[string]any{"id": "other", "status": "running"})
		synctest.Wait()
		require.Equal(t, delivered, f.client.Stats().EventsDelivered, "the subscription has ended")

		require.PanicsWithValue(t, "in the callback", func() {
			_ = job.Run(t.Context(), f.client, "two", mirror, func(job.Progress) { panic("in the callback") })
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = job.Run(t.Context(), f.client, "three", mirror, func(job.Progress) { runtime.Goexit() })
		}()
		<-done
	})
}

// TestBusyEvents: events of other jobs do not put off the question for the state.
func TestBusyEvents(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		f.Mute(true)
		f.Advance("one")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		quiet := make(chan struct{})
		go func() {
			defer close(quiet)
			for ; ctx.Err() == nil; time.Sleep(400 * time.Millisecond) {
				f.Event(qemu.EventJobStatusChange, map[string]any{"id": "other", "status": "running"})
			}
		}()
		require.NoError(t, j.WaitReady(ctx, nil))
		j.Detach()
		cancel()
		<-quiet
	})
}

// TestIDUsedAgain: the job has ended, and another one has its ID. The other one stays as it is.
func TestIDUsedAgain(t *testing.T) {
	for name, ends := range map[string]func(ctx context.Context, j *job.Job) error{
		"Wait":            func(ctx context.Context, j *job.Job) error { return j.Wait(ctx, nil) },
		"WaitReady":       func(ctx context.Context, j *job.Job) error { return j.WaitReady(ctx, nil) },
		"EndWithoutPivot": func(ctx context.Context, j *job.Job) error { return j.EndWithoutPivot(ctx) },
		"Cancel": func(ctx context.Context, j *job.Job) error {
			if err := j.Cancel(ctx); !errors.Is(err, job.ErrTooLate) {
				return fmt.Errorf("cancelled: %w", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, newest, func(t *testing.T, f *fake) {
				f.Hold(true)
				j, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				f.Forget("one")
				other, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				defer other.Detach()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				require.NoError(t, ends(ctx, j))
				require.Equal(t, []string{"one running"}, f.States())
			})
		})
	}
}

// TestActsOnItsOwn: the methods that do not wait leave another job with the same ID as it is, and one that Detach was
// called for.
func TestActsOnItsOwn(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, j *job.Job) error{
		"Pause":    func(ctx context.Context, j *job.Job) error { return j.Pause(ctx) },
		"Resume":   func(ctx context.Context, j *job.Job) error { return j.Resume(ctx) },
		"SetSpeed": func(ctx context.Context, j *job.Job) error { return j.SetSpeed(ctx, 1) },
		"Progress": func(ctx context.Context, j *job.Job) error { _, err := j.Progress(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, newest, func(t *testing.T, f *fake) {
				f.Hold(true)
				j, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				f.Forget("one")
				other, err := job.Start(t.Context(), f.client, "one", mirror)
				require.NoError(t, err)
				before := len(f.Requests())
				require.ErrorIs(t, act(t.Context(), j), job.ErrGone)
				require.NoError(t, j.Wait(t.Context(), nil))
				require.ErrorIs(t, act(t.Context(), j), job.ErrGone)
				require.Len(t, f.Requests(), before)

				waits := make(chan error, 1)
				go func() { waits <- other.Wait(t.Context(), nil) }()
				synctest.Wait()
				err = act(t.Context(), other)
				require.False(t, errors.Is(err, job.ErrGone) || errors.Is(err, job.ErrGoesOn), "%v", err)
				require.Greater(t, len(f.Requests()), before)
				other.Detach()
				require.ErrorIs(t, <-waits, job.ErrGoesOn)
				require.ErrorIs(t, act(t.Context(), other), job.ErrGoesOn)
			})
		})
	}
}

// TestCancelWithEndedContext: it changes nothing, and a later wait does not cancel the job.
func TestCancelWithEndedContext(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = j.Cancel(ctx)
		require.ErrorIs(t, err, job.ErrGoesOn)
		require.ErrorIs(t, err, context.Canceled)
		waits := make(chan error, 1)
		go func() { waits <- j.WaitReady(t.Context(), nil) }()
		synctest.Wait()
		require.ErrorIs(t, j.Cancel(ctx), job.ErrGoesOn)
		f.Advance("one")
		require.NoError(t, <-waits)
		require.NoError(t, j.Complete(t.Context()))
		require.ErrorIs(t, j.Cancel(ctx), job.ErrTooLate, "the ending is known")
	})
}

// TestReadyNoMore: a job that was ready has failed since.
func TestReadyNoMore(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		require.NoError(t, j.WaitReady(t.Context(), nil))
		f.Fail("Input/output error")
		f.Advance("one")
		require.ErrorContains(t, j.WaitReady(t.Context(), nil), "Input/output error")
	})
}

// beforeAnswer is a connection on which the last events of an earlier job, and the first of this one, come before the
// first answer to a query.
type beforeAnswer struct {
	*qmp.Client
	f    *fake
	done bool
}

func (c *beforeAnswer) Execute(ctx context.Context, call *qmp.Call) error {
	if !c.done {
		c.done = true
		c.f.Event(qemu.EventBlockJobCancelled, map[string]any{"type": "mirror", "device": "one", "len": 0, "offset": 0, "speed": 0})
		c.f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "null"})
		c.f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "created"})
	}
	return c.Client.Execute(ctx, call)
}

// TestFindAfterEarlierJob: events of an earlier job with this ID count for nothing.
func TestFindAfterEarlierJob(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		j.Detach()
		j, err = job.Find(t.Context(), &beforeAnswer{Client: f.client, f: f}, "one")
		require.NoError(t, err)
		f.Fail("Input/output error")
		f.Advance("one")
		require.ErrorContains(t, j.Wait(t.Context(), nil), "Input/output error")
	})
}

// withoutAnswer is a connection on which the first job-cancel is lost.
type withoutAnswer struct {
	*qmp.Client
	lost bool
}

func (c *withoutAnswer) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == "job-cancel" && !c.lost {
		c.lost = true
		return qmp.ErrOutcomeUnknown
	}
	return c.Client.Execute(ctx, call)
}

// TestCancelAgain: a cancel that was perhaps not executed is sent again.
func TestCancelAgain(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		j, err := job.Start(t.Context(), &withoutAnswer{Client: f.client}, "one", mirror)
		require.NoError(t, err)
		require.ErrorIs(t, j.Cancel(t.Context()), job.ErrUnknown)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, j.Cancel(ctx))
		require.Empty(t, f.States())
	})
}

// TestNoRefusal: a job that finalizes itself is pending for a moment; no command is sent that QEMU must refuse.
func TestNoRefusal(t *testing.T) {
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, newest, func(t *testing.T, f *fake) {
				f.Hold(true)
				time.AfterFunc(time.Minute, func() {
					f.Event(qemu.EventJobStatusChange, map[string]any{"id": "one", "status": "pending"})
					time.Sleep(time.Millisecond) // the next events come a bit later
					f.Hold(false)
					f.Advance("one")
				})
				require.NoError(t, job.Run(t.Context(), f.client, "one", request, nil))
				require.Zero(t, f.client.Stats().Refused)
			})
		})
	}
}

// TestCompletedBefore: EndWithoutPivot does not say that the guest's disk stays, and does not finalize, after the job was completed.
func TestCompletedBefore(t *testing.T) {
	held := mirror
	held.AutoFinalize = new(false)
	inBubble(t, newest, func(t *testing.T, f *fake) {
		j, err := job.Start(t.Context(), f.client, "one", mirror)
		require.NoError(t, err)
		require.NoError(t, j.Complete(t.Context()))
		err = j.EndWithoutPivot(t.Context())
		require.ErrorIs(t, err, job.ErrTooLate)
		require.True(t, qmp.MayHaveExecuted(err))

		j, err = job.Start(t.Context(), f.client, "one", held)
		require.NoError(t, err)
		require.NoError(t, j.WaitPending(t.Context(), nil))
		require.ErrorIs(t, j.EndWithoutPivot(t.Context()), job.ErrGoesOn)
		j.Detach()
		j, err = job.Find(t.Context(), f.client, "one") // nobody knows who has completed it
		require.NoError(t, err)
		require.ErrorIs(t, j.EndWithoutPivot(t.Context()), job.ErrGoesOn)
		require.Equal(t, []string{"one pending"}, f.States())
		require.NoError(t, j.Cancel(t.Context()))
		require.Empty(t, f.States())

		j, err = job.Start(t.Context(), f.client, "one", held)
		require.NoError(t, err)
		require.NoError(t, j.EndWithoutPivot(t.Context()), "it finalizes what it has ended itself")
	})
}

// TestFailsWhileCancelled: no event tells whether a snapshot has failed or was cancelled, and QEMU's reason is not lost.
func TestFailsWhileCancelled(t *testing.T) {
	inBubble(t, newest, func(t *testing.T, f *fake) {
		f.Hold(true)
		f.Handle("job-cancel", func(*qmptest.Request) (any, error) {
			time.AfterFunc(time.Second, func() {
				f.Fail("No space left on device")
				f.Advance("one")
			})
			return nil, nil
		})
		j, err := job.Start(t.Context(), f.client, "one", requests["save"])
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = j.Wait(ctx, nil)
		require.ErrorIs(t, err, job.ErrCancelled)
		require.ErrorContains(t, err, "No space left on device")
	})
}

// TestDetachedPending: a job that dismisses itself waits for Find after Detach.
func TestDetachedPending(t *testing.T) {
	inBubble(t, oldest, func(t *testing.T, f *fake) {
		j, err := job.Start(t.Context(), f.client, "one", backup)
		require.NoError(t, err)
		j.Detach()
		require.Equal(t, []string{"one pending"}, f.States())
		j, err = job.Find(t.Context(), f.client, "one")
		require.NoError(t, err)
		require.NoError(t, j.Wait(t.Context(), nil))
		require.Empty(t, f.States())
	})
}
