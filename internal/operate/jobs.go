package operate

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

var jobID = Arg{Name: "job", Kind: "job", Required: true, Positional: true, Help: "ID of the job"}

var jobOperations = []Operation{
	{
		Name: "job list", Help: "List the jobs, also those that have ended and were not dismissed",
		Run: func(ctx context.Context, env *Env, _ Values) error {
			jobs, err := job.List(ctx, env.conn())
			if err != nil {
				return err
			}
			lines := []string{}
			for _, j := range jobs {
				lines = append(lines, jobLine(j))
			}
			return env.result(list0(jobs), lines...)
		},
	},
	{
		Name: "job wait", Help: "Wait for a job, complete it when it is ready, and dismiss it",
		Args: []Arg{jobID, {Name: "cancel", Kind: "bool", Default: "off", Help: "cancel the job if the wait is interrupted"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			return env.withJob(ctx, v, func(j *job.Job) error {
				wait := ctx
				if !v.bool("cancel") {
					wait = context.WithoutCancel(ctx)
					defer context.AfterFunc(ctx, j.Detach)()
				}
				return env.done(j.Wait(wait, env.job("job "+j.ID())), "job %s has succeeded", j.ID())
			})
		},
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
			return env.withJob(ctx, v, func(j *job.Job) error { return env.done(j.Resume(ctx), "job %s continues", j.ID()) })
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
	if err != nil {
		return err
	}
	defer j.Detach()
	return f(j)
}

// jobLine describes a job: "data1.move: mirror, running, 5 MiB of 1 GiB".
func jobLine(j qemu.JobInfo) string {
	line := fmt.Sprintf("%s: %s, %s, %s of %s", j.ID, j.Type, j.Status, bytes(j.CurrentProgress), bytes(j.TotalProgress))
	if j.Error != nil {
		line += ", " + qmp.Value(j.Error)
	}
	return line
}
