package job_test

import (
	"context"
	"errors"
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

// TestNoRefusal: a job that finalizes itself is pending for a moment; no command is sent that QEMU must refuse.
func TestNoRefusal(t *testing.T) {
	for name, request := range requests {
		if name == "backup" { // a wait finalizes it
			continue
		}
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
