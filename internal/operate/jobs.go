package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

var jobID = Arg{Name: "job", Kind: "job", Required: true, Positional: true, Help: "ID of the job"}

var jobOperations = []Operation{
	{
		Name: "job list", Help: "List the jobs, also those that have ended and were not dismissed",
		Run: func(ctx context.Context, env *Env, _ Values) error {
			jobs, err := job.Describe(ctx, env.conn())
			if err != nil {
				return err
			}
			values, lines := []jobValue{}, []string{}
			for _, j := range jobs {
				values = append(values, valueOf(j))
				lines = append(lines, jobLines(j)...)
			}
			return env.result(values, lines...)
		},
	},
	{
		Name: "job wait", Help: "Wait for a job, complete it when it is ready, and dismiss it",
		Args: []Arg{jobID, {Name: "cancel", Kind: "bool", Default: "off", Help: "cancel the job if the wait is interrupted"}},
		Run:  jobWait,
	},
	{
		Name: "job cancel", Help: "Cancel a job, and wait until it has ended",
		Args: []Arg{jobID, {Name: "timeout", Kind: "duration", Default: "30s", Help: "how long to wait for QEMU"}},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			return env.withJob(ctx, v, func(j *job.Job) error { return env.done(j.Cancel(ctx), "job %s is cancelled", j.ID()) })
		}),
	},
	{
		Name: "job complete", Help: "Complete a job when it is ready: after a move, the guest uses the new image",
		Args: []Arg{jobID},
		Run: func(ctx context.Context, env *Env, v Values) error {
			return env.withJob(ctx, v, func(j *job.Job) error { return env.done(j.Complete(ctx), "job %s has succeeded", j.ID()) })
		},
	},
	{
		Name: "job dismiss", Help: "Make QEMU forget a job that has ended",
		Args: []Arg{jobID},
		Run: func(ctx context.Context, env *Env, v Values) error {
			err := qemu.JobDismiss{ID: v.text("job")}.Do(ctx, env.conn())
			return env.done(err, "job %s is dismissed", v.text("job"))
		},
	},
	{
		Name: "job pause", Help: "Pause a job until job resume",
		Args: []Arg{jobID},
		Run: func(ctx context.Context, env *Env, v Values) error {
			return env.withJob(ctx, v, func(j *job.Job) error { return env.done(j.Pause(ctx), "job %s pauses", j.ID()) })
		},
	},
	{
		Name: "job resume", Help: "Continue a job that was paused or that an I/O error has stopped",
		Args: []Arg{jobID},
		Run: func(ctx context.Context, env *Env, v Values) error {
			return env.withJob(ctx, v, func(j *job.Job) error { return jobResume(ctx, env, j) })
		},
	},
	{
		Name: "job speed", Help: "Limit the speed of a block job",
		Args: []Arg{jobID, {Name: "speed", Kind: "size", Required: true, Positional: true, Help: "bytes a second; 0 means no limit"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			return env.withJob(ctx, v, func(j *job.Job) error {
				limit := "no limit"
				if n := v.size("speed"); n > 0 {
					limit = "a limit of " + bytes(n) + " a second"
				}
				return env.done(j.SetSpeed(ctx, v.size("speed")), "job %s has %s", j.ID(), limit)
			})
		},
	},
}

// withJob calls f with a job, and leaves the job running if f does.
func (env *Env) withJob(ctx context.Context, v Values, f func(*job.Job) error) error {
	j, err := job.Find(ctx, env.conn(), v.text("job"))
	if err == nil {
		defer j.Detach()
		err = f(j)
	}
	if !errors.Is(err, job.ErrGone) {
		return err
	}
	rest := "there are no jobs"
	var ids []string
	if jobs, listErr := job.List(ctx, env.conn()); listErr == nil {
		for _, info := range jobs {
			ids = append(ids, info.ID)
		}
	}
	if len(ids) > 0 {
		rest = "the jobs are " + strings.Join(ids, ", ")
	}
	return reworded(err, "QEMU has no job %s: it never was, or it has ended and its result is not kept; list disks shows what the disks use now; %s",
		v.text("job"), rest)
}

// jobWait waits for a job. It says why the job is slow or stands still.
func jobWait(ctx context.Context, env *Env, v Values) error {
	return env.withJob(ctx, v, func(j *job.Job) error {
		info, err := env.describeJob(ctx, j.ID())
		if err != nil {
			return err
		}
		told := job.Cause("")
		tell := func(cause job.Cause) {
			if cause != told && (cause == job.CausePaused || cause == job.CauseSpeed || cause == job.CauseOthers) {
				info.Cause = cause
				env.note("job %s: %s", j.ID(), Why(info))
			}
			told = cause
		}
		tell(info.Cause)
		wait := ctx
		if !v.bool("cancel") {
			wait = context.WithoutCancel(ctx)
			defer context.AfterFunc(ctx, j.Detach)()
		}
		progress := env.job("job " + j.ID())
		err = j.Wait(wait, func(p job.Progress) {
			if p.Cause != "" || told != job.CauseSpeed {
				tell(p.Cause)
			}
			progress(p)
		})
		if errors.Is(err, job.ErrGoesOn) && ctx.Err() != nil {
			return reworded(err, "job %s goes on: only the wait was ended (%v)", j.ID(), context.Cause(ctx))
		}
		return env.done(stoppedJob(err), "job %s has succeeded", j.ID())
	})
}

// looksAfterResume is how often jobResume looks, in tenths of a second.
const looksAfterResume = 10

// jobResume continues a job and looks whether it stands still again at once.
func jobResume(ctx context.Context, env *Env, j *job.Job) error {
	if err := j.Resume(ctx); err != nil || env.dry {
		return err
	}
	text, looks := "continues", 0
	err := every(ctx, time.Second/10, func() (done bool, err error) {
		info, err := env.describeJob(ctx, j.ID())
		switch {
		case err != nil:
			return false, err
		case info.Cause == job.CauseNoSpace, info.Cause == job.CauseIOError:
			return false, stoppedJob(&job.StoppedError{ID: j.ID(), Type: info.Type, IOStatus: info.Block.IOStatus})
		case info.Cause == job.CauseDismiss, info.ID == "":
			text = "continued, and has ended"
			return true, nil
		}
		if text = "continues"; info.Cause != "" {
			text += ": " + Why(info)
		}
		looks++
		return looks == looksAfterResume, nil
	})
	return env.done(err, "job %s %s", j.ID(), text)
}

// describeJob describes a job. If there is no such job, the result is empty.
func (env *Env) describeJob(ctx context.Context, id string) (job.Info, error) {
	all, err := job.Describe(ctx, env.conn())
	if i := slices.IndexFunc(all, func(i job.Info) bool { return i.ID == id }); i >= 0 && err == nil {
		return all[i], nil
	}
	return job.Info{}, err
}

// stoppedJob rewords the error of a job that an I/O error has stopped.
func stoppedJob(err error) error {
	stopped, ok := errors.AsType[*job.StoppedError](err)
	if !ok || errors.Is(err, job.ErrCancelled) {
		return err
	}
	info := job.Info{JobInfo: qemu.JobInfo{ID: stopped.ID, Type: stopped.Type}, Cause: job.CauseIOError}
	if stopped.IOStatus == qemu.BlockDeviceIOStatusNospace {
		info.Cause = job.CauseNoSpace
	}
	return reworded(err, "job %s stands still: %s", stopped.ID, Why(info))
}

// Why says why a job stands still or is slow, and which operation helps. It is empty for a job that goes on.
func Why(info job.Info) string {
	switch info.Cause {
	case job.CauseNoSpace:
		return fmt.Sprintf("no space is left for it: make room, then job resume %s", info.ID)
	case job.CauseIOError:
		return fmt.Sprintf("an I/O error has stopped it: mend the storage, then job resume %[1]s; or job cancel %[1]s", info.ID)
	case job.CausePaused:
		return fmt.Sprintf("a person or a program has paused it: job resume %s", info.ID)
	case job.CauseSpeed:
		return fmt.Sprintf("it has a limit of %s a second: job speed %s 0 takes it off", bytes(info.Block.Speed), info.ID)
	case job.CauseComplete:
		return fmt.Sprintf("it has copied everything, and waits for job complete %[1]s or job cancel %[1]s", info.ID)
	case job.CauseFinalize:
		return fmt.Sprintf("it has done its work, and waits for job wait %[1]s or job cancel %[1]s", info.ID)
	case job.CauseOthers:
		return "it waits for the other jobs of its transaction"
	case job.CauseDismiss:
		if info.Error != nil {
			return fmt.Sprintf("it has failed: %s; job dismiss %s", *info.Error, info.ID)
		}
		return fmt.Sprintf("it has succeeded; job dismiss %s", info.ID)
	}
	return ""
}

// A jobValue is a job as JSON.
type jobValue struct {
	qemu.JobInfo
	Cause job.Cause `json:"cause,omitempty"`
	Why   string    `json:"why,omitempty"`
	Speed int64     `json:"speed,omitempty"`
}

func valueOf(info job.Info) jobValue {
	v := jobValue{JobInfo: info.JobInfo, Cause: info.Cause, Why: Why(info)}
	if info.Block != nil {
		v.Speed = info.Block.Speed
	}
	return v
}

// jobLines describes a job: "data1.move: mirror, running, 5 MiB of 1 GiB". The second line says why it stands still.
func jobLines(info job.Info) []string {
	line := fmt.Sprintf("%s: %s, %s, %s of %s", info.ID, info.Type, info.Status, bytes(info.CurrentProgress), bytes(info.TotalProgress))
	if why := Why(info); why != "" {
		return []string{line, "  " + why}
	}
	return []string{line}
}
