package block_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestFaultsOfSnapshot lets each command of Snapshot go wrong. The disk has its bitmap afterwards. It has an overlay if
// Snapshot succeeds, and none if Snapshot fails.
func TestFaultsOfSnapshot(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(within(t), m))
		m.write(t, "data1", 7, 0, mib)
		overlay := []block.Overlay{{Disk: "data1", BackingFile: m.path("data1.img"), Target: block.Target{Backend: hotplug.File{Path: m.path("o")}}}}
		for _, fault := range fakeqemu.Faults {
			met, err := fakeqemu.AtEveryStep(within(t), m.Client, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				require.NoError(t, os.RemoveAll(m.path("o")))
				return block.New(conn).Snapshot(ctx, overlay, nil)
			}, func(command string, err error) {
				require.NoError(t, errorsOf(m.disks.Clean(within(t), "data1"))) // a job that could not be dismissed
				if err == nil {                                                 // also if only the answer was lost
					require.NoError(t, errorsOf(m.disks.Commit(within(t), "data1", nil)))
				}
				require.Equal(t, []string{"data1"}, m.layers(t, "data1"), "%s: %v", command, err)
				bitmaps := m.bitmaps(t, "data1")
				require.Len(t, bitmaps, 1)
				require.EqualValues(t, mib, bitmaps["b"].Count, command)
			})
			require.NoError(t, err)
			require.Subset(t, met, []string{"query-block", "add-fd", "blockdev-add", "blockdev-create", "transaction"})
			require.NoError(t, errorsOf(m.disks.Commit(within(t), "data1", nil)))
		}
		m.removedAll(t, "data1")
	})
}

// TestSnapshotCut cuts the connection at every step of Snapshot and Commit. Another client cleans up, and does it again.
func TestSnapshotCut(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		require.NoError(t, qemu.BlockDirtyBitmapAdd{Node: "data1", Name: "b"}.Do(within(t), m))
		m.write(t, "data1", 7, 0, mib)
		overlay := []block.Overlay{{Disk: "data1", BackingFile: m.path("data1.img"), Target: block.Target{Backend: hotplug.File{Path: m.path("o")}}}}
		for name, do := range map[string]func(ctx context.Context, disks *block.VM) error{
			"snapshot": func(ctx context.Context, disks *block.VM) error { return disks.Snapshot(ctx, overlay, nil) },
			"commit":   func(ctx context.Context, disks *block.VM) error { return errorsOf(disks.Commit(ctx, "data1", nil)) },
		} {
			for at, lost := 1, true; lost; at++ {
				ctx := within(t)
				d, err := m.disks.Disk(ctx, "data1")
				require.NoError(t, err)
				switch {
				case name == "snapshot" && len(d.Layers) > 1:
					require.NoError(t, errorsOf(m.disks.Commit(ctx, "data1", nil)))
				case name == "commit" && len(d.Layers) == 1:
					require.NoError(t, os.RemoveAll(m.path("o")))
					require.NoError(t, m.disks.Snapshot(ctx, overlay, nil))
				}
				if name == "snapshot" {
					require.NoError(t, os.RemoveAll(m.path("o")))
				}
				conn := &cutter{Client: m.Client, at: at, after: at%2 == 0}
				err = do(ctx, block.New(conn))
				if lost = conn.met != ""; !lost {
					require.NoError(t, err)
					break
				}
				m.reconnect(t)
				jobs, err := job.List(ctx, m)
				require.NoError(t, err)
				for _, info := range jobs {
					j, err := job.Find(ctx, m, info.ID)
					require.NoError(t, err)
					require.NoError(t, j.Wait(ctx, nil))
				}
				require.NoError(t, errorsOf(m.disks.Clean(ctx, "data1")))
				require.NotEmpty(t, m.layers(t, "data1"))
				m.read(t, "data1", 7, 0, mib)
				m.read(t, "data1", 1, mib, mib)
			}
		}
		m.removedAll(t, "data1")
	})
}

// TestSnapshotAfterRestart: a manager that was restarted finds all images of a disk and removes them. QEMU 5.2 loses the
// sets of descriptors of the lower ones when no monitor is connected.
func TestSnapshotAfterRestart(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		for i, name := range []string{"o1", "o2", "o3", "o4"} {
			m.overlay(t, "data1", name, "data1.img")
			m.write(t, "data1", byte(2+i), int64(i)*mib, mib)
			m.reconnect(t)
		}
		require.Equal(t, []string{"o4", "o3", "o2", "o1", "data1"}, m.layers(t, "data1"))
		require.NoError(t, errorsOf(m.disks.Commit(within(t), "data1", &block.CommitOptions{Base: "o2"})))
		for i := range int64(4) {
			m.read(t, "data1", byte(2+i), i*mib, mib)
		}
		m.removed(t, "data1")
	})
}
