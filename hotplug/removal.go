package hotplug

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
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

// A removal has the options of a caller, and the result.
type removal struct {
	backend bool   // what somebody else added, too
	told    []part // parts that the caller named
	kept    []Kept

	cancelJobs bool // on the disk
}

func newRemoval(opts []RemoveOption) *removal {
	r := &removal{}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// keys returns the names in the options.
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

	// shared reports that the removal also looks for parts that this package added for the device, and that other
	// devices can use, too.
	shared bool
}

var (
	diskRemoval = removalKind{
		check: func(f *found) error { return unless(f.isDisk(), ErrNotDisk) },
		gone:  []string{aNode, aChardev},
	}
	nicRemoval = removalKind{
		check: func(f *found) error { return unless(f.kind.has("netdev"), ErrNotNIC) },
		gone:  []string{aNetdev, aChardev}, // a vhost-user server's, if no netdev uses it yet
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

// keepAll records all parts of a device that the guest may still release: QEMU does not report their names after that.
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
	return vm.unplugChecked(ctx, leaving, f.id, k)
}
