package qmpfd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

var allVersions = []string{"5.2", "7.2", "10.0", "11.1"}

// A count is what there is of descriptors.
type count struct {
	Sets int      // of descriptors, in QEMU
	QEMU []string // what its descriptors are
	Ours int      // how many of this process are of the test's file
}

// counted counts. Both sides are done with what came before when an answer has come.
func counted(t *testing.T, vm *qemutest.VM, c *qmp.Client) (n count) {
	t.Helper()
	sets, err := qemu.QueryFDSets{}.Do(t.Context(), c)
	require.NoError(t, err)
	n.Sets = len(sets)
	n.QEMU, err = vm.Fds()
	if errors.Is(err, errors.ErrUnsupported) {
		return n
	}
	require.NoError(t, err)
	ours, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, entry := range ours {
		target, _ := os.Readlink(filepath.Join("/proc/self/fd", entry.Name())) // may be closed by now
		if filepath.Base(target) == imageName {
			n.Ours++
		}
	}
	return n
}

// machine starts a QEMU with no machine.
func machine(t *testing.T, q *qemutest.QEMU) (*qemutest.VM, *qmp.Client) {
	t.Helper()
	qemutest.CheckFds(t)
	vm := q.Start(t, qemutest.Config{})
	return vm, vm.Dial(t)
}

// addNode adds the node "d", of the use, on the set.
func addNode(t *testing.T, c *qmp.Client, use qmpfd.Use, set *qmpfd.Set) error {
	return qemu.BlockdevAdd{
		NodeName:     new("d"),
		ReadOnly:     new(use.ReadOnly),
		AutoReadOnly: new(use.AutoReadOnly),
		Cache:        &qemu.BlockdevCacheOptions{Direct: new(use.Direct)},
		Driver:       qemu.BlockdevDriverFile,
		Branch:       &qemu.BlockdevOptionsFile{Filename: set.Path()},
	}.Do(t.Context(), c)
}

// TestSetOfQEMU removes a set while a node uses it, before, and after.
func TestSetOfQEMU(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		ctx := t.Context()
		path := image(t)
		before := counted(t, vm, c)
		for _, when := range []string{"never used", "in use", "used"} {
			use := qmpfd.Use{AutoReadOnly: true}
			files, err := use.Open(path)
			require.NoError(t, err)
			set, err := use.AddSet(ctx, c, "t:a", files...)
			require.NoError(t, err)
			require.Equal(t, before.Ours+2, counted(t, vm, c).Ours, "QEMU has closed the descriptors")
			require.NoError(t, files.Close())
			require.Equal(t, before.Sets+1, counted(t, vm, c).Sets)
			require.Len(t, counted(t, vm, c).QEMU, len(before.QEMU)+2)
			if when != "never used" {
				require.NoError(t, addNode(t, c, use, set))
			}
			if when == "in use" {
				require.NoError(t, set.Remove(ctx))
				require.Equal(t, before.Sets+1, counted(t, vm, c).Sets, "the set exists without descriptors")
				require.NoError(t, qmpfd.RemoveSets(ctx, c, "t:a"))
			}
			if when != "never used" {
				require.NoError(t, qemu.BlockdevDel{NodeName: "d"}.Do(ctx, c))
			}
			require.NoError(t, set.Remove(ctx))
			require.NoError(t, set.Remove(ctx), "twice")
			require.Equal(t, before, counted(t, vm, c), when)
		}
	})
}

// TestSetFaultsOfQEMU causes each fault at each command of AddSet.
func TestSetFaultsOfQEMU(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		files := open(t, image(t), rw, ro)
		for _, fault := range fakeqemu.Faults {
			before := counted(t, vm, c)
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, x *fakeqemu.Faulty) error {
				set, err := qmpfd.Use{AutoReadOnly: true}.AddSet(ctx, x, "t:a", files...)
				if err != nil {
					return err
				}
				return set.Remove(ctx)
			}, func(command string, err error) {
				if command != "add-fd" { // a removal is not undone, but repeated
					require.NoError(t, qmpfd.RemoveSets(t.Context(), c, "t:a"))
				}
				require.Error(t, err, command)
				require.NotErrorAs(t, err, new(*qmpfd.UndoError), command)
				require.Equal(t, before, counted(t, vm, c), "%s: %s", fault, command)
			})
			require.NoError(t, err)
			require.Equal(t, []string{"add-fd", "add-fd", "query-fdsets", "remove-fd", "query-fdsets"}, met)
			require.Equal(t, before, counted(t, vm, c))
		}
	})
}

// TestSetOfStoppedQEMU: older QEMUs keep descriptors until the machine runs.
func TestSetOfStoppedQEMU(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		vm := q.Start(t, qemutest.Config{Args: []string{"-S"}})
		c := vm.Dial(t)
		ctx := t.Context()
		before := counted(t, vm, c)
		set, err := qmpfd.AddSet(ctx, c, "t:a", open(t, image(t), rw)...)
		require.NoError(t, err)
		if err := set.Remove(ctx); err != nil {
			require.ErrorIs(t, err, qmpfd.ErrKept)
			require.False(t, q.AtLeast(10, 0))
			require.NoError(t, qemu.Cont{}.Do(ctx, c))
			require.NoError(t, set.Remove(ctx))
		}
		require.Equal(t, before.QEMU, counted(t, vm, c).QEMU)
		require.Equal(t, before.Sets, counted(t, vm, c).Sets)
	})
}

// TestNamedOfQEMU counts descriptors that are sent, sent again under the same name, refused and
// closed.
func TestNamedOfQEMU(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		ctx := t.Context()
		f := open(t, image(t), rw)[0]
		before := counted(t, vm, c)
		require.NoError(t, qmpfd.Send(ctx, c, "tap0", f))
		sent := counted(t, vm, c)
		require.Len(t, sent.QEMU, len(before.QEMU)+1)
		require.NoError(t, qmpfd.Send(ctx, c, "tap0", f))
		require.Equal(t, sent, counted(t, vm, c), "replaced")

		for _, bad := range []string{"", "0", "7tap"} {
			require.ErrorIs(t, qmpfd.Send(ctx, c, bad, f), qmp.ErrNotSent)
			require.Equal(t, sent, counted(t, vm, c), bad)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, qmpfd.Send(ended, c, "tap0", f), context.Canceled)
		require.Equal(t, sent, counted(t, vm, c), "a context that has ended")

		for range 2 {
			require.NoError(t, qmpfd.Close(ctx, c, "tap0"))
			require.Equal(t, before, counted(t, vm, c))
		}
	})
}

// TestNamedFaultsOfQEMU causes each fault at each command of Send.
func TestNamedFaultsOfQEMU(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		f := open(t, image(t), rw)[0]
		before := counted(t, vm, c)
		for _, fault := range fakeqemu.Faults {
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, x *fakeqemu.Faulty) error {
				return qmpfd.Send(ctx, x, "tap0", f)
			}, func(command string, err error) {
				require.Error(t, err, command)
				require.NotErrorAs(t, err, new(*qmpfd.UndoError), command)
				require.Equal(t, before, counted(t, vm, c), "%s: %s", fault, command)
			})
			require.NoError(t, err)
			require.Equal(t, []string{"getfd"}, met)
			require.NoError(t, qmpfd.Close(t.Context(), c, "tap0"))
			require.Equal(t, before, counted(t, vm, c))
		}
	})
}

// TestNamesOutliveConnections: Close also closes the name of an earlier client.
func TestNamesOutliveConnections(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		f := open(t, image(t), rw)[0]
		before := counted(t, vm, c)
		require.NoError(t, qmpfd.Send(t.Context(), c, "tap0", f))
		require.NoError(t, c.Close())
		c = vm.Dial(t)
		require.Len(t, counted(t, vm, c).QEMU, len(before.QEMU)+1)
		require.NoError(t, qmpfd.Close(t.Context(), c, "tap0"))
		require.Len(t, counted(t, vm, c).QEMU, len(before.QEMU))
	})
}

// TestLocksOfTwoFiles is why a node with auto-read-only must have "locking" off: QEMU meets its own
// locks on the file that it has changed from.
func TestLocksOfTwoFiles(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc"}).Dial(t)
		for i, node := range []struct {
			use     qmpfd.Use
			locking qemu.OnOffAuto
			works   bool
		}{
			{qmpfd.Use{}, qemu.OnOffAutoAuto, true},
			{qmpfd.Use{AutoReadOnly: true}, qemu.OnOffAutoAuto, false},
			{qmpfd.Use{AutoReadOnly: true}, qemu.OnOffAutoOff, true},
		} {
			files, err := node.use.Open(image(t))
			require.NoError(t, err)
			defer files.Close()
			set, err := node.use.AddSet(t.Context(), c, "t", files...)
			require.NoError(t, err)
			name := "d" + strconv.Itoa(i)
			require.NoError(t, qemu.BlockdevAdd{
				NodeName: &name, AutoReadOnly: &node.use.AutoReadOnly, Driver: qemu.BlockdevDriverFile,
				Branch: &qemu.BlockdevOptionsFile{Filename: set.Path(), Locking: &node.locking},
			}.Do(t.Context(), c))
			require.NoError(t, qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: &name, Props: qmp.Args{"drive": name}}.Do(t.Context(), c))
			err = qemu.BlockResize{NodeName: &name, Size: 2 << 20}.Do(t.Context(), c)
			require.Equal(t, node.works, err == nil, "%+v: %v", node, err)
		}
	})
}
