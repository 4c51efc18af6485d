package hotplug

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// A Kept is a part of a removed device that is still in QEMU. If the guest has not released the device, it is a part
// that the device uses.
type Kept struct {
	What string // the kind: "node", "drive" (of -drive), "netdev", "object", "character device" or "fdset"
	Name string // the name of the node, the ID of another thing, or the number of an fdset

	// Err is why the part is still there. It matches [ErrInUse] if something else uses the part, [ErrNotOurs] if this
	// package did not add it, and [ErrUnplugPending] if the guest has not released the device. Any other error is that
	// of the command that failed.
	Err error
}

// String returns the kind, the name and the reason.
func (k Kept) String() string { return fmt.Sprintf("%s %q: %v", k.What, k.Name, k.Err) }

// A RemoveOption is an option of [VM.RemoveDisk], [VM.RemoveNIC], [VM.RemoveMemory], [VM.RemoveDevice] and
// [VM.RemoveFunctions].
type RemoveOption func(*removal)

// WithBackend also removes the parts that somebody else added for the device: its node and the nodes below it, their
// sets of descriptors, its netdev, object or character device. A part that something else uses stays, see [Kept].
// QEMU does not refuse to remove a source of random numbers (rng) that another device uses: that device keeps working,
// but QEMU does not list the object any more.
//
// For a disk, the removal first asks QEMU for the nodes, and for the files if there are sets of descriptors that this
// package did not add. QEMU answers for all disks of the machine, which takes 10 to 20 ms a query for 400 disks.
func WithBackend() RemoveOption { return func(r *removal) { r.backend = true } }

// WithNode also removes the block node with this name, if nothing uses it. Use it if the device is gone: QEMU then
// does not report which node the device used. Together with [WithBackend], it also removes the nodes of the node's
// file, but not a backing file.
func WithNode(name string) RemoveOption { return withPart(aNode, name) }

// WithNetdev also removes the netdev with this ID, if no device uses it. See [WithNode].
func WithNetdev(id string) RemoveOption { return withPart(aNetdev, id) }

// WithObject also removes the object with this ID, if nothing uses it. See [WithNode].
func WithObject(id string) RemoveOption { return withPart(anObject, id) }

// WithChardev also removes the character device with this ID, if nothing uses it. See [WithNode].
func WithChardev(id string) RemoveOption { return withPart(aChardev, id) }

func withPart(what, name string) RemoveOption {
	return func(r *removal) { r.told = append(r.told, part{what, name}) }
}

// A removal is what a caller wants to be removed, and its result.
type removal struct {
	backend bool   // what somebody else added, too
	told    []part // parts that the caller named
	kept    []Kept
}

func newRemoval(opts []RemoveOption) *removal {
	r := &removal{}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// keys returns the names that the caller told.
func (r *removal) keys() (all []wait.Key) {
	for _, told := range r.told {
		all = append(all, wait.Key{Name: told.name})
	}
	return all
}

// A removalKind is the kind of device that a method removes.
type removalKind struct {
	check func(f *found) error // returns an error if the device is of another kind

	// gone are the kinds of parts that have the default names of a device, if the device is gone.
	gone []string

	// shared also looks for what this package added for the device, but other devices can use.
	shared bool
}

var (
	diskRemoval = removalKind{
		check: func(f *found) error { return unless(f.isDisk(), ErrNotDisk) },
		gone:  []string{aNode, aChardev},
	}
	nicRemoval = removalKind{
		check: func(f *found) error { return unless(f.kind.has("netdev"), ErrNotNIC) },
		gone:  []string{aNetdev},
	}
	memoryRemoval = removalKind{
		check: func(f *found) error { return unless(f.kind.has("memdev"), ErrNotMemory) },
		gone:  []string{anObject},
	}
	deviceRemoval = removalKind{
		check:  func(*found) error { return nil },
		gone:   []string{aChardev, anObject, anFDSet},
		shared: true,
	}
	functionRemoval = removalKind{
		check: func(f *found) error {
			return unless(!f.kind.has("memdev"), because(ErrNotAlone, "device has an object with memory; RemoveMemory removes both"))
		},
		gone:   []string{aNode, aNetdev, aChardev, anObject, anFDSet},
		shared: true,
	}
)

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// removeWith removes a device and its parts.
func (vm *VM) removeWith(ctx context.Context, id string, r *removal, kind removalKind) error {
	p, err := vm.partsOf(ctx, id, r, kind)
	if err != nil {
		return err
	}
	return p.unplug(ctx)
}

// unplug removes the device, if it exists, and its parts.
func (p *parts) unplug(ctx context.Context) error {
	if p.exists {
		if err := p.vm.release(ctx, p.found); err != nil {
			p.keepAll(err)
			return err
		}
	}
	return p.remove(ctx)
}

// keepAll records all parts of a device that the guest may still release: QEMU does not tell their names then.
func (p *parts) keepAll(err error) {
	if !qmp.MayHaveExecuted(err) {
		return
	}
	for _, used := range p.uses {
		if used.name != "" && !slices.Contains(p.shared, used) {
			p.kept = append(p.kept, Kept{used.what, used.name, err})
		}
	}
	for _, name := range p.chain {
		p.kept = append(p.kept, Kept{aNode, name, err})
	}
	for _, set := range p.fdsets {
		p.kept = append(p.kept, Kept{anFDSet, strconv.FormatInt(set, 10), err})
	}
}

// release unplugs a device of any kind.
func (vm *VM) release(ctx context.Context, f *found) error {
	if f.kind.has("memdev") {
		return vm.unplugMemory(ctx, f.id)
	}
	k := anyDevice
	if len(f.uses) == 0 {
		if err := vm.checkBridge(ctx, f.id); err != nil {
			return err
		}
		var err error
		if k, err = vm.kindOf(ctx, f.id); err != nil {
			return err
		}
	}
	leaving, err := vm.depart(ctx, f.id)
	defer leaving.end()
	if err != nil {
		return err
	}
	if f.kind.slot {
		if err := vm.checkSlot(ctx, leaving, f.id); err != nil {
			return err
		}
	}
	if err := vm.checkBuses(ctx, leaving, f.id); err != nil {
		return err
	}
	return vm.unplugChecked(ctx, f.id, k)
}

// parts are a device, and what is removed with it.
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
	seen                  []string // the kinds of parts that were removed
	sets                  []string // the numbers of all sets that have descriptors
	marks                 []object // of the device
	err                   error    // the errors of all parts
	stopped               error    // why no more commands are sent
}

// partsOf finds a device, and what QEMU does not tell any more when the device is gone.
func (vm *VM) partsOf(ctx context.Context, id string, r *removal, kind removalKind) (*parts, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	for _, told := range r.told {
		if told.name == "" {
			return nil, fmt.Errorf("name of the %s is empty", told.what)
		}
	}
	f, err := vm.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.exists {
		if err := kind.check(f); err != nil {
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

// readShared finds what other devices can use, too.
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

// remove removes the parts of a device that is gone. What stays is in p.kept.
func (p *parts) remove(ctx context.Context) error {
	for _, what := range []string{aNode, aNetdev, aChardev, anObject, anFDSet} {
		_, uses := p.used(what)
		switch isGone := !p.exists && slices.Contains(p.gone, what); {
		case !uses && !isGone && !p.tells(what):
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

// keep records that a part stays because of an error. It is the caller's error too if the part should have been removed.
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

// ask finds the parts of a kind that marks and sets tell.
func (p *parts) ask(ctx context.Context, what string) error {
	if (what == aNode || what == anFDSet) && !p.askedSets {
		sets, err := qemu.QueryFDSets{}.Do(ctx, p.vm.conn)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		for _, s := range sets {
			number := strconv.FormatInt(s.FDSetID, 10)
			if len(s.FDs) > 0 {
				p.sets = append(p.sets, number)
			}
			for _, fd := range s.FDs {
				opaque := qmp.Value(fd.Opaque)
				if id, node := ownerOf(opaque); id == p.id && node != "" {
					p.own = append(p.own, part{aNode, node})
				}
				if strings.HasPrefix(opaque, deviceOpaque(p.id)) {
					p.own = append(p.own, part{anFDSet, number})
				}
			}
		}
		p.askedSets = true
	}
	if p.askedMarks || what == anFDSet {
		return nil
	}
	objects, err := p.vm.objects(ctx, objectsPath, "child")
	if err != nil {
		return err
	}
	for _, o := range objects {
		for _, what := range []string{aNode, aNetdev, aChardev, anObject} {
			if name, ok := markedBy(o, p.id, what); ok {
				p.marks = append(p.marks, o)
				p.own = append(p.own, part{what, name})
			}
		}
	}
	p.askedMarks = true
	return nil
}

// stop ends the operation because of an error that does not belong to one part.
func (p *parts) stop(err error) {
	if err != nil && p.stopped == nil {
		p.stopped, p.err = err, errors.Join(p.err, err)
	}
}

// names lists the parts of a kind to remove, and whether they are ours: what the device uses first.
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
	case len(own) == 0 && (what == aNode && p.exists || slices.Contains(p.gone, what)):
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

// wants reports whether the caller wants a part to be removed that is not ours.
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
					if err := p.vm.checkNetdevUnused(ctx, name, ErrInUse); err != nil {
						return false, err
					}
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
			p.removeNetdevRest(ctx)
		}
	}
	if what == anFDSet && !p.exists && p.stopped == nil { // a device has taken the files that were sent for it
		p.stop(p.vm.closeNames(ctx, sentNames(p.id), 0, 2))
	}
}

// removeNetdevRest removes what an interrupted AddNIC can have left before it added the netdev.
func (p *parts) removeNetdevRest(ctx context.Context) {
	for _, name := range []func(queue int) string{tapNames(p.id), vhostNames(p.id)} {
		if err := p.vm.closeNames(ctx, name, 0, maxMissing); err != nil {
			p.stop(err)
			return
		}
	}
	chardev := chardevOf(p.id)
	p.try(aChardev, chardev, true, func() (bool, error) { return p.vm.removeChardev(ctx, chardev) })
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
	// The secrets do not depend on the descriptors.
	p.err = errors.Join(p.err, p.vm.removeSecrets(ctx, p.id))
}

// removeNodes removes nodes and returns the names of those that stay. used is the node that the device used, or "".
//
// QEMU refuses to remove a node as long as a node above it is there. The order of the nodes is not known if the device
// is gone, so removeNodes goes through them again as long as it removes any. Only what the device used may be in use
// for a while after the device is gone.
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
	for progress := true; progress && len(left) > 0; {
		progress = false
		*p.removal, p.err = before, failed // only the errors of the last pass count
		left = slices.DeleteFunc(left, func(name string) bool {
			limit := time.Duration(0)
			if name == used {
				limit = busyGrace
			}
			removed, there := remove(name, limit)
			progress = progress || removed
			return !there
		})
		if p.stopped != nil {
			break
		}
	}
	if used == "" && len(left) > 0 && p.stopped == nil {
		*p.removal, p.err = before, failed
		left = slices.DeleteFunc(left, func(name string) bool { _, there := remove(name, busyGrace); return !there })
	}
	return append(kept, left...)
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
func namesIn(s *qemu.BlockStats) (all []string) {
	var walk func(s *qemu.BlockStats)
	walk = func(s *qemu.BlockStats) {
		if s == nil || slices.Contains(all, qmp.Value(s.NodeName)) {
			return
		}
		walk(s.Parent) // a filter has the same nodes in both
		walk(s.Backing)
		if name := qmp.Value(s.NodeName); name != "" && !isNameless(name) {
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
