package fakeqemu

import (
	"fmt"
	"maps"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

type node struct {
	name, driver, file string
	readOnly           bool
	sets               []int64  // of descriptors, which it has open
	below, backing     []string // the nodes that it uses, by reference
}

func (m *Machine) blockdevAdd(args *arguments) (any, error) {
	if m.hasNode(args.NodeName) {
		return nil, generic("Duplicate nodes with node-name='%s'", args.NodeName)
	}
	if err := m.checkTree(args.all); err != nil {
		return nil, err
	}
	n := node{name: args.NodeName, driver: args.Driver, file: args.Filename, readOnly: args.ReadOnly, sets: setsOf(args.all)}
	for member, names := range map[string]*[]string{"file": &n.below, "backing": &n.backing} {
		members, _ := args.all.(map[string]any)
		if name, ok := members[member].(string); ok && m.hasNode(name) {
			*names = append(*names, name)
		}
	}
	m.nodes = append(m.nodes, n)
	return nil, nil
}

// checkTree looks for the sets and the secrets that a tree of nodes needs.
func (m *Machine) checkTree(value any) error {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			if err := m.checkTree(element); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text, _ := v[name].(string)
			if id, ok := inSet(text); ok && name == "filename" && len(m.sets[id]) == 0 {
				return generic("Could not open '%s': No such file or directory", text)
			}
			if name == "key-secret" && m.objects[text] == "" {
				return generic("No secret with id '%s'", text)
			}
			if err := m.checkTree(v[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// setsOf lists the sets of descriptors that a tree of nodes has open.
func setsOf(value any) (ids []int64) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			ids = append(ids, setsOf(element)...)
		}
	case map[string]any:
		for name, member := range v {
			text, _ := member.(string)
			if id, ok := inSet(text); ok && name == "filename" {
				ids = append(ids, id)
			}
			ids = append(ids, setsOf(member)...)
		}
	}
	return ids
}

func (m *Machine) blockResize(args *arguments) (any, error) {
	if !m.hasNode(args.NodeName) {
		return nil, generic("Cannot find device='' nor node-name='%s'", args.NodeName)
	}
	return nil, nil
}

func (m *Machine) hasNode(name string) bool {
	return slices.ContainsFunc(m.nodes, func(n node) bool { return n.name == name })
}

func (m *Machine) blockdevDel(args *arguments) (any, error) {
	switch {
	case !m.hasNode(args.NodeName):
		return nil, generic("Failed to find node with node-name='%s'", args.NodeName)
	case len(m.drives(args.NodeName)) > 0 || m.isBelow(args.NodeName):
		return nil, generic("Node %s is in use", args.NodeName)
	case m.lingers > 0:
		m.lingers--
		return nil, generic("Node %s is in use", args.NodeName)
	}
	m.nodes = slices.DeleteFunc(m.nodes, func(n node) bool { return n.name == args.NodeName })
	for id, set := range m.sets {
		if len(set) == 0 && !m.setIsOpen(id) {
			delete(m.sets, id)
		}
	}
	return nil, nil
}

// isBelow reports whether another node uses a node.
func (m *Machine) isBelow(name string) bool {
	return slices.ContainsFunc(m.nodes, func(n node) bool { return slices.Contains(n.below, name) || slices.Contains(n.backing, name) })
}

func (m *Machine) find(name string) node {
	return m.nodes[slices.IndexFunc(m.nodes, func(n node) bool { return n.name == name })]
}

// info describes a node and those below it. As in QEMU, the name of an image is that of its file.
func (m *Machine) info(n node) qemu.BlockDeviceInfo {
	info := qemu.BlockDeviceInfo{File: m.fileOf(n), NodeName: new(n.name), Drv: n.driver, RO: n.readOnly}
	info.Image.Filename, info.Image.Format = info.File, n.driver
	if len(n.backing) > 0 {
		info.Image.BackingImage = new(m.info(m.find(n.backing[0])).Image)
	}
	return info
}

func (m *Machine) fileOf(n node) string {
	if len(n.below) > 0 {
		return m.fileOf(m.find(n.below[0]))
	}
	if n.file == "" && len(n.sets) > 0 {
		return fmt.Sprintf("/dev/fdset/%d", n.sets[0])
	}
	return n.file
}

func (m *Machine) stats(n node) qemu.BlockStats {
	s := qemu.BlockStats{NodeName: new(n.name)}
	if len(n.below) > 0 {
		s.Parent = new(m.stats(m.find(n.below[0])))
	}
	if len(n.backing) > 0 {
		s.Backing = new(m.stats(m.find(n.backing[0])))
	}
	return s
}

// queryStats lists the nodes, with query-nodes also those that no device uses. There is no
// query-named-block-nodes, which can end a QEMU.
func (m *Machine) queryStats(args *arguments) (any, error) {
	all := []qemu.BlockStats{}
	for _, n := range m.nodes {
		if args.QueryNodes {
			s := m.stats(n)
			s.Backing = nil
			all = append(all, s)
			continue
		}
		for _, id := range m.drives(n.name) {
			s := m.stats(n)
			s.Device, s.Qdev = new(""), new("/machine/peripheral/"+id+"/virtio-backend")
			all = append(all, s)
		}
	}
	return all, nil
}

func (m *Machine) queryBlock(*arguments) (any, error) {
	all := []qemu.BlockInfo{}
	for _, n := range m.nodes {
		for _, id := range m.drives(n.name) {
			all = append(all, qemu.BlockInfo{
				Qdev:     new("/machine/peripheral/" + id + "/virtio-backend"),
				Type:     "unknown",
				Inserted: new(m.info(n)),
			})
		}
	}
	return all, nil
}

// queryJobs has no jobs. NewJobs gives the machine some.
func (m *Machine) queryJobs(*arguments) (any, error) { return []qemu.JobInfo{}, nil }

// SetExports sets the exports of the machine, by their IDs, with the names of the nodes.
func (m *Machine) SetExports(nodes map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.exports = nil
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		m.exports = append(m.exports, qemu.BlockExportInfo{ID: id, NodeName: nodes[id], Type: qemu.BlockExportTypeNBD})
	}
}

func (m *Machine) queryExports(*arguments) (any, error) {
	return append([]qemu.BlockExportInfo{}, m.exports...), nil
}
