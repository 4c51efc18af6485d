package hotplug

import "fmt"

// A Kept is something that a device used and that a removal left in QEMU.
type Kept struct {
	What string // the kind: "node", "netdev", "object", "character device" or "fdset"
	Name string // the name of the node, the ID of another thing, or the number of an fdset

	// Err is why it stays. It matches [ErrInUse] if something else uses it, and [ErrNotOurs] if this package did
	// not add it.
	Err error
}

// String returns the kind, the name and the reason.
func (k Kept) String() string { return fmt.Sprintf("%s %q: %v", k.What, k.Name, k.Err) }

// A RemoveOption is an option of [VM.RemoveDisk], [VM.RemoveNIC], [VM.RemoveMemory], [VM.RemoveDevice] and
// [VM.RemoveFunctions].
type RemoveOption func(*removal)

// A removal is what the options of a removal say, and its result.
type removal struct {
	backend bool                // remove what somebody else added, too
	names   map[string][]string // by the kind, as in Kept
	kept    []Kept              // what stays
}

// WithBackend also removes what somebody else added for the device: its node and the nodes below it, descriptors,
// its netdev, object or character device. What something else uses stays.
func WithBackend() RemoveOption { return func(r *removal) { r.backend = true } }

// WithNode also removes the block node with this name. Use it if the device is gone, so that QEMU does not tell which
// node it used.
func WithNode(name string) RemoveOption { return withName("node", name) }

// WithNetdev also removes the netdev with this ID, as [WithNode] does.
func WithNetdev(id string) RemoveOption { return withName("netdev", id) }

// WithObject also removes the object with this ID, as [WithNode] does.
func WithObject(id string) RemoveOption { return withName("object", id) }

// WithChardev also removes the character device with this ID, as [WithNode] does.
func WithChardev(id string) RemoveOption { return withName("character device", id) }

func withName(what, name string) RemoveOption {
	return func(r *removal) {
		if r.names == nil {
			r.names = map[string][]string{}
		}
		r.names[what] = append(r.names[what], name)
	}
}
