package block_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestReady keeps copies and moves ready until the caller's function returns.
func TestReady(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		g := m.guestOf(t, "data1", 1)
		works := func(context.Context) error {
			g.work(t)
			d := m.disk(t, "data1")
			require.Len(t, d.Jobs, 1)
			require.Equal(t, qemu.JobStatusReady, d.Jobs[0].Status)
			require.Equal(t, []string{"data1"}, nodesOf(d))
			return nil
		}
		target := func(name string) block.Target {
			return block.Target{Backend: hotplug.File{Path: m.path(name)}, Create: true}
		}
		kept, err := m.disks.Copy(ctx, "data1", target("copy"), &block.CopyOptions{Ready: works})
		require.NoError(t, err)
		require.Empty(t, kept)
		m.same(t, "raw", m.path("copy"), g.file(t))

		reason := errors.New("not now")
		end, cancel := context.WithCancel(ctx)
		for name, refuse := range map[string]func(context.Context) error{
			"error":   func(context.Context) error { return reason },
			"context": func(ctx context.Context) error { cancel(); <-ctx.Done(); return reason },
		} {
			_, err = m.disks.Move(end, "data1", target(name), &block.MoveOptions{Ready: refuse})
			require.ErrorIs(t, err, job.ErrCancelled, name)
			require.ErrorIs(t, err, reason, name)
			m.onlyUses(t, "data1", "data1")
			end, cancel = context.WithCancel(ctx)
		}
		cancel()

		server, nbd := m.nbdServer(t, m.raw(t, "served", 0))
		_, err = m.disks.Copy(ctx, "data1", block.Target{Backend: hotplug.Blockdev{Options: nbd}}, &block.CopyOptions{
			Ready: func(ctx context.Context) error {
				require.NoError(t, server.Close())
				g.work(t)
				<-ctx.Done() // the job has failed
				return ctx.Err()
			},
		})
		require.ErrorAs(t, err, new(*job.FailedError))
		require.NoError(t, ctx.Err())
		m.onlyUses(t, "data1", "data1")

		_, err = m.disks.Move(ctx, "data1", target("moved"), &block.MoveOptions{Ready: works})
		require.NoError(t, err)
		g.work(t)
		g.holds(t, "raw", m.path("moved"))
		m.removed(t, "data1")
	})
}
