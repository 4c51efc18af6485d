package job_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// onFake does something with a fake QEMU.
func onFake(do func(ctx context.Context, client *qmp.Client, jobs *fakeqemu.Jobs) error) {
	var p qmptest.Program
	defer p.Close()
	s := qmptest.NewServer(&p, nil)
	if err := do(p.Context(), s.Dial(), fakeqemu.NewJobs(s)); err != nil {
		fmt.Println(err)
	}
}

// The disk moves to another node. Between WaitReady and Complete, the program can prepare the other side.
func ExampleStart() {
	onFake(func(ctx context.Context, client *qmp.Client, _ *fakeqemu.Jobs) error {
		j, err := job.Start(ctx, client, "data1.copy", qemu.BlockdevMirror{
			Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull,
		})
		if err != nil {
			return err
		}
		if err := j.WaitReady(ctx, nil); err != nil {
			return err
		}
		if err := j.Complete(ctx); err != nil {
			return err
		}
		fmt.Println("the guest uses t1")
		return nil
	})
	// Output:
	// the guest uses t1
}

// The error has QEMU's reason.
func ExampleRun() {
	onFake(func(ctx context.Context, client *qmp.Client, jobs *fakeqemu.Jobs) error {
		jobs.Fail("No space left on device")
		err := job.Run(ctx, client, "", qemu.BlockdevBackup{
			Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull,
		}, nil)
		if failed, ok := errors.AsType[*job.FailedError](err); ok {
			fmt.Println(failed.ID, "failed:", failed.Reason)
			return nil
		}
		return err
	})
	// Output:
	// data1.backup failed: No space left on device
}

// A manager that was restarted takes up the jobs of its predecessor.
func ExampleFind() {
	onFake(func(ctx context.Context, client *qmp.Client, _ *fakeqemu.Jobs) error {
		before, err := job.Start(ctx, client, "data1.copy", qemu.BlockdevMirror{
			Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull,
		})
		if err != nil {
			return err
		}
		before.Detach() // the manager ends

		all, err := job.List(ctx, client)
		if err != nil {
			return err
		}
		for _, info := range all {
			j, err := job.Find(ctx, client, info.ID)
			if err != nil {
				return err
			}
			fmt.Println(j.ID(), j.Type())
			if err := j.Complete(ctx); err != nil {
				return err
			}
		}
		fmt.Println("done")
		return nil
	})
	// Output:
	// data1.copy mirror
	// done
}

// A job whose target is full waits until somebody makes room.
func ExampleDescribe() {
	onFake(func(ctx context.Context, client *qmp.Client, jobs *fakeqemu.Jobs) error {
		jobs.Hold(true)
		j, err := job.Start(ctx, client, "nightly", qemu.BlockdevBackup{
			Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull, OnTargetError: new(qemu.BlockdevOnErrorENOSPC),
		})
		if err != nil {
			return err
		}
		defer j.Detach()
		jobs.Stop("nightly", qemu.BlockDeviceIOStatusNospace)

		all, err := job.Describe(ctx, client)
		if err != nil {
			return err
		}
		for _, info := range all {
			fmt.Printf("%s is %s: %s\n", info.ID, info.Status, info.Cause)
		}
		return nil
	})
	// Output:
	// nightly is paused: no space
}

// The jobs on a disk, by the names of its nodes. A job that has ended can be on the disk, too.
func ExampleOnDisk() {
	jobsOn := func(ctx context.Context, client *qmp.Client, disk string, nodes ...string) ([]qemu.JobInfo, error) {
		all, err := job.List(ctx, client)
		if err != nil || len(all) == 0 {
			return nil, err
		}
		used, err := job.Nodes(ctx, client)
		if err != nil {
			return nil, err
		}
		isOn := func(node string) bool { return slices.Contains(nodes, node) }
		return job.OnDisk(all, used, disk, isOn), nil
	}
	_ = jobsOn
}
