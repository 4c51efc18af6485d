package fakeqemu

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// arguments are those of all the commands.
type arguments struct {
	ID       string          `json:"id"`
	NodeName string          `json:"node-name"`
	Driver   string          `json:"driver"`
	Drive    string          `json:"drive"`
	Filename string          `json:"filename"`
	ReadOnly bool            `json:"read-only"`
	File     json.RawMessage `json:"file"`
	FdsetID  *int64          `json:"fdset-id"`
	Opaque   string          `json:"opaque"`
	Path     string          `json:"path"`
	Property string          `json:"property"`

	files []*os.File
}

func decode(r *qmptest.Request) (*arguments, error) {
	args := &arguments{files: r.Files}
	if len(r.Arguments) == 0 {
		return args, nil
	}
	return args, json.Unmarshal(r.Arguments, args)
}

func (m *Machine) queryStatus(*arguments) (any, error) {
	return qemu.StatusInfo{Running: true, Status: qemu.RunStateRunning}, nil
}

func (m *Machine) queryVersion(*arguments) (any, error) {
	return qemu.VersionInfo{QEMU: qemu.VersionTriple{Major: 10, Minor: 2}, Package: "fakeqemu"}, nil
}

func (m *Machine) addFd(args *arguments) (any, error) {
	if len(args.files) == 0 {
		return nil, generic("No file descriptor supplied via SCM_RIGHTS")
	}
	id := int64(0)
	for ; args.FdsetID == nil && m.sets[id] != nil; id++ {
	}
	if args.FdsetID != nil {
		id = *args.FdsetID
	}
	m.sets[id] = append(m.sets[id], descriptor{args.files[0], args.Opaque})
	return qemu.AddfdInfo{FdsetID: id, Fd: int64(args.files[0].Fd())}, nil
}

func (m *Machine) removeFd(args *arguments) (any, error) {
	if args.FdsetID == nil || m.sets[*args.FdsetID] == nil {
		return nil, generic("no such set of descriptors")
	}
	if !m.stopped {
		m.dropSet(*args.FdsetID)
	}
	return nil, nil
}

func (m *Machine) queryFdsets(*arguments) (any, error) {
	sets := []qemu.FdsetInfo{}
	for _, id := range slices.Sorted(maps.Keys(m.sets)) {
		info := qemu.FdsetInfo{FdsetID: id}
		for _, d := range m.sets[id] {
			info.Fds = append(info.Fds, qemu.FdsetFdInfo{Fd: int64(d.file.Fd()), Opaque: new(d.opaque)})
		}
		sets = append(sets, info)
	}
	return sets, nil
}

func (m *Machine) blockdevAdd(args *arguments) (any, error) {
	if m.hasNode(args.NodeName) {
		return nil, generic("Duplicate nodes with node-name='%s'", args.NodeName)
	}
	if id, ok := inSet(args.Filename); ok && m.sets[id] == nil {
		return nil, generic("Could not open '%s': No such file or directory", args.Filename)
	}
	m.nodes = append(m.nodes, node{args.NodeName, args.Driver, args.Filename, args.ReadOnly})
	return nil, nil
}

func (m *Machine) hasNode(name string) bool {
	return slices.ContainsFunc(m.nodes, func(n node) bool { return n.name == name })
}

func (m *Machine) blockdevDel(args *arguments) (any, error) {
	switch {
	case !m.hasNode(args.NodeName):
		return nil, generic("Failed to find node with node-name='%s'", args.NodeName)
	case len(m.drives(args.NodeName)) > 0:
		return nil, generic("Node %s is in use", args.NodeName)
	case m.lingers > 0:
		m.lingers--
		return nil, generic("Node %s is in use", args.NodeName)
	}
	m.nodes = slices.DeleteFunc(m.nodes, func(n node) bool { return n.name == args.NodeName })
	return nil, nil
}

func (m *Machine) info(n node) qemu.BlockDeviceInfo {
	return qemu.BlockDeviceInfo{File: n.file, NodeName: n.name, Drv: n.driver, Ro: n.readOnly}
}

func (m *Machine) queryNodes(*arguments) (any, error) {
	all := []qemu.BlockDeviceInfo{}
	for _, n := range m.nodes {
		all = append(all, m.info(n))
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

func (m *Machine) deviceAdd(args *arguments) (any, error) {
	if m.devices[args.ID] != nil {
		return nil, generic("Duplicate device ID '%s'", args.ID)
	}
	if args.Drive != "" && !m.hasNode(args.Drive) {
		return nil, generic("Property '%s.drive' can't find value '%s'", args.Driver, args.Drive)
	}
	m.devices[args.ID] = &device{driver: args.Driver, drive: args.Drive}
	return nil, nil
}

func (m *Machine) deviceDel(args *arguments) (any, error) {
	d := m.devices[args.ID]
	if d == nil {
		return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "Device '" + args.ID + "' not found"}
	}
	if d.unplugging && m.strict {
		return nil, generic("Device %s is already in the process of unplug", args.ID)
	}
	d.unplugging = true
	switch m.guest {
	case Willing:
		m.unplugged(args.ID)
	case Refusing:
		d.unplugging = false
		m.Event("DEVICE_UNPLUG_GUEST_ERROR", map[string]string{
			"device": args.ID, "path": "/machine/peripheral/" + args.ID,
		})
	}
	return nil, nil
}

// qomGet knows the properties of disks and of everything.
func (m *Machine) qomGet(args *arguments) (any, error) {
	id := strings.TrimPrefix(args.Path, "/machine/peripheral/")
	d := m.devices[id]
	switch {
	case d == nil:
		return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "Device '" + args.Path + "' not found"}
	case args.Property == "type":
		return d.driver, nil
	case args.Property == "hotpluggable":
		return true, nil
	case args.Property == "drive" && d.drive != "":
		return d.drive, nil
	}
	return nil, generic("Property '%s.%s' not found", d.driver, args.Property)
}

// systemReset lets go of the devices that the guest was asked for.
func (m *Machine) systemReset(*arguments) (any, error) {
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		if m.devices[id].unplugging {
			m.unplugged(id)
		}
	}
	return nil, nil
}
