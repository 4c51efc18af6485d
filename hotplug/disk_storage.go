package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// AddNode adds storage for a disk, and no device: a node, its descriptors and its secrets. The node is for an operation
// on a disk that exists, for example the target of a mirror or an overlay. d.ID is the ID of the disk and d.NodeName the
// name of the new node. [VM.RemoveDisk] of the disk also removes the node, [VM.RemoveNodes] only the node.
//
// d.Backend is a [File], a [Descriptor] or a [Blockdev]. A secret of a Blockdev needs a name that no other secret of the
// disk has. Driver, Bus and Props must be empty.
//
// If AddNode fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the name of the node or of a secret is in use.
//   - [*qmp.Error]: QEMU refused a command.
//   - [errors.ErrUnsupported]: QEMU has no blockdev-add.
//
// Source: object-add, add-fd, blockdev-add.
func (vm *VM) AddNode(ctx context.Context, d Disk) error { return vm.AddNodes(ctx, d) }

// AddNodes is [VM.AddNode] for several nodes, also of several disks. It adds them in this order, all or none. The queries that
// QEMU answers for the whole machine are sent once for all nodes.
func (vm *VM) AddNodes(ctx context.Context, nodes ...Disk) error {
	names, keys := make([]string, len(nodes)), make([]wait.Key, len(nodes))
	for i, d := range nodes {
		names[i] = cmp.Or(d.NodeName, d.ID)
		keys[i] = wait.Key{Name: names[i]}
	}
	return vm.adding(ctx, "node", strings.Join(names, ", "), func(undo *rollback) error {
		all := slices.Clone(nodes)
		for i := range all {
			if err := all[i].checkNodeOnly(); err != nil {
				return err
			}
		}
		if fallback, err := vm.fallsBack(ctx); fallback || err != nil {
			return cmp.Or(err, because(errors.ErrUnsupported, "QEMU has no blockdev-add"))
		}
		if err := vm.checkNodesUnused(ctx, all); err != nil {
			return err
		}
		for i := range all {
			err := all[i].Backend.addStorage(ctx, vm, undo, &all[i])
			if err != nil && len(all) > 1 {
				err = fmt.Errorf("node %q: %w", all[i].NodeName, err)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, keys...)
}

// checkNodeOnly is check for storage without a device.
func (d *Disk) checkNodeOnly() error {
	d.nodeOnly = true
	if d.Driver != "" || d.Bus != "" || len(d.Props) > 0 {
		return errors.New("Driver, Bus and Props are for a device, which AddNode does not add")
	}
	if err := d.check(); err != nil {
		return err
	}
	switch d.Backend.(type) {
	case File, Descriptor, Blockdev:
		return nil
	}
	return fmt.Errorf("Backend is a %T: AddNode needs a File, a Descriptor or a Blockdev", d.Backend)
}

// checkNodesUnused looks for nodes with the names of new ones that may have no descriptors. If QEMU does not answer later, a
// node with such a name is ours. The descriptors of the other nodes show that, see nodeTree.isOpen.
func (vm *VM) checkNodesUnused(ctx context.Context, nodes []Disk) error {
	isBlockdev := func(d Disk) bool { _, ok := d.Backend.(Blockdev); return ok }
	if !slices.ContainsFunc(nodes, isBlockdev) {
		return nil
	}
	existing, err := vm.nodes(ctx)
	for _, n := range existing {
		name := qmp.Value(n.NodeName)
		if slices.ContainsFunc(nodes, func(d Disk) bool { return isBlockdev(d) && d.NodeName == name }) {
			return exists(aNode, name, "")
		}
	}
	return err
}

// RemoveNodes removes nodes of a disk that the disk no longer uses, also nodes of other programs, with the descriptors and
// the marks that [VM.AddDisk] or [VM.AddNode] added for them. QEMU also removes the nodes below that the same blockdev-add
// added. id is the disk's ID; the device need not exist. Removing a node that QEMU does not have is not an error.
//
// If something else uses a node, the node stays and is in kept, and its Err matches [ErrInUse]. A node can be in use for
// some seconds after its user is gone, so RemoveNodes waits up to 10 seconds. Secrets stay until [VM.RemoveDisk].
//
// If a command fails for another reason, or QEMU does not answer, RemoveNodes returns an error. kept then ends with the
// node of that command; the nodes after it are not in kept. Call RemoveNodes again.
//
// Source: query-fdsets, blockdev-del, remove-fd, object-del; query-block if several sets belong to a node.
func (vm *VM) RemoveNodes(ctx context.Context, id string, nodes ...string) (kept []Kept, err error) {
	return vm.RemoveNodesOf(ctx, map[string][]string{id: nodes})
}

// RemoveNodesOf is [VM.RemoveNodes] for the nodes of several disks, by the IDs of the disks. The queries that QEMU answers for
// the whole machine are sent once for all nodes.
func (vm *VM) RemoveNodesOf(ctx context.Context, nodes map[string][]string) (kept []Kept, err error) {
	ids := slices.Sorted(maps.Keys(nodes))
	var keys []wait.Key
	for _, id := range ids {
		keys = append(keys, wait.Key{Name: id})
	}
	err = vm.removing(ctx, "nodes of disk", strings.Join(ids, ", "), func() error {
		for _, id := range ids {
			if err := checkID(id); err != nil {
				return err
			}
		}
		kept, err = vm.removeNodesOf(ctx, nodes)
		return err
	}, keys...)
	return kept, err
}

func (vm *VM) removeNodesOf(ctx context.Context, nodes map[string][]string) (kept []Kept, err error) {
	sets, err := vm.setsOfNodes(ctx, nodes) // later, another operation can have nodes with these names
	if err != nil {
		return nil, err
	}
	var left []string
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		left = append(left, nodes[id]...)
	}
	remove := func() (progress, wait bool, err error) {
		kept = nil
		look := sync.OnceValues(func() ([]qemu.BlockStats, error) { return vm.nodes(ctx) }) // the next round looks again
		for _, name := range left {
			sure := false // that the node stays in use
			removed, err := removeBusy(ctx, 0,
				func() error { return qemu.BlockdevDel{NodeName: name}.Do(ctx, vm.conn) },
				func() (bool, error) {
					nodes, err := look()
					if err != nil {
						return false, err
					}
					exists, err := existsInUse(nodes, name)
					sure = errors.Is(err, ErrInUse)
					return exists, err
				})
			switch {
			case errors.Is(err, ErrInUse):
				kept, wait = append(kept, Kept{aNode, name, err}), wait || !sure
			case err != nil:
				kept = append(kept, Kept{aNode, name, err})
				return progress, false, err
			}
			progress = progress || removed
		}
		left = slices.DeleteFunc(left, func(name string) bool { return !isKept(kept, name) })
		return progress, wait, nil
	}
	// A node is in use as long as a node above it exists, in whatever order the caller gives them.
	deadline := time.Now().Add(busyGrace)
	for pause := busyRetry; len(left) > 0; pause = min(2*pause, maxBusyRetry) {
		progress, wait, err := remove()
		if err != nil {
			return kept, err
		}
		if progress {
			pause, deadline = busyRetry, time.Now().Add(busyGrace)
			continue
		}
		if !wait || time.Now().After(deadline) {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done(): // the next command ends the loop
		}
	}
	return kept, errors.Join(vm.removeClosedSets(ctx, sets, kept), vm.removeMarks(ctx, nodes, kept))
}

// A nodeSet is a set of descriptors that was added for a node.
type nodeSet struct {
	number         int64
	addition, node string
}

// setsOfNodes returns the sets that were added for nodes of disks.
func (vm *VM) setsOfNodes(ctx context.Context, nodes map[string][]string) (all []nodeSet, err error) {
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	for _, s := range sets {
		for _, fd := range s.FDs {
			if owner, node, addition, _, ok := cutOpaque(qmp.Value(fd.Opaque)); ok && slices.Contains(nodes[owner], node) {
				all = append(all, nodeSet{s.FDSetID, addition, node})
			}
		}
	}
	return all, err
}

// removeClosedSets removes the sets of nodes that are gone. If a disk still has a set open, the set stays until RemoveDisk: a
// node with several files can leave nodes below it that the disk uses, for example after the commit of an overlay. When QEMU
// reopens the files of these nodes, it takes descriptors from the sets again.
func (vm *VM) removeClosedSets(ctx context.Context, sets []nodeSet, kept []Kept) (err error) {
	sets = slices.DeleteFunc(sets, func(s nodeSet) bool { return isKept(kept, s.node) })
	if len(sets) == 0 {
		return nil
	}
	isShared := func(s nodeSet) bool {
		return slices.ContainsFunc(sets, func(other nodeSet) bool { return other.node == s.node && other.number != s.number })
	}
	var open []int64
	if slices.ContainsFunc(sets, isShared) {
		if open, err = vm.openSets(ctx); err != nil {
			return err
		}
	}
	isOpen := func(s nodeSet) bool { return slices.Contains(open, s.number) }
	var closed []string // additions, because another operation can get the number of a set that is gone
	for _, s := range sets {
		switch {
		case !slices.ContainsFunc(sets, func(other nodeSet) bool { return other.addition == s.addition && isOpen(other) }):
			closed = append(closed, s.addition)
		case !isOpen(s):
			_, setErr := qmpfd.RemoveSet(ctx, vm.conn, s.number)
			err = errors.Join(err, setErr)
		}
	}
	if len(closed) == 0 {
		return err
	}
	return errors.Join(err, qmpfd.RemoveSetsFunc(ctx, vm.conn, func(opaque string) bool {
		_, _, addition, _, _ := cutOpaque(opaque)
		return slices.Contains(closed, addition)
	}))
}

// removeMarks removes the marks of nodes that are gone.
func (vm *VM) removeMarks(ctx context.Context, nodes map[string][]string, kept []Kept) error {
	var marks []string
	for id, names := range nodes {
		for _, name := range names {
			if name != id && !isKept(kept, name) {
				marks = append(marks, markOf(id, aNode, name))
			}
		}
	}
	if len(marks) == 0 {
		return nil
	}
	objects, err := vm.objects(ctx, objectsPath, "child")
	for _, o := range objects {
		if o.kind == "secret" && slices.Contains(marks, o.name) {
			_, markErr := vm.removeObject(ctx, o.name)
			err = errors.Join(err, markErr)
		}
	}
	return err
}

func isKept(kept []Kept, node string) bool {
	return slices.ContainsFunc(kept, func(k Kept) bool { return k.Name == node })
}

// NodesOf lists the nodes that this package added for disks, by the IDs of the disks, whether a disk uses them or not: nodes
// with the disk's ID as their name, with descriptors, or with a mark. If a node is gone, but its mark or descriptors that no
// disk uses are left, NodesOf lists the node, too. The devices need not exist.
//
// Source: query-fdsets, qom-list, query-blockstats; query-block if a node is gone.
func (vm *VM) NodesOf(ctx context.Context, ids ...string) (names map[string][]string, err error) {
	if err = vm.made(); err == nil {
		names, err = vm.nodesOf(ctx, ids)
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("list nodes of disk %q", strings.Join(ids, ", ")), err)
	}
	return names, nil
}

func (vm *VM) nodesOf(ctx context.Context, ids []string) (names map[string][]string, err error) {
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return nil, err
		}
	}
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	marks, err := vm.objects(ctx, objectsPath, "child")
	if err != nil {
		return nil, err
	}
	nodes, err := vm.nodes(ctx)
	if err != nil {
		return nil, err
	}
	exists := map[string]bool{}
	for _, n := range nodes {
		exists[qmp.Value(n.NodeName)] = true
	}
	var open []int64 // sets; nil if not asked
	names = map[string][]string{}
	for _, id := range ids {
		p := &parts{found: &found{id: id}, removal: &removal{}, vm: vm}
		p.takeSets(sets)
		p.takeMarks(marks)
		if exists[id] && !p.claimed {
			names[id] = append(names[id], id)
		}
		isMarked := func(name string) bool {
			return slices.ContainsFunc(p.marks, func(o object) bool { marked, ok := markedBy(o, id, aNode); return ok && marked == name })
		}
		for _, own := range p.own {
			if own.what != aNode || slices.Contains(names[id], own.name) {
				continue
			}
			if !exists[own.name] && !isMarked(own.name) {
				if open == nil {
					if open, err = vm.openSets(ctx); err != nil {
						return nil, err
					}
				}
				if isOpen(sets, open, id, own.name) {
					continue
				}
			}
			names[id] = append(names[id], own.name)
		}
	}
	return names, nil
}

// openSets lists the sets of descriptors that disks have open. It is not nil.
func (vm *VM) openSets(ctx context.Context) (open []int64, err error) {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	open = []int64{}
	for _, b := range blocks {
		open = append(open, setsOpen(b.Inserted)...)
	}
	return open, err
}

// isOpen reports whether a disk has all sets of a node open: a node below it uses them, see removeClosedSets.
func isOpen(sets []qemu.FDSetInfo, open []int64, id, node string) bool {
	for _, s := range sets {
		isOf := func(fd qemu.FDSetFDInfo) bool {
			owner, name := ownerOf(qmp.Value(fd.Opaque))
			return owner == id && name == node
		}
		if slices.ContainsFunc(s.FDs, isOf) && !slices.Contains(open, s.FDSetID) {
			return false
		}
	}
	return true
}
