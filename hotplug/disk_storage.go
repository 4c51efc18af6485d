package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
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
func (vm *VM) AddNode(ctx context.Context, d Disk) error {
	return vm.adding(ctx, "node", cmp.Or(d.NodeName, d.ID), func(undo *rollback) error {
		if d.Driver != "" || d.Bus != "" || len(d.Props) > 0 {
			return errors.New("Driver, Bus and Props are for a device, which AddNode does not add")
		}
		if err := d.check(); err != nil {
			return err
		}
		switch d.Backend.(type) {
		case File, Descriptor, Blockdev:
		default:
			return fmt.Errorf("Backend is a %T: AddNode needs a File, a Descriptor or a Blockdev", d.Backend)
		}
		if fallback, err := vm.fallsBack(ctx); fallback || err != nil {
			return cmp.Or(err, because(errors.ErrUnsupported, "QEMU has no blockdev-add"))
		}
		// If QEMU does not answer later, a node with this name is ours.
		d.nodeOnly = true
		if err := vm.checkUnused(ctx, &d); err != nil {
			return err
		}
		return d.Backend.addStorage(ctx, vm, undo, &d)
	})
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
// Source: query-fdsets, blockdev-del, remove-fd, object-del; query-block if several sets belong to the nodes.
func (vm *VM) RemoveNodes(ctx context.Context, id string, nodes ...string) (kept []Kept, err error) {
	err = vm.removing(ctx, "nodes of disk", id, func() error {
		if err := checkID(id); err != nil {
			return err
		}
		kept, err = vm.removeNodesOf(ctx, id, nodes)
		return err
	})
	return kept, err
}

func (vm *VM) removeNodesOf(ctx context.Context, id string, nodes []string) (kept []Kept, err error) {
	sets, err := vm.setsOfNodes(ctx, id, nodes) // later, another operation can have nodes with these names
	if err != nil {
		return nil, err
	}
	left := slices.Clone(nodes)
	remove := func() (progress, wait bool, err error) {
		kept = nil
		for _, name := range left {
			sure := false // that the node stays in use
			removed, err := removeBusy(ctx, 0,
				func() error { return qemu.BlockdevDel{NodeName: name}.Do(ctx, vm.conn) },
				func() (bool, error) {
					exists, err := vm.nodeExistsInUse(ctx, name)
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
	isGone := func(node string) bool { return slices.Contains(nodes, node) && !isKept(kept, node) }
	if len(sets) > 0 {
		err = vm.removeClosedSets(ctx, func(opaque string) bool {
			_, node := ownerOf(opaque)
			return slices.Contains(sets, opaque) && isGone(node)
		})
	}
	for _, name := range nodes {
		if name == id || !isGone(name) {
			continue
		}
		mark := markOf(id, aNode, name)
		if kind, markErr := vm.objectType(ctx, mark); markErr != nil || kind != "secret" {
			err = errors.Join(err, markErr)
			continue
		}
		_, markErr := vm.removeObject(ctx, mark)
		err = errors.Join(err, markErr)
	}
	return kept, err
}

// setsOfNodes returns the opaque texts of the sets that were added for nodes of a disk.
func (vm *VM) setsOfNodes(ctx context.Context, id string, nodes []string) (opaques []string, err error) {
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	for _, s := range sets {
		for _, fd := range s.FDs {
			opaque := qmp.Value(fd.Opaque)
			if owner, node := ownerOf(opaque); owner == id && slices.Contains(nodes, node) {
				opaques = append(opaques, opaque)
			}
		}
	}
	return opaques, err
}

func isKept(kept []Kept, node string) bool {
	return slices.ContainsFunc(kept, func(k Kept) bool { return k.Name == node })
}

// NodesOf lists the nodes that this package added for a disk, whether the disk uses them or not: nodes with the disk's ID
// as their name, with descriptors, or with a mark. If a node is gone, but its mark or descriptors that no disk uses are
// left, NodesOf lists the node, too. The device need not exist.
//
// Source: query-fdsets, qom-list, query-blockstats; query-block if a node is gone.
func (vm *VM) NodesOf(ctx context.Context, id string) (names []string, err error) {
	if err := cmp.Or(vm.made(), checkID(id)); err != nil {
		return nil, failed(fmt.Sprintf("list nodes of disk %q", id), err)
	}
	p := &parts{found: &found{id: id}, removal: &removal{}, vm: vm}
	var exist []qemu.BlockStats
	open := map[string]bool{}
	exists := func(name string) bool {
		return slices.ContainsFunc(exist, func(n qemu.BlockStats) bool { return qmp.Value(n.NodeName) == name })
	}
	isGone := func(own part) bool { return own.what == aNode && !exists(own.name) }
	if err = p.ask(ctx, aNode); err == nil {
		exist, err = vm.nodes(ctx)
	}
	if err == nil && slices.ContainsFunc(p.own, isGone) {
		open, err = vm.openSets(ctx, id)
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("list nodes of disk %q", id), err)
	}
	if exists(id) && !p.claimed {
		names = append(names, id)
	}
	isMarked := func(name string) bool {
		return slices.ContainsFunc(p.marks, func(o object) bool { marked, ok := markedBy(o, id, aNode); return ok && marked == name })
	}
	for _, own := range p.own {
		if own.what == aNode && !slices.Contains(names, own.name) && (exists(own.name) || isMarked(own.name) || !open[own.name]) {
			names = append(names, own.name)
		}
	}
	return names, nil
}

// openSets reports for each node that has sets whether a disk has all of them open: a node below it uses them, see
// removeClosedSets.
func (vm *VM) openSets(ctx context.Context, id string) (all map[string]bool, err error) {
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	var open []int64
	for _, b := range blocks {
		open = append(open, setsOpen(b.Inserted)...)
	}
	all = map[string]bool{}
	for _, s := range sets {
		for _, fd := range s.FDs {
			if owner, node := ownerOf(qmp.Value(fd.Opaque)); owner == id {
				before, ok := all[node]
				all[node] = slices.Contains(open, s.FDSetID) && (before || !ok)
			}
		}
	}
	return all, nil
}
