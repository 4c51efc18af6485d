package block

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// A Target is storage that an operation writes to: the new storage of a disk, an overlay, a copy or a backup. A File and a
// Descriptor are not encrypted, even if the disk is.
type Target struct {
	// Backend is the storage: a [hotplug.File], a [hotplug.Descriptor], a [hotplug.Blockdev] or a [hotplug.Node]. QEMU
	// must be able to write to it. The format must be "raw" (or empty) or "qcow2", except in a Blockdev or a Node. The target
	// has the settings of Backend, not those of the old storage: set Direct and Discard again.
	//
	// An nbd node of a Blockdev gets an open-timeout of 10 seconds, unless it has one. QEMU before 7.0 has no open-timeout:
	// if the NBD server accepts the connection and does not answer, the monitor executes no command until the server closes
	// the connection. QEMU before 6.0 has no yank: if ctx ends, the node stays, because removing it could block the
	// monitor, too.
	Backend hotplug.DiskBackend

	// NodeName names the node. By default, the name is the disk's ID and a random text: "data1.k3fa5c". It must be empty for
	// a Node.
	NodeName string

	// Create makes the image, with exactly the size of the disk. The Backend must be a File or a Descriptor. A regular file
	// need not exist. If it has content, the error matches [ErrNotEmpty]. The content of a block device is lost. If the
	// operation fails, the file stays.
	//
	// Without Create, the image must exist. If it does not have the size of the disk, the error matches [ErrSize]. A raw
	// block device that is a File can be larger: QEMU uses its beginning.
	//
	// A target for the first image only ([MoveOptions.Top]) or for an increment must have no data, because the operation
	// would leave old data where it writes nothing. If a qcow2 image has data or bitmaps, the error matches [ErrNotEmpty].
	// The images of a Blockdev and of a Node are not checked.
	Create bool

	// ClusterSize is the cluster size of a qcow2 image that Create makes, in bytes. 0 leaves it to QEMU: 64 KiB.
	ClusterSize uint64
}

// createsRaw reports whether the target is a new raw image.
func (t *Target) createsRaw() bool {
	var format qemu.BlockdevDriver
	switch b := pointedTo(t.Backend).(type) {
	case hotplug.File:
		format = b.Format
	case hotplug.Descriptor:
		format = b.Format
	}
	return t.Create && (format == "" || format == qemu.BlockdevDriverRaw)
}

// A backing is the image below a target.
type backing struct {
	node   string // the node to open the target with; empty opens it without a backing image
	needed bool   // the guest will use the target, and would read zeros without the node

	// later says that the image below is not there yet: the target gets it after an incremental backup.
	later bool

	// What Create writes into the header of the target. They are empty for an image that stands alone.
	file   string
	format qemu.BlockdevDriver
}

// A wanted is a target to add for a disk.
type wanted struct {
	Target
	disk  string
	size  int64
	below backing

	image *image // of a File or a Descriptor
	isNBD bool   // a node has a connection to an NBD server
}

// addTarget is addTargets for one target.
func (vm *VM) addTarget(ctx context.Context, undo *rollback, w wanted) (node string, err error) {
	nodes, err := vm.addTargets(ctx, undo, []wanted{w})
	if err != nil {
		return "", err
	}
	return nodes[0], nil
}

// addTargets adds the nodes of targets, as steps of an operation, and returns their names. It creates the images if the
// caller wants that. The commands that QEMU answers for the whole machine are sent once for all targets.
func (vm *VM) addTargets(ctx context.Context, undo *rollback, all []wanted) (names []string, err error) {
	all = slices.Clone(all)
	for i := range all {
		w := &all[i]
		if err := vm.prepareTarget(ctx, w); err != nil {
			return nil, onDisk(w.disk, err)
		}
		if w.image != nil {
			defer w.image.close()
		}
	}
	if err := vm.createImages(ctx, undo, all); err != nil {
		return nil, err
	}
	var nodes []hotplug.Disk
	var nbd []string // names of nodes
	for _, w := range all {
		name := w.NodeName
		if existing, ok := w.Backend.(hotplug.Node); ok {
			names = append(names, existing.Name)
			continue
		}
		if name == "" {
			name = newName(w.disk)
		}
		if w.isNBD {
			nbd = append(nbd, name)
		}
		names = append(names, name)
		nodes = append(nodes, hotplug.Disk{ID: w.disk, NodeName: name, Backend: w.Backend})
	}
	if err := vm.addNodes(ctx, undo, nodes, nbd...); err != nil {
		return nil, err
	}
	for i, w := range all {
		if w.below.needed {
			if err := vm.checkBelow(ctx, names[i], w.below.node); err != nil {
				return nil, onDisk(w.disk, err)
			}
		}
	}
	return names, nil
}

// pointedTo returns the backend that a backend points to, or the backend itself.
func pointedTo(backend hotplug.DiskBackend) hotplug.DiskBackend {
	if v := reflect.ValueOf(backend); v.Kind() == reflect.Pointer && !v.IsNil() {
		return v.Elem().Interface().(hotplug.DiskBackend)
	}
	return backend
}

// checkBelow returns an error unless a target is on top of the node that the operation needs below it.
func (vm *VM) checkBelow(ctx context.Context, target, below string) error {
	graph, err := qemu.XDebugQueryBlockGraph{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	ids := map[string]uint64{}
	for _, n := range graph.Nodes {
		if n.Type == qemu.XDbgBlockGraphNodeTypeBlockDriver {
			ids[n.Name] = n.ID
		}
	}
	reached := map[uint64]bool{ids[target]: true}
	for grows := true; grows; {
		grows = false
		for _, e := range graph.Edges {
			if reached[e.Parent] && !reached[e.Child] {
				reached[e.Child], grows = true, true
			}
		}
	}
	if !reached[ids[below]] {
		return fmt.Errorf("target %q must have node %q as its backing node", target, below)
	}
	return nil
}

// prepareTarget checks a target, opens its file, and completes the options of its node. It adds nothing to QEMU.
func (vm *VM) prepareTarget(ctx context.Context, w *wanted) (err error) {
	w.Backend = pointedTo(w.Backend)
	switch b := w.Backend.(type) {
	case hotplug.File, hotplug.Descriptor:
		return w.openImage()
	case hotplug.Blockdev:
		if w.Create {
			return errors.New("Create needs a File or a Descriptor, and the target is a Blockdev")
		}
		w.NodeName = cmp.Or(w.NodeName, qmp.Value(b.Options.NodeName))
		b.Options, w.isNBD, err = vm.withOpenTimeout(ctx, withBacking(b.Options, w.below))
		w.Backend = b
		return err
	case hotplug.Node:
		if w.Create || w.NodeName != "" {
			return errors.New("Create and NodeName do not fit a target that is a Node")
		}
		if b.Name == "" {
			return errors.New("Node needs a Name")
		}
		return nil
	}
	return fmt.Errorf("target is a %T: it must be a File, a Descriptor, a Blockdev or a Node", w.Backend)
}

// openImage opens the file of a target, and checks that it fits.
func (w *wanted) openImage() (err error) {
	if w.image, err = openImage(w.Backend, w.Target); err != nil {
		return err
	}
	switch {
	case w.image.format == qemu.BlockdevDriverRaw && (w.below.needed || w.Create && w.below.node != ""):
		err = errors.New("a raw image has no backing image: use qcow2")
	case w.Create:
		err = w.image.checkEmpty()
	default:
		err = w.image.checkSize(w.size)
		if err == nil && w.image.format == qemu.BlockdevDriverQcow2 && (w.below.needed || w.below.later) {
			err = w.image.checkUnwritten()
		}
	}
	if err != nil {
		w.image.close()
		return err
	}
	switch b := w.Backend.(type) {
	case hotplug.File:
		b.Backing = cmp.Or(b.Backing, w.image.backing(w.below))
		w.Backend = b
		if w.image.cuts() {
			w.Backend = w.image.cut(b, w.size)
		}
	case hotplug.Descriptor:
		b.Backing = cmp.Or(b.Backing, w.image.backing(w.below))
		w.Backend = b
	}
	return nil
}

// withBacking adds the backing node to the options of a node, unless its format has none, or the options name one.
func withBacking(options qemu.BlockdevOptions, below backing) qemu.BlockdevOptions {
	switch b := options.Branch.(type) {
	case *qemu.BlockdevOptionsQcow2:
		if b != nil && b.Backing == nil {
			image := *b
			image.Backing = below.ref()
			options.Branch = &image
		}
	case *qemu.RawBranch:
		if _, given := b.Members["backing"]; options.Driver == qemu.BlockdevDriverQcow2 && !given {
			members := maps.Clone(b.Members)
			members["backing"] = below.ref()
			options.Branch = &qemu.RawBranch{Members: members}
		}
	}
	return options
}

const openTimeout = 10 // seconds

// withOpenTimeout returns the options of a node in which each nbd node has an open-timeout, if QEMU knows that. isNBD
// reports whether there is such a node.
func (vm *VM) withOpenTimeout(ctx context.Context, options qemu.BlockdevOptions) (_ qemu.BlockdevOptions, isNBD bool, err error) {
	text, err := options.MarshalJSON()
	if err != nil || !bytes.Contains(text, []byte(`"nbd"`)) {
		return options, false, nil // AddNode reports the error, if it does not know better
	}
	lacks, err := qmpschema.Missing(ctx, vm.conn, qemu.BlockdevAdd{Branch: &qemu.BlockdevOptionsNBD{
		Server: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{}}, OpenTimeout: new(uint32(openTimeout)),
	}})
	if err != nil || len(lacks) > 0 {
		return options, true, err
	}
	members := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return options, true, err
	}
	limitOpening(members)
	limited := qemu.BlockdevOptions{NodeName: options.NodeName, Branch: &qemu.RawBranch{Members: members}}
	limited.Driver = qemu.BlockdevDriver(fmt.Sprint(members["driver"]))
	delete(members, "driver")
	delete(members, "node-name")
	return limited, true, nil
}

// yank closes the connections of a node, and of the nodes below it, to their servers. blockdev-del waits for a server that
// does not answer, and blocks the monitor. If QEMU has no yank, the error matches errors.ErrUnsupported.
func (vm *VM) yank(ctx context.Context, node string) error {
	stats, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(stats, func(s qemu.BlockStats) bool { return qmp.Value(s.NodeName) == node })
	if i < 0 {
		return nil
	}
	for s := &stats[i]; s != nil; s = s.Parent {
		err := qemu.Yank{Instances: []qemu.YankInstance{{Branch: &qemu.YankInstanceBlockNode{NodeName: qmp.Value(s.NodeName)}}}}.Do(ctx, vm.conn)
		if errors.Is(err, errors.ErrUnsupported) {
			return because(errors.ErrUnsupported, "stays, because QEMU before 6.0 would wait for its NBD server; call Clean when the server answers")
		}
		// QEMU refuses it for a node without a connection.
	}
	return nil
}

// yankUnused closes the connections of nodes, and of the nodes that only they use, to NBD servers: blockdev-del waits for a
// server. nodes are by the disk's ID.
func (vm *VM) yankUnused(ctx context.Context, nodes map[string][]string) error {
	connections, err := vm.connections(ctx)
	if err != nil || len(connections) == 0 {
		return err
	}
	graph, err := qemu.XDebugQueryBlockGraph{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	unused, names := map[uint64]bool{}, map[uint64]string{}
	isUsed := func(id uint64) bool {
		return slices.ContainsFunc(graph.Edges, func(e qemu.XDbgBlockGraphEdge) bool { return e.Child == id && !unused[e.Parent] })
	}
	for _, n := range graph.Nodes {
		isGiven := func(ofDisk []string) bool { return slices.Contains(ofDisk, n.Name) }
		names[n.ID] = n.Name
		if n.Type == qemu.XDbgBlockGraphNodeTypeBlockDriver && slices.ContainsFunc(slices.Collect(maps.Values(nodes)), isGiven) && !isUsed(n.ID) {
			unused[n.ID] = true
		}
	}
	for grows := true; grows; {
		grows = false
		for _, e := range graph.Edges {
			if unused[e.Parent] && !unused[e.Child] && !isUsed(e.Child) {
				unused[e.Child], grows = true, true
			}
		}
	}
	for id := range unused {
		if !slices.Contains(connections, names[id]) {
			continue
		}
		err := qemu.Yank{Instances: []qemu.YankInstance{{Branch: &qemu.YankInstanceBlockNode{NodeName: names[id]}}}}.Do(ctx, vm.conn)
		if err != nil && !refused(err) { // it can be closed already
			return err
		}
	}
	return nil
}

// connections returns the names of the nodes that have a connection to an NBD server. QEMU before 6.0 does not report them.
func (vm *VM) connections(ctx context.Context) (nodes []string, err error) {
	all, err := qemu.QueryYank{}.Do(ctx, vm.conn)
	for _, c := range all {
		if b, ok := c.Branch.(*qemu.YankInstanceBlockNode); ok {
			nodes = append(nodes, b.NodeName)
		}
	}
	return nodes, ignore(err, errors.ErrUnsupported)
}

// limitOpening gives each nbd node of a tree an open-timeout.
func limitOpening(value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			limitOpening(element)
		}
	case map[string]any:
		if _, given := v["open-timeout"]; !given && v["driver"] == string(qemu.BlockdevDriverNBD) {
			v["open-timeout"] = openTimeout
		}
		for _, member := range v {
			limitOpening(member)
		}
	}
}

// ref returns the member "backing" of a node.
func (b backing) ref() *qemu.BlockdevRefOrNull {
	if b.node == "" {
		return &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}
	}
	return &qemu.BlockdevRefOrNull{Reference: new(b.node)}
}

// addNode adds a node for a disk, as a step of an operation, and returns its name. If name is empty, addNode makes one.
func (vm *VM) addNode(ctx context.Context, undo *rollback, disk, name string, backend hotplug.DiskBackend) (string, error) {
	if name == "" {
		name = newName(disk)
	}
	return name, vm.addNodes(ctx, undo, []hotplug.Disk{{ID: disk, NodeName: name, Backend: backend}})
}

// addNodes adds nodes for disks, all or none, as a step of an operation. nbd names the nodes with connections to NBD servers.
// Such a server may not answer, so undoing first cuts the connections.
func (vm *VM) addNodes(ctx context.Context, undo *rollback, nodes []hotplug.Disk, nbd ...string) error {
	if len(nodes) == 0 {
		return nil
	}
	if err := vm.plug.AddNodes(ctx, nodes...); err != nil {
		return err
	}
	var names []string
	for _, d := range nodes {
		names = append(names, d.NodeName)
	}
	undo.add("node "+strings.Join(names, ", "), func(undoCtx context.Context) (err error) {
		added := map[string][]string{}
		for _, d := range nodes {
			if slices.Contains(nbd, d.NodeName) {
				if yankErr := vm.yank(undoCtx, d.NodeName); yankErr != nil && ctx.Err() != nil {
					err = errors.Join(err, yankErr)
					continue
				}
			}
			added[d.ID] = append(added[d.ID], d.NodeName)
		}
		return errors.Join(err, vm.removeNodes(undoCtx, added))
	})
	return nil
}

// releaseNodes removes nodes, by the IDs of their disks. Descriptors that QEMU does not close while the machine is stopped
// are in kept, and no error: [Disk.Left] lists them.
func (vm *VM) releaseNodes(ctx context.Context, nodes map[string][]string) (kept []hotplug.Kept, err error) {
	kept, err = vm.plug.RemoveNodesOf(ctx, nodes)
	if errors.Is(err, hotplug.ErrDescriptorsKept) {
		kept, err = append(kept, hotplug.Kept{What: "descriptors of node", Name: strings.Join(namesIn(nodes), ", "), Err: err}), nil
	}
	return kept, err
}

// removeNodes removes nodes with all that was added for them, by the IDs of their disks. If a node is in use, removeNodes
// returns an error.
func (vm *VM) removeNodes(ctx context.Context, nodes map[string][]string) error {
	kept, err := vm.plug.RemoveNodesOf(ctx, nodes)
	for _, k := range kept {
		if !errors.Is(err, k.Err) {
			err = errors.Join(err, fmt.Errorf("node %q: %w", k.Name, k.Err))
		}
	}
	return err
}

// namesIn lists the nodes of all disks.
func namesIn(nodes map[string][]string) (names []string) {
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		names = append(names, nodes[id]...)
	}
	return names
}

const maxNodeName = 31 // bytes, of BDS.node_name in include/block/block_int-common.h

// newName returns a name for a new node of a disk: the ID and a random text. So two programs that work on one disk at once
// get different names.
func newName(disk string) string {
	random := "." + strings.ToLower(rand.Text()[:6])
	return disk[:min(len(disk), maxNodeName-len(random))] + random
}

// nodes returns the names of all nodes.
func (vm *VM) nodes(ctx context.Context) (map[string]bool, error) {
	stats, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, vm.conn)
	names := map[string]bool{}
	for _, s := range stats {
		names[qmp.Value(s.NodeName)] = true
	}
	return names, err
}
