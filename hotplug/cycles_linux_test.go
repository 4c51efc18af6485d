package hotplug_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestCycles adds and removes a disk and a NIC over and over on one guest. Nothing adds up, in QEMU
// or in this process.
func TestCycles(t *testing.T) {
	cycles := 10
	if len(qemutest.MatrixMachines()) > 1 {
		cycles = 200
	}
	qemutest.Run(t, []string{"10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		t.Run("pc", func(t *testing.T) {
			qemutest.CheckFds(t)
			qvm, c := pc(t, q)
			vm := hotplug.New(c, nil)
			disk := hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: image(t), AutoReadOnly: true}}
			nic := hotplug.NIC{ID: "net1", Backend: hotplug.Tap{Queues: openTaps(t, 2, plainTap)}}
			before, fds := stateOf(t, c), qemuFds(t, qvm)
			for cycle := range cycles {
				ctx, what := limit(t), fmt.Sprint("cycle ", cycle)
				require.NoError(t, vm.AddDisk(ctx, disk), what)
				require.NoError(t, vm.AddNIC(ctx, nic), what)
				require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda net=eth\d+ lo`)), what)
				require.NoError(t, errorOf(vm.RemoveNIC(ctx, nic.ID)), what)
				require.NoError(t, errorOf(vm.RemoveDisk(ctx, disk.ID)), what)
				require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk= net=lo`)), what)
				require.Equal(t, before, stateOf(t, c), what)
				require.Equal(t, fds, qemuFds(t, qvm), what)
			}
			status, err := qemu.QueryStatus{}.Do(t.Context(), c)
			require.NoError(t, err)
			require.True(t, status.Running)
		})
	})
}
