package hotplug

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// removeStorage removes the nodes, descriptors and secrets of a disk.
func (p *parts) removeStorage(ctx context.Context) {
	used, _ := p.used(aNode)
	all, ours := p.names(ctx, aNode)
	kept := p.removeNodes(ctx, all, ours, used)
	// Nodes that stay need their descriptors and secrets.
	needed := slices.ContainsFunc(kept, func(name string) bool { return !p.others[name] })
	for _, set := range p.fdsets {
		p.try(anFDSet, strconv.FormatInt(set, 10), false, func() (bool, error) {
			if needed {
				return false, because(ErrInUse, "a node that stays may need it")
			}
			return qmpfd.RemoveSet(ctx, p.vm.conn, set)
		})
	}
	if p.stopped != nil || slices.ContainsFunc(kept, func(name string) bool { return ours[name] }) {
		return
	}
	p.removeOwnSets(ctx, all)
	// The rest does not depend on the descriptors.
	objects, err := p.vm.objects(ctx, objectsPath, "child")
	if err != nil {
		p.err = errors.Join(p.err, err)
		return
	}
	if !p.askedMarks {
		p.takeMarks(objects)
	}
	var left []string // nodes of AddNode, without descriptors
	leftOurs := map[string]bool{}
	for _, o := range p.own {
		if o.what == aNode && !slices.Contains(all, o.name) && !leftOurs[o.name] {
			left, leftOurs[o.name] = append(left, o.name), true
		}
	}
	if len(left) > 0 && len(p.removeNodes(ctx, left, leftOurs, "")) > 0 {
		return
	}
	p.err = errors.Join(p.err, p.vm.removeSecrets(ctx, p.id, objects))
}

// removeNodes removes nodes and returns the names of those that stay. used is the node that the device used, or "".
//
// QEMU refuses to remove a node as long as a node above it is there. The order of the nodes is not known, so removeNodes
// goes through them again as long as it removes any. An operation can also have left a node above, for example an overlay
// after its commit: removeNodes then looks for all nodes of the disk. Only what the device used may be in use for a while
// after the device is gone.
func (p *parts) removeNodes(ctx context.Context, names []string, ours map[string]bool, used string) (kept []string) {
	remove := func(name string, limit time.Duration) (removed, there bool) {
		removed, there = p.try(aNode, name, ours[name], func() (bool, error) { return p.vm.removeDrive(ctx, name, limit) })
		if !removed && !there && name == used && name != p.id {
			there = p.keepNode(ctx, name, because(ErrInUse, "QEMU did not remove the drive"))
		}
		return removed, there
	}
	var left []string
	for _, name := range names {
		if isNameless(name) || !ours[name] && !p.wants(aNode, name) {
			if p.keepNode(ctx, name, ErrNotOurs) {
				kept = append(kept, name)
			}
			continue
		}
		left = append(left, name)
	}
	before := *p.removal
	failed := p.err
	for waits := false; len(left) > 0; {
		*p.removal, p.err = before, failed // only the errors of the last pass count
		progress := false
		left = slices.DeleteFunc(left, func(name string) bool {
			limit := time.Duration(0)
			if waits && (name == used || used == "") {
				limit = busyGrace
			}
			removed, there := remove(name, limit)
			progress = progress || removed
			return !there
		})
		switch {
		case p.stopped != nil, len(left) == 0, waits && !progress:
			return append(kept, left...)
		case progress:
			waits = false
		default:
			more := p.moreNodes(ctx, names)
			if p.stopped != nil {
				return append(kept, left...)
			}
			for _, name := range more {
				ours[name] = true
			}
			names, left = append(names, more...), append(left, more...)
			waits = len(more) == 0
		}
	}
	return append(kept, left...)
}

// moreNodes asks for the nodes that this package added for the disk, and returns the nodes that are not among names.
func (p *parts) moreNodes(ctx context.Context, names []string) (more []string) {
	p.stop(p.ask(ctx, aNode))
	for _, o := range p.own {
		if o.what == aNode && !slices.Contains(names, o.name) && !slices.Contains(more, o.name) {
			more = append(more, o.name)
		}
	}
	return more
}

// keepNode records that a node or a drive of -drive stays, if it does: QEMU removes most drives with their device.
func (p *parts) keepNode(ctx context.Context, name string, reason error) (kept bool) {
	node, drive := false, false
	_, kept = p.try(aNode, name, false, func() (bool, error) {
		all, err := p.vm.nodes(ctx)
		node = slices.ContainsFunc(all, func(s qemu.BlockStats) bool { return qmp.Value(s.NodeName) == name })
		if err != nil || node {
			return false, err
		}
		attached, err := qemu.QueryBlockStats{}.Do(ctx, p.vm.conn)
		drive = slices.ContainsFunc(attached, func(s qemu.BlockStats) bool { return qmp.Value(s.Device) == name })
		return false, err
	})
	switch {
	case node:
		p.keep(aNode, name, reason, false)
	case drive:
		p.keep(aDrive, name, reason, false)
	}
	return kept || node || drive
}

// removeOwnSets removes the sets of the disk. If a set names another node than those that are removed, it first removes
// that node: an interrupted operation left both.
func (p *parts) removeOwnSets(ctx context.Context, removed []string) {
	for {
		var other string
		err := qmpfd.RemoveSetsFunc(ctx, p.vm.conn, func(opaque string) bool {
			id, node := ownerOf(opaque)
			if id != p.id {
				return false
			}
			if node == "" || slices.Contains(removed, node) {
				return true
			}
			other = node
			return false
		})
		p.err = errors.Join(p.err, err)
		if err != nil || other == "" || len(p.removeNodes(ctx, []string{other}, map[string]bool{other: true}, "")) > 0 {
			return
		}
		removed = append(removed, other)
	}
}

// isNameless reports whether a node has no name of a user. QEMU has made up its name.
func isNameless(node string) bool { return strings.HasPrefix(node, "#") }

// namesIn lists the names of a node and the nodes below it. A node comes before all that are below it. Nodes without a
// name are parts of others.
func namesIn(s *qemu.BlockStats) (all []string) { return slices.DeleteFunc(nodesIn(s), isNameless) }

// nodesIn is namesIn with the nodes that have no name of a user.
func nodesIn(s *qemu.BlockStats) (all []string) {
	var walk func(s *qemu.BlockStats)
	walk = func(s *qemu.BlockStats) {
		if s == nil || slices.Contains(all, qmp.Value(s.NodeName)) {
			return
		}
		walk(s.Parent) // a filter has the same nodes in both
		walk(s.Backing)
		if name := qmp.Value(s.NodeName); name != "" {
			all = append(all, name)
		}
	}
	walk(s)
	slices.Reverse(all)
	return all
}

// isSetOf reports whether a set of descriptors is one of a disk that AddDisk added.
func isSetOf(s qemu.FDSetInfo, id string) bool {
	return slices.ContainsFunc(s.FDs, func(fd qemu.FDSetFDInfo) bool { owner, _ := ownerOf(qmp.Value(fd.Opaque)); return owner == id })
}

var setName = regexp.MustCompile(`/dev/fdset/([0-9]+)`)

// setsOpen lists the sets of descriptors that are in the names of a disk's files.
func setsOpen(info *qemu.BlockDeviceInfo) (ids []int64) {
	if info == nil {
		return nil
	}
	names := info.File + "\n" + qmp.Value(info.BackingFile)
	for image := &info.Image; image != nil; image = image.BackingImage {
		names += "\n" + image.Filename
	}
	for _, m := range setName.FindAllStringSubmatch(names, -1) {
		if id, err := strconv.ParseInt(m[1], 10, 64); err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
