package hotplug_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// everything is a disk d that has all that a disk can have: two files and two secrets.
func everything(t *testing.T) hotplug.Disk {
	t.Helper()
	p := images(t, "a", "b")
	return hotplug.Disk{
		ID: "d",
		Backend: hotplug.Blockdev{
			Options: *overlay(p[0], luks(p[1], hotplug.SecretID("d", "k"))),
			Open:    new(opening).open,
			Secrets: map[string][]byte{"k": []byte("key"), "l": nil},
		},
	}
}

// TestFaultsOfTree lets each command of AddDisk go wrong for a tree with files and a secret.
func TestFaultsOfTree(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			m := fakeqemu.New(t)
			op := addsDisk(everything(t))
			op.commands = append(op.commands, "object-add")
			faultsAtEveryStep(t, m.Dial(), fault, op, m.State)
		})
	}
}

// TestTreeLeft has nobody left to undo anything: the error lists all that may be there.
func TestTreeLeft(t *testing.T) {
	qemutest.CheckFds(t)
	m := fakeqemu.New(t)
	c := m.Dial()
	disk := everything(t)
	sets := 0
	m.Handle("query-fdsets", qmptest.Return([]any{}))
	m.Handle("add-fd", func(r *qmptest.Request) (any, error) {
		if sets++; sets == 2 {
			r.Disconnect()
		}
		return qemu.AddFDInfo{FDSetID: 0}, nil
	})
	err := hotplug.New(c, nil).AddDisk(t.Context(), disk)
	var rollback *hotplug.RollbackError
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, []string{"descriptors of d", "descriptors of d", "secret d.secret.l", "secret d.secret.k"}, rollback.Left)
	require.ErrorIs(t, rollback.Err, qmp.ErrOutcomeUnknown)
	require.ErrorIs(t, rollback.Undo, qmp.ErrNotSent)

	require.NoError(t, errorOf(hotplug.New(m.Dial(), nil).RemoveDisk(t.Context(), "d")))
	require.Empty(t, m.State())
}

// TestTreeRemovalCutOff lets each command of RemoveDisk go wrong for a disk that has everything.
// Calling it again, from another process, finishes.
func TestTreeRemovalCutOff(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			disk := everything(t)
			m := fakeqemu.New(t)
			c := m.Dial()
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), disk))
				return errorOf(hotplug.New(conn, nil).RemoveDisk(ctx, "d"))
			}, func(command string, err error) {
				if err == nil {
					require.Empty(t, m.State(), command)
				}
				require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(t.Context(), "d")), command)
				require.Empty(t, m.State(), command)
			})
			require.NoError(t, err)
			require.Empty(t, m.State())
			require.Subset(t, met, []string{"device_del", "blockdev-del", "remove-fd", "object-del"})
		})
	}
}

// TestTreePartsThatAreGone removes what is left of a disk that has everything.
func TestTreePartsThatAreGone(t *testing.T) {
	disk := everything(t)
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	for gone := range 5 {
		require.NoError(t, vm.AddDisk(ctx, disk))
		steps := []func() error{
			func() error { return qemu.DeviceDel{ID: "d"}.Do(ctx, c) },
			func() error { return qemu.BlockdevDel{NodeName: "d"}.Do(ctx, c) },
			func() error { return qemu.RemoveFD{FDSetID: 1}.Do(ctx, c) },
			func() error { return qemu.ObjectDel{ID: "d.secret.l"}.Do(ctx, c) },
			func() error { return qemu.ObjectDel{ID: "d.secret.k"}.Do(ctx, c) },
		}
		for _, step := range steps[:gone+1] {
			require.NoError(t, step())
		}
		require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(ctx, "d")))
		require.Empty(t, m.State())
	}
}
