package job_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

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
