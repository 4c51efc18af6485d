package block_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// machineQueries are the queries that QEMU answers for all disks of the machine. The number of query-jobs depends on when a
// job ends, so the test leaves it out.
var machineQueries = []string{
	"query-block", "query-blockstats", "query-block-exports", "query-fdsets", "query-named-block-nodes", "qom-list", "x-debug-query-block-graph",
}

// A greeting knows the version of QEMU, so that operations do not ask for it.
type greeting interface{ Version() qmp.Version }

// TestCommandsOfOperations counts the commands of operations on one disk and on four: the queries about the whole machine
// are as many.
func TestCommandsOfOperations(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, []string{"10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		m := startMachine(t, q, t.TempDir())
		ctx := within(t)
		for number := range 6 {
			m.plugged(t, fmt.Sprint("disk", number), 1)
		}
		server := &qemu.NBDServerOptions{Addr: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd")}}}
		for i, n := range []int{1, 4} {
			ids := []string{"disk0", "disk1", "disk2", "disk3"}[:n]
			file := func(kind, id string) block.Target {
				return block.Target{Create: true, Backend: hotplug.File{Path: m.path(fmt.Sprint(kind, n, id)), Format: "qcow2"}}
			}
			backup := func(kind string, incremental bool) func(vm *block.VM) error {
				return func(vm *block.VM) error {
					var disks []block.BackupDisk
					for _, id := range ids {
						disks = append(disks, block.BackupDisk{ID: id, Target: file(kind, id), Bitmap: "b", Incremental: incremental})
					}
					return errorsOf(vm.Backup(ctx, disks, nil))
				}
			}
			for _, operation := range []struct {
				name string
				do   func(vm *block.VM) error

				queries map[string]int // about the whole machine
				others  [2]int         // other commands, for one disk and for four
			}{
				{"Disk", func(vm *block.VM) error { _, err := vm.Disk(ctx, "disk0"); return err },
					map[string]int{"query-block": 1, "query-blockstats": 2, "query-block-exports": 1, "query-fdsets": 2, "qom-list": 1}, [2]int{}},
				{"Disks", func(vm *block.VM) error { _, err := vm.Disks(ctx); return err },
					map[string]int{"query-block": 1, "query-blockstats": 2, "query-block-exports": 1, "query-fdsets": 2, "qom-list": 1}, [2]int{}},
				{"Snapshot", func(vm *block.VM) error {
					var overlays []block.Overlay
					for _, id := range ids {
						overlays = append(overlays, block.Overlay{Disk: id, Target: file("overlay", id), BackingFile: "base"})
					}
					return vm.Snapshot(ctx, overlays, nil)
				}, map[string]int{"query-block": 2, "query-blockstats": 1, "query-fdsets": 3, "qom-list": 1}, [2]int{12, 45}},
				{"Backup, full", backup("full", false), map[string]int{"query-block": 3, "query-blockstats": 5, "query-block-exports": 1, "query-fdsets": 10, "qom-list": 4}, [2]int{35, 131}},
				{"Backup, increment", backup("increment", true), map[string]int{"query-block": 3, "query-blockstats": 5, "query-block-exports": 1, "query-fdsets": 10, "qom-list": 4}, [2]int{36, 132}},
				{"OpenView", func(vm *block.VM) error {
					var disks []block.ViewDisk
					for _, id := range ids {
						disks = append(disks, block.ViewDisk{ID: id, Bitmap: "b", Incremental: true})
					}
					_, err := vm.OpenView(ctx, disks, &block.ViewOptions{Server: server})
					return err
				}, map[string]int{"query-block": 1, "query-blockstats": 3}, [2]int{12, 42}},
				{"Finish", func(vm *block.VM) error {
					view, err := vm.FindView(ctx, ids...)
					require.NoError(t, err)
					return errorsOf(view.Finish(ctx))
				}, map[string]int{"query-block": 4, "query-blockstats": 4, "query-block-exports": 2, "query-fdsets": 4, "qom-list": 2}, [2]int{10, 34}},
				{"AbortBackups", func(vm *block.VM) error { return errorsOf(vm.AbortBackups(ctx, ids...)) }, map[string]int{"query-block": 1, "query-blockstats": 4, "query-block-exports": 2, "query-fdsets": 3, "qom-list": 3}, [2]int{3, 12}},
			} {
				conn := &faultyConn{Conn: m.Client}
				greeted := struct {
					*faultyConn
					greeting
				}{conn, m.Client}
				require.NoError(t, operation.do(block.New(greeted)), operation.name)
				queries, others := map[string]int{}, 0
				for _, command := range conn.sent {
					switch {
					case slices.Contains(machineQueries, command):
						queries[command]++
					case command != "query-jobs":
						others++
					}
				}
				require.Equal(t, operation.queries, queries, "%s, %d disks: %q", operation.name, n, conn.sent)
				require.Equal(t, operation.others[i], others, "%s, %d disks: %q", operation.name, n, conn.sent)
			}
		}
	})
}
