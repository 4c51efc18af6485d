package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A parts has a device, and the parts to remove with it.
type parts struct {
	*found
	*removal
	vm     *VM
	gone   []string // as in removalKind
	shared []part   // those of uses that other devices can use

	// With WithBackend:
	chain  []string        // the names of the nodes below the device's node, from the top
	others map[string]bool // the names of the nodes of other devices
	fdsets []int64         // the sets of other owners that the nodes have open, and no other device's

	askedMarks, askedSets bool
	own                   []part   // that sets and marks tell
	claimed               bool     // a set or a mark tells that the node with the device's ID is of another disk
	seen                  []string // the kinds of parts that were removed
	sets                  []string // the numbers of all sets that have descriptors
	marks                 []object // of the device
	err                   error    // the errors of all parts
	stopped               error    // why no more commands are sent
}

// partsOf finds a device, and the facts about its parts that QEMU does not report when the device is gone. If jobs are on
// the disk, it cancels them or returns an error.
func (vm *VM) partsOf(ctx context.Context, id string, r *removal, kind removalKind) (*parts, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	for _, told := range r.told {
		if told.name == "" {
			return nil, fmt.Errorf("name of the %s is empty", told.what)
		}
	}
	for range jobAttempts {
		p, err := vm.readParts(ctx, id, r, kind)
		if err != nil {
			return nil, err
		}
		if cancelled, err := p.checkIdle(ctx); err != nil || !cancelled {
			return p, err
		}
	}
	return nil, because(ErrBusy, "new jobs start on the disk all the time")
}

// readParts finds a device and its parts.
func (vm *VM) readParts(ctx context.Context, id string, r *removal, kind removalKind) (*parts, error) {
	f, err := vm.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.exists {
		if err := kind.check(f); err != nil {
			return nil, err
		}
	}
	if !f.exists && slices.Contains(kind.gone, aNode) {
		if err := vm.checkNoDisk(ctx, id); err != nil {
			return nil, err
		}
	}
	p := &parts{found: f, removal: r, vm: vm, gone: kind.gone}
	if f.exists && kind.shared {
		if err := p.readShared(ctx); err != nil {
			return nil, err
		}
	}
	return p, p.readStorage(ctx)
}

// checkNoDisk returns an error if a disk whose device has no ID has this name: the nodes of its operations look like the parts
// of a device that is gone.
func (vm *VM) checkNoDisk(ctx context.Context, name string) error {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if i := slices.Index(DiskNames(blocks), name); i >= 0 && DiskID(&blocks[i]) == "" {
		return because(ErrNoID, "device has no ID: device_del with id=%s asks the guest to release it",
			strings.TrimSuffix(qmp.Value(blocks[i].Qdev), "/virtio-backend"))
	}
	return err
}

// readShared finds the parts that other devices can use, too.
func (p *parts) readShared(ctx context.Context) error {
	shared, err := p.vm.uses(ctx, p.id, p.kind.shared)
	if errors.Is(err, errNoDevice) { // any more
		return nil
	}
	for _, used := range shared {
		if used.name != "" {
			p.shared, p.uses = append(p.shared, used), append(p.uses, used)
		}
	}
	return err
}

// readStorage reads the nodes below the device's node and the sets that they have open, if the caller wants them to be
// removed. A job that runs can have a nameless node on top: then readStorage finds the node below it.
func (p *parts) readStorage(ctx context.Context) error {
	node, isDisk := p.used(aNode)
	nameless := isNameless(node)
	if !nameless && (!p.backend || node == "" && !p.tells(aNode)) {
		return nil
	}
	stats, err := qemu.QueryBlockStats{}.Do(ctx, p.vm.conn)
	if err != nil {
		return err
	}
	p.others = map[string]bool{}
	for _, s := range stats {
		names := namesIn(&s)
		if isDisk && isDriveOf(p.id, s.Qdev) {
			if nameless && len(names) > 0 {
				p.uses[slices.Index(p.uses, part{aNode, node})].name = names[0]
				node = names[0]
			}
			p.chain = names
			continue
		}
		for _, name := range names {
			p.others[name] = true
		}
	}
	if !p.backend {
		p.chain = nil
		return nil
	}
	if p.tells(aNode) {
		if err := p.readTold(ctx); err != nil {
			return err
		}
	}
	p.chain = slices.DeleteFunc(p.chain, func(name string) bool { return name == node })
	if !p.exists {
		return nil
	}
	return p.readSets(ctx)
}

// readTold adds the nodes below those that the caller named to the chain. No device may use these.
func (p *parts) readTold(ctx context.Context) error {
	all, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, p.vm.conn)
	if err != nil {
		return err
	}
	for _, s := range all {
		if name := qmp.Value(s.NodeName); slices.Contains(p.told, part{aNode, name}) {
			p.chain = append(p.chain, namesIn(&s)...)
		}
	}
	p.chain = slices.DeleteFunc(p.chain, func(name string) bool { return slices.Contains(p.told, part{aNode, name}) })
	return nil
}

// readSets finds the sets of descriptors that the nodes of the device have open, by the names of their files.
func (p *parts) readSets(ctx context.Context) error {
	sets, err := qemu.QueryFDSets{}.Do(ctx, p.vm.conn)
	if err != nil || !slices.ContainsFunc(sets, func(s qemu.FDSetInfo) bool { return !isSetOf(s, p.id) }) {
		return err
	}
	blocks, err := qemu.QueryBlock{}.Do(ctx, p.vm.conn)
	if err != nil {
		return err
	}
	var others []int64
	for _, b := range blocks {
		if open := setsOpen(b.Inserted); isDriveOf(p.id, b.Qdev) {
			p.fdsets = append(p.fdsets, open...)
		} else {
			others = append(others, open...)
		}
	}
	p.fdsets = slices.DeleteFunc(p.fdsets, func(set int64) bool { return slices.Contains(others, set) })
	return nil
}

// tells reports whether the caller named a part of this kind.
func (r *removal) tells(what string) bool {
	return slices.ContainsFunc(r.told, func(p part) bool { return p.what == what })
}

// remove removes the parts of a device that is gone. The parts that stay are in p.kept.
func (p *parts) remove(ctx context.Context) error {
	before := len(p.kept)
	for _, what := range []string{aNode, aNetdev, aChardev, anObject, anFDSet} {
		_, uses := p.used(what)
		switch isGone := !p.exists && slices.Contains(p.gone, what); {
		case !uses && !isGone && !p.tells(what):
			continue
		case what == aChardev && !uses && !p.tells(what) && slices.ContainsFunc(p.kept[before:], func(k Kept) bool { return k.What == aNetdev }):
			// which may use it
			continue
		case what == aNode:
			p.removeStorage(ctx)
		default:
			p.removeAll(ctx, what)
		}
		p.seen = append(p.seen, what)
	}
	p.removeMarks(ctx)
	return p.err
}

// keep records that a part stays because of an error. If the part is ours, the removal also returns the error.
func (p *parts) keep(what, name string, err error, ours bool) {
	p.kept = append(p.kept, Kept{what, name, err})
	if ours {
		p.err = errors.Join(p.err, err)
	}
}

// try removes one part, unless the operation has stopped. A part that something uses is an error only if it is ours.
// try stops the operation if QEMU does not answer.
func (p *parts) try(what, name string, ours bool, remove func() (bool, error)) (removed, kept bool) {
	if p.stopped != nil {
		p.kept = append(p.kept, Kept{what, name, p.stopped})
		return false, true
	}
	removed, err := remove()
	if err == nil {
		return removed, false
	}
	inUse := errors.Is(err, ErrInUse)
	p.keep(what, name, err, ours || !inUse)
	if !inUse && !refused(err) {
		p.stopped = err
	}
	return false, true
}

// ask finds the parts of a kind by their marks and sets.
func (p *parts) ask(ctx context.Context, what string) error {
	if (what == aNode || what == anFDSet) && !p.askedSets {
		sets, err := qemu.QueryFDSets{}.Do(ctx, p.vm.conn)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		p.takeSets(sets)
	}
	if p.askedMarks || what == anFDSet {
		return nil
	}
	objects, err := p.vm.objects(ctx, objectsPath, "child")
	if err != nil {
		return err
	}
	p.takeMarks(objects)
	return nil
}

// takeSets records the sets of the device.
func (p *parts) takeSets(sets []qemu.FDSetInfo) {
	for _, s := range sets {
		number := strconv.FormatInt(s.FDSetID, 10)
		if len(s.FDs) > 0 {
			p.sets = append(p.sets, number)
		}
		for _, fd := range s.FDs {
			opaque := qmp.Value(fd.Opaque)
			switch id, node := ownerOf(opaque); {
			case id == p.id && node != "":
				p.own = append(p.own, part{aNode, node})
			case id != "" && node == p.id:
				p.claimed = true
			}
			if strings.HasPrefix(opaque, deviceOpaque(p.id)) {
				p.own = append(p.own, part{anFDSet, number})
			}
		}
	}
	p.askedSets = true
}

// takeMarks records the marks of the device among the objects.
func (p *parts) takeMarks(objects []object) {
	for _, o := range objects {
		for _, what := range []string{aNode, aNetdev, aChardev, anObject} {
			if name, ok := markedBy(o, p.id, what); ok {
				p.marks = append(p.marks, o)
				p.own = append(p.own, part{what, name})
			}
		}
		if of, ok := strings.CutSuffix(o.name, markOf("", aNode, p.id)); ok && of != p.id && o.kind == "secret" {
			p.claimed = true
		}
	}
	p.askedMarks = true
}

// stop ends the operation because of an error that does not belong to one part.
func (p *parts) stop(err error) {
	if err != nil && p.stopped == nil {
		p.stopped, p.err = err, errors.Join(p.err, err)
	}
}

// names lists the parts of a kind to remove. The part that the device uses comes first. ours has the parts that this
// package added.
func (p *parts) names(ctx context.Context, what string) (all []string, ours map[string]bool) {
	ours = map[string]bool{}
	add := func(name string, isOurs bool) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
			ours[name] = isOurs
		}
	}
	used, _ := p.used(what)
	byDefault := defaultNames(what, p.id)
	isDefault := slices.Contains(byDefault, used)
	if !isDefault && p.stopped == nil {
		p.stop(p.ask(ctx, what))
	}
	own := []string{}
	for _, o := range p.own {
		if o.what == what {
			own = append(own, o.name)
		}
	}
	switch {
	case isDefault:
		own = append(own, used)
	case what == aNode: // there can also be nodes that operations on the disk have added
		if (p.exists || slices.Contains(p.gone, what)) && !p.claimed {
			own = append(own, byDefault...)
		}
	case len(own) == 0 && slices.Contains(p.gone, what):
		own = append(own, byDefault...)
	}
	isOwn := func(name string) bool { return slices.Contains(own, name) }
	if what != anFDSet || slices.Contains(p.sets, used) {
		add(used, isOwn(used))
	}
	for _, told := range p.told {
		if told.what == what {
			add(told.name, isOwn(told.name))
		}
	}
	if what == aNode {
		for _, name := range p.chain {
			add(name, isOwn(name))
		}
	}
	for _, name := range own {
		add(name, true)
	}
	return all, ours
}

// wants reports whether the caller wants to remove a part that this package did not add.
func (p *parts) wants(what, name string) bool {
	return p.backend || slices.Contains(p.told, part{what, name})
}

// removeAll removes the netdevs, the character devices, the objects or the sets of descriptors of a device. Only the
// backend of a device adds a set that no node uses.
func (p *parts) removeAll(ctx context.Context, what string) {
	used, _ := p.used(what)
	all, ours := p.names(ctx, what)
	for _, name := range all {
		if !ours[name] && slices.Contains(p.shared, part{what, name}) {
			continue
		}
		if !ours[name] && !p.wants(what, name) {
			p.keep(what, name, ErrNotOurs, false)
			continue
		}
		removed, kept := p.try(what, name, ours[name], func() (bool, error) {
			switch what {
			case aNetdev:
				if name != used { // QEMU connects a netdev with one device only
					return p.vm.removeUnusedNetdev(ctx, name)
				}
				return p.vm.removeNetdev(ctx, name)
			case aChardev:
				return p.vm.removeChardev(ctx, name)
			case anFDSet:
				return p.vm.removeSet(ctx, name)
			}
			if name == p.id && name != used { // may be another's: an I/O thread
				exists, err := p.vm.backendExists(ctx, name)
				if err != nil || !exists {
					return false, err
				}
			}
			return p.vm.removeObject(ctx, name)
		})
		if what == aNetdev && ours[name] && !removed && !kept {
			p.closeRest(ctx)
		}
	}
	if what == anFDSet && !p.exists && p.stopped == nil { // a device has taken the files that were sent for it
		p.stop(p.vm.closeNames(ctx, sentNames(p.id), 0, 2))
	}
}

// closeRest closes the descriptors that an interrupted AddNIC can have sent before it added the netdev.
func (p *parts) closeRest(ctx context.Context) {
	for _, name := range []func(queue int) string{tapNames(p.id), vhostNames(p.id)} {
		if err := p.vm.closeNames(ctx, name, 0, maxMissing); err != nil {
			p.stop(err)
			return
		}
	}
}

// removeMarks removes the marks of the parts that are gone. A mark of a kind that this removal leaves out stays: another
// method removes the part.
func (p *parts) removeMarks(ctx context.Context) {
	for _, m := range p.marks {
		isOf := func(what string) bool { _, ok := markedBy(m, p.id, what); return ok }
		if !slices.ContainsFunc(p.seen, isOf) {
			continue
		}
		ofKept := func(k Kept) bool {
			name, ok := markedBy(m, p.id, k.What)
			return ok && name == k.Name
		}
		if slices.ContainsFunc(p.kept, ofKept) {
			continue
		}
		p.try(anObject, m.name, true, func() (bool, error) { return p.vm.removeObject(ctx, m.name) })
	}
}
