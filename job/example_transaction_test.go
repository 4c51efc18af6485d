package job_test

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Two nodes are copied as they are at one moment. If one copy fails, QEMU cancels the other one.
func ExampleRunAll() {
	copyBoth := func(ctx context.Context, client *qmp.Client) error {
		t := job.Transaction{Grouped: true, Jobs: []job.Planned{
			{ID: "root.copy", Request: qemu.BlockdevBackup{Device: "root", Target: "t1", Sync: qemu.MirrorSyncModeFull}},
			{ID: "data1.copy", Request: qemu.BlockdevBackup{Device: "data1", Target: "t2", Sync: qemu.MirrorSyncModeFull}},
		}}
		return job.RunAll(ctx, client, t, func(id string, p job.Progress) { fmt.Println(id, p.Current, "of", p.Total) })
	}
	_ = copyBoth
}
