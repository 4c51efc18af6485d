package hotplug_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nodeOf is storage for a disk d.
func nodeOf(name string, backend hotplug.DiskBackend) hotplug.Disk {
	return hotplug.Disk{ID: "d", NodeName: name, Backend: backend}
}

// TestAddNodeFaults lets each command of AddNode go wrong, for each kind of storage.
func TestAddNodeFaults(t *testing.T) {
	opened, err := os.OpenFile(image(t), os.O_RDWR, 0)
	require.NoError(t, err)
	defer opened.Close()
	for name, backend := range map[string]hotplug.DiskBackend{
		"file": hotplug.File{Path: image(t)}, "descriptor": &hotplug.Descriptor{File: opened}, "blockdev": memory("").Backend,
	} {
		for _, fault := range fakeqemu.Faults {
			t.Run(name+", "+string(fault), func(t *testing.T) {
				qemutest.CheckFds(t)
				m := fakeqemu.New(t)
				c := m.Dial()
				require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), memory("d")))
				faultsAtEveryStep(t, c, fault, addition{
					add: func(ctx context.Context, vm *hotplug.VM) error { return vm.AddNode(ctx, nodeOf("n", backend)) },
					remove: func(ctx context.Context, vm *hotplug.VM) error {
						kept, err := vm.RemoveNodes(ctx, "d", "n")
						require.Empty(t, kept)
						return err
					},
					commands: []string{"blockdev-add"},
				}, m.State)
			})
		}
	}
}

// TestAddNodesFaults lets each command go wrong that adds nodes of two disks: QEMU has all of the nodes or none.
func TestAddNodesFaults(t *testing.T) {
	other := hotplug.Disk{ID: "e", NodeName: "n2", Backend: memory("").Backend}
	nodes := []hotplug.Disk{nodeOf("n1", hotplug.File{Path: image(t)}), other, nodeOf("n3", memory("").Backend)}
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			m := fakeqemu.New(t)
			c := m.Dial()
			faultsAtEveryStep(t, c, fault, addition{
				add: func(ctx context.Context, vm *hotplug.VM) error { return vm.AddNodes(ctx, nodes...) },
				remove: func(ctx context.Context, vm *hotplug.VM) error {
					names, err := vm.NodesOf(ctx, "d", "e", "none")
					require.NoError(t, err)
					require.Equal(t, map[string][]string{"d": {"n1", "n3"}, "e": {"n2"}}, names)
					return errorOf(vm.RemoveNodesOf(ctx, names))
				},
				commands: []string{"add-fd", "object-add", "blockdev-add"},
			}, m.State)
		})
	}
}

// TestAddNodesExist: the error names the node, and QEMU has none of the others.
func TestAddNodesExist(t *testing.T) {
	for name, backend := range map[string]hotplug.DiskBackend{"file": hotplug.File{Path: image(t)}, "blockdev": memory("").Backend} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			vm := hotplug.New(m.Dial(), nil)
			require.NoError(t, vm.AddNode(t.Context(), nodeOf("n2", memory("").Backend)))
			before := m.State()
			err := vm.AddNodes(t.Context(), nodeOf("n1", backend), nodeOf("n2", backend))
			require.ErrorIs(t, err, hotplug.ErrExists)
			require.ErrorContains(t, err, "n2")
			require.Equal(t, before, m.State())
		})
	}
}

func TestAddNodeRefuses(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddNode(ctx, nodeOf("n", memory("").Backend)))
	before := m.State()
	for text, disk := range map[string]hotplug.Disk{
		"needs a Backend":        nodeOf("o", nil),
		"Backend is a hotplug.N": {ID: "d", Backend: hotplug.Node{Name: "n"}},
		"are for a device":       {ID: "d", NodeName: "o", Driver: "scsi-hd", Backend: hotplug.File{Path: image(t)}},
		"needs an ID":            {NodeName: "o", Backend: hotplug.File{Path: image(t)}},
	} {
		require.ErrorContains(t, vm.AddNode(ctx, disk), text)
	}
	require.ErrorIs(t, vm.AddNode(ctx, nodeOf("n", hotplug.File{Path: image(t)})), hotplug.ErrExists)
	require.Equal(t, before, m.State())
}

// TestRemoveNodesFaults lets each command of RemoveNodes go wrong. Calling it again finishes.
func TestRemoveNodesFaults(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			vm := hotplug.New(c, nil)
			ctx := t.Context()
			met, err := fakeqemu.AtEveryStep(ctx, c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				require.NoError(t, vm.AddNode(t.Context(), nodeOf("n1", hotplug.File{Path: image(t)})))
				require.NoError(t, vm.AddNode(t.Context(), nodeOf("n2", memory("").Backend)))
				_, err := hotplug.New(conn, nil).RemoveNodes(ctx, "d", "n1", "n2")
				return err
			}, func(command string, err error) {
				if err == nil { // it has tried again
					require.Empty(t, m.State(), command)
				}
				nodes, err := vm.NodesOf(ctx, "d")
				require.NoError(t, err, command)
				kept, err := vm.RemoveNodes(ctx, "d", nodes["d"]...)
				require.NoError(t, err, command)
				require.Empty(t, kept, command)
				require.Empty(t, m.State(), command)
			})
			require.NoError(t, err)
			require.Subset(t, met, []string{"blockdev-del", "remove-fd", "object-del"})
			require.Empty(t, m.State())
		})
	}
}

// TestRemoveNodesWaits removes a node that is in use for a while, and then a node that stays in use.
func TestRemoveNodesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		vm := hotplug.New(pipe(t, m, nil), nil)
		require.NoError(t, vm.AddNode(t.Context(), nodeOf("n1", memory("").Backend)))
		require.NoError(t, vm.AddNode(t.Context(), nodeOf("n2", memory("").Backend)))
		m.Linger(20)
		kept, err := vm.RemoveNodes(t.Context(), "d", "n1")
		require.NoError(t, err)
		require.Empty(t, kept)

		m.Linger(1 << 30)
		begin := time.Now()
		kept, err = vm.RemoveNodes(t.Context(), "d", "n2")
		require.NoError(t, err)
		require.Len(t, kept, 1)
		require.ErrorIs(t, kept[0].Err, hotplug.ErrInUse)
		require.InDelta(t, 10, time.Since(begin).Seconds(), 1)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		kept, err = vm.RemoveNodes(ctx, "d", "n2")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, kept, 1)
	})
}

// TestNodesOfAndRemoveNodes has a disk with a chain of nodes, and nodes of others, on a real QEMU.
func TestNodesOfAndRemoveNodes(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		_, c := startUSB(t, q)
		vm := hotplug.New(c, nil)
		ctx := limit(t)
		before := stateOf(t, c)
		nodesOf := func(want ...string) {
			t.Helper()
			nodes, err := vm.NodesOf(ctx, "d")
			require.NoError(t, err)
			require.ElementsMatch(t, want, nodes["d"])
		}
		remove := func(nodes ...string) (kept []string) {
			t.Helper()
			all, err := vm.RemoveNodes(ctx, "d", nodes...)
			require.NoError(t, err)
			for _, k := range all {
				require.ErrorIs(t, k.Err, hotplug.ErrInUse)
				kept = append(kept, k.Name)
			}
			return kept
		}

		nodesOf()
		require.NoError(t, vm.AddDisk(ctx, usbDisk("d", image(t))))
		require.NoError(t, vm.AddNode(ctx, nodeOf("d.1", hotplug.File{Path: image(t)})))
		require.NoError(t, vm.AddNode(ctx, nodeOf("d.2", hotplug.Blockdev{Options: qemu.BlockdevOptions{
			Driver: "raw", Branch: &qemu.RawBranch{Members: qmp.Args{"file": "d.1"}}}})))
		require.NoError(t, vm.AddNode(ctx, hotplug.Disk{ID: "d2", NodeName: "other", Backend: hotplug.File{Path: image(t)}}))
		require.NoError(t, qemu.BlockdevAdd(named("foreign", nullNode())).Do(ctx, c))
		nodesOf("d", "d.1", "d.2")

		require.Equal(t, []string{"d.1"}, remove("d.1", "missing"), "d.2 uses it")
		nodesOf("d", "d.1", "d.2")
		require.Empty(t, remove("d.1", "d.2", "foreign"), "whatever the order")
		nodesOf("d")
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
		nodesOf()
		kept, err := vm.RemoveNodes(ctx, "d2", "other")
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, before, stateOf(t, c))
	})
}

// TestAddNodeMarks: a node is found without its set, which QEMU 5.2 loses if the node is below an overlay and no monitor is
// connected. An ID whose mark would have a second reading gets none.
func TestAddNodeMarks(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	for _, id := range []string{"d", "d.node"} {
		require.NoError(t, vm.AddNode(ctx, hotplug.Disk{ID: id, NodeName: "n", Backend: hotplug.File{Path: image(t)}}))
		objects, err := qemu.QOMList{Path: "/objects"}.Do(ctx, c)
		require.NoError(t, err)
		marked := slices.ContainsFunc(objects, func(o qemu.ObjectPropertyInfo) bool { return o.Name == id+".node.n" })
		require.Equal(t, id == "d", marked)
		if marked {
			sets, err := qemu.QueryFDSets{}.Do(ctx, c)
			require.NoError(t, err)
			require.NoError(t, qemu.RemoveFD{FDSetID: sets[0].FDSetID}.Do(ctx, c))
		}
		names, err := vm.NodesOf(ctx, id)
		require.NoError(t, err)
		require.Equal(t, []string{"n"}, names[id])
		kept, err := vm.RemoveNodes(ctx, id, "n")
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Empty(t, m.State())
	}
}
