package picture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Block draws the storage of a machine: disks in the order of their names, the block nodes below them with filters and
// backing files, bitmaps, exports, jobs and sets of descriptors. Nodes and sets that no disk uses come last.
//
// Block asks several times, so the picture can have two states of a storage that changes. A QEMU before 11.1 has no safe query
// for nodes that are not images of a disk (query-named-block-nodes can terminate it). On such a QEMU these nodes have few
// notes, and the bitmaps are those of the nodes at the top of disks.
//
// Source: as [block.VM.Disks], and query-jobs, query-block-exports, query-fdsets, query-blockstats,
// x-debug-query-block-graph; query-named-block-nodes on QEMU 11.1 and later.
func Block(ctx context.Context, conn qmp.Conn) (*Picture, error) {
	var s storage
	if err := s.read(ctx, conn); err != nil {
		return nil, fmt.Errorf("picture: storage: %w", err)
	}
	return s.picture(), nil
}

// storage has QEMU's answers about storage.
type storage struct {
	disks   []*block.Disk
	jobs    []qemu.JobInfo
	exports []qemu.BlockExportInfo
	sets    []qemu.FDSetInfo
	nodes   []qemu.BlockStats // all
	version qmp.Version
	known   map[string]*qemu.BlockDeviceInfo // all nodes; nil if the server has no safe query for them
	graph   *qemu.XDbgBlockGraph             // nil if the server has no such command
}

func (s *storage) read(ctx context.Context, conn qmp.Conn) (err error) {
	if s.disks, err = block.New(conn).Disks(ctx); err != nil {
		return err
	}
	if s.jobs, err = (qemu.QueryJobs{}).Do(ctx, conn); err != nil {
		return err
	}
	optional := func(err error) error {
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		return err
	}
	if s.exports, err = (qemu.QueryBlockExports{}).Do(ctx, conn); optional(err) != nil {
		return err
	}
	if s.sets, err = (qemu.QueryFDSets{}).Do(ctx, conn); optional(err) != nil {
		return err
	}
	if s.nodes, err = (qemu.QueryBlockStats{QueryNodes: new(true)}).Do(ctx, conn); err != nil {
		return err
	}
	graph, err := qemu.XDebugQueryBlockGraph{}.Do(ctx, conn)
	if err == nil {
		s.graph = &graph
	} else if optional(err) != nil {
		return err
	}
	return s.readNodes(ctx, conn)
}

// A storageTree makes the picture.
type storageTree struct {
	*storage
	byName map[string]*blockNode
	drawn  map[*Thing]bool // below another thing
}

type blockNode struct {
	thing *Thing
	file  string
	used  int64
	below []Edge // other nodes
}

func (s *storage) picture() *Picture {
	name := func(d *block.Disk) string { return cmp.Or(d.ID, d.Drive, d.Path) }
	slices.SortStableFunc(s.disks, func(a, b *block.Disk) int { return strings.Compare(name(a), name(b)) })
	t := storageTree{storage: s, byName: map[string]*blockNode{}, drawn: map[*Thing]bool{}}
	t.addNodes()
	p := &Picture{Title: "block"}
	done := map[string]bool{} // jobs
	roots := t.rootsOfDisks()
	for i, d := range s.disks {
		disk := &Thing{Kind: Device, Name: name(d)}
		if len(d.Layers) == 0 {
			disk.note("no medium")
		} else {
			disk.note("disk", show.Bytes(d.Size()))
		}
		if d.ReadOnly {
			disk.note("read-only")
		}
		if node := t.byName[roots[i]]; node != nil {
			t.put(disk, "", node.thing)
		}
		for _, j := range d.Jobs {
			if !done[j.ID] {
				done[j.ID] = true
				t.put(disk, "", t.job(j))
			}
		}
		p.Roots = append(p.Roots, disk)
	}
	for _, j := range s.jobs {
		if !done[j.ID] {
			p.Roots = append(p.Roots, t.job(j))
		}
	}
	t.finishNodes()
	for _, name := range slices.Sorted(maps.Keys(t.byName)) {
		node := t.byName[name]
		if !t.drawn[node.thing] {
			p.Roots = append(p.Roots, node.thing)
		}
		if len(node.thing.Notes) == 0 && t.known == nil && !strings.HasPrefix(name, "#") { // not a filter of a job
			node.thing.note("not known")
			p.Note = fmt.Sprintf("QEMU %d.%d has no safe query for nodes that no disk uses: query-named-block-nodes can terminate it.",
				t.version.Major, t.version.Minor)
		}
	}
	for _, e := range s.exports {
		if t.byName[e.NodeName] == nil {
			p.Roots = append(p.Roots, exportOf(e))
		}
	}
	for _, set := range s.sets {
		if !slices.ContainsFunc(slices.Collect(maps.Values(t.byName)), func(n *blockNode) bool { return n.file == setFile(set) }) {
			p.Roots = append(p.Roots, setOf(set))
		}
	}
	return p
}

// put puts a thing below another one.
func (t *storageTree) put(above *Thing, edge string, thing *Thing) {
	above.add(edge, thing)
	t.drawn[thing] = true
}

func (t *storageTree) node(name string) *blockNode {
	n := t.byName[name]
	if n == nil {
		n = &blockNode{thing: &Thing{Kind: Node, Name: name}}
		t.byName[name] = n
	}
	return n
}

// addNodes adds all nodes with their notes and the edges between them.
func (t *storageTree) addNodes() {
	for _, d := range t.disks {
		for i, l := range d.Layers {
			n := t.node(l.Node)
			if len(n.thing.Notes) > 0 {
				continue // a layer of two disks
			}
			n.thing.note(string(l.Driver), show.Bytes(l.Size))
			if l.Encrypted {
				n.thing.note("encrypted")
			}
			if l.Filter() {
				n.thing.Kind = Filter
			} else {
				n.file, n.used = l.File, l.Used
			}
			if t.graph == nil && i > 0 {
				above, edge := t.node(d.Layers[i-1].Node), "backing"
				if above.thing.Kind == Filter {
					edge = "file"
				}
				above.below = append(above.below, Edge{edge, n.thing})
			}
		}
	}
	for _, s := range t.storage.nodes {
		if n := t.node(qmp.Value(s.NodeName)); len(n.thing.Notes) == 0 && s.DriverSpecific != nil {
			n.thing.note(string(s.DriverSpecific.Driver))
		}
	}
	for name, about := range t.known {
		if n := t.node(name); len(n.thing.Notes) == 0 {
			t.about(n, about)
		}
	}
	if t.graph == nil {
		return
	}
	names := map[uint64]string{}
	for _, n := range t.graph.Nodes {
		if n.Type == qemu.XDbgBlockGraphNodeTypeBlockDriver {
			names[n.ID] = n.Name
			t.node(n.Name)
		}
	}
	for _, e := range t.graph.Edges {
		if above, isNode := names[e.Parent]; isNode {
			n := t.node(above)
			n.below = append(n.below, Edge{e.Name, t.node(names[e.Child]).thing})
		}
	}
}

// about describes a node that is not an image of a disk. A node that opens a file for an image has only its driver.
func (t *storageTree) about(n *blockNode, about *qemu.BlockDeviceInfo) {
	n.thing.note(about.Drv)
	for _, other := range t.known {
		if slices.ContainsFunc(other.Children, func(c qemu.BlockdevChild) bool { return c.NodeName == n.thing.Name && c.Child == "file" }) {
			return
		}
	}
	n.thing.note(show.Bytes(about.Image.VirtualSize))
	if about.RO {
		n.thing.note("read-only")
	}
	if (block.Layer{Driver: qemu.BlockdevDriver(about.Drv)}).Filter() {
		n.thing.Kind = Filter
		return
	}
	n.used = qmp.Value(about.Image.ActualSize)
	for _, name := range []string{about.Image.Filename, about.File} {
		if n.file == "" && !strings.HasPrefix(name, "json:") {
			n.file = name
		}
	}
}

// rootsOfDisks returns the name of the node at the top of each disk. The graph knows the filters of jobs, which query-block
// leaves out.
func (t *storageTree) rootsOfDisks() []string {
	backends := map[string]string{}
	if t.graph != nil {
		names := map[uint64]qemu.XDbgBlockGraphNode{}
		for _, n := range t.graph.Nodes {
			names[n.ID] = n
		}
		for _, e := range t.graph.Edges {
			if above := names[e.Parent]; above.Type == qemu.XDbgBlockGraphNodeTypeBlockBackend && above.Name != "" {
				backends[above.Name] = names[e.Child].Name
			}
		}
	}
	roots := make([]string, len(t.disks))
	for i, d := range t.disks {
		first := ""
		if len(d.Layers) > 0 {
			first = d.Layers[0].Node
		}
		roots[i] = cmp.Or(backends[d.Drive], backends[d.Path], first)
	}
	return roots
}

// finishNodes puts below the nodes what uses them or what they use: bitmaps, exports, files, descriptors, backing files last.
func (t *storageTree) finishNodes() {
	bitmaps := map[string][]qemu.BlockDirtyInfo{}
	for _, d := range t.disks {
		if len(d.Layers) > 0 {
			bitmaps[d.Layers[0].Node] = d.Bitmaps
		}
	}
	for name, about := range t.known {
		bitmaps[name] = about.DirtyBitmaps
	}
	byThing := map[*Thing]*blockNode{}
	for _, n := range t.byName {
		byThing[n.thing] = n
	}
	for name, n := range t.byName {
		slices.SortStableFunc(n.below, func(a, b Edge) int {
			return cmp.Or(edgeRank(a.Name)-edgeRank(b.Name), strings.Compare(a.Name, b.Name), strings.Compare(a.To.Name, b.To.Name))
		})
		isLowest := true // of the nodes for the same file
		var backing []Edge
		for _, e := range n.below {
			isLowest = isLowest && byThing[e.To].file != n.file
			if e.Name == "backing" {
				backing = append(backing, e)
				continue
			}
			t.put(n.thing, e.Name, e.To)
		}
		for _, b := range bitmaps[name] {
			if b.Name != nil {
				n.thing.add("", bitmapOf(b))
			}
		}
		for _, e := range t.exports {
			if e.NodeName == name {
				n.thing.add("", exportOf(e))
			}
		}
		for _, set := range t.sets {
			if isLowest && n.file == setFile(set) {
				n.thing.add("", setOf(set))
			}
		}
		for _, e := range backing {
			t.put(n.thing, e.Name, e.To)
		}
	}
	// The name of a file is at the image, not again at the node that opens the file for it.
	for _, n := range t.byName {
		repeats := false
		for _, above := range t.byName {
			repeats = repeats || above.file == n.file && slices.ContainsFunc(above.below, func(e Edge) bool { return e.To == n.thing })
		}
		if repeats {
			continue
		}
		if !strings.HasPrefix(n.file, "/dev/fdset/") {
			n.thing.note(n.file)
		}
		if n.used > 0 {
			n.thing.note(show.Bytes(n.used) + " used")
		}
	}
}

// edgeRank sorts the edges of a node: its data first.
func edgeRank(name string) int {
	if name == "file" {
		return 0
	}
	return 1
}

// job returns a job, with the nodes that it uses.
func (t *storageTree) job(j qemu.JobInfo) *Thing {
	job := &Thing{Kind: Job, Name: j.ID}
	job.note(string(j.Type), string(j.Status))
	if j.TotalProgress > 0 {
		job.note(fmt.Sprintf("%d %%", int64(100*float64(j.CurrentProgress)/float64(j.TotalProgress))))
	}
	job.note(qmp.Value(j.Error))
	if t.graph == nil {
		return job
	}
	names := map[uint64]qemu.XDbgBlockGraphNode{}
	for _, n := range t.graph.Nodes {
		names[n.ID] = n
	}
	for _, e := range t.graph.Edges {
		above, below := names[e.Parent], names[e.Child]
		if above.Type == qemu.XDbgBlockGraphNodeTypeBlockJob && above.Name == j.ID && e.Name != "main node" {
			t.put(job, e.Name, t.node(below.Name).thing)
		}
	}
	slices.SortStableFunc(job.Below, func(a, b Edge) int { return strings.Compare(a.Name, b.Name) })
	return job
}

func bitmapOf(b qemu.BlockDirtyInfo) *Thing {
	bitmap := &Thing{Kind: Bitmap, Name: qmp.Value(b.Name), Notes: []string{show.Bytes(b.Count) + " dirty"}}
	for _, state := range []struct {
		is   bool
		name string
	}{{b.Persistent, "persistent"}, {!b.Recording, "disabled"}, {b.Busy, "busy"}, {qmp.Value(b.Inconsistent), "inconsistent"}} {
		if state.is {
			bitmap.note(state.name)
		}
	}
	return bitmap
}

func exportOf(e qemu.BlockExportInfo) *Thing {
	export := &Thing{Kind: Export, Name: e.ID, Notes: []string{string(e.Type)}}
	if e.ShuttingDown {
		export.note("shutting down")
	}
	return export
}

func setOf(set qemu.FDSetInfo) *Thing {
	thing := &Thing{Kind: Set, Name: strconv.FormatInt(set.FDSetID, 10)}
	for _, fd := range set.FDs {
		text := "fd " + strconv.FormatInt(fd.FD, 10)
		if name := qmp.Value(fd.Opaque); name != "" {
			text += " " + name
		}
		thing.note(text)
	}
	return thing
}

// setFile returns the name by which QEMU opens a set of descriptors.
func setFile(set qemu.FDSetInfo) string { return "/dev/fdset/" + strconv.FormatInt(set.FDSetID, 10) }
