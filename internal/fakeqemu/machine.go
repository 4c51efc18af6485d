// Package fakeqemu is a QEMU without a machine: a [qmptest.Server] that keeps account of block
// nodes, sets of descriptors and devices as QEMU does, and whose guest does as it is told. It is
// for tests of what real guests do rarely, and for a demonstration where there is no QEMU.
package fakeqemu

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// Guest is what the guest does when it is asked to let go of a device.
type Guest int

const (
	Willing  Guest = iota // it lets go at once
	Refusing              // it says that it will not
	Deaf                  // it does nothing; a reset of the machine lets go of the device
)

// Machine is the QEMU.
type Machine struct {
	*qmptest.Server

	mu      sync.Mutex
	guest   Guest
	nodes   []node
	devices map[string]*device
	sets    map[int64][]descriptor
	lingers int  // how many attempts to remove a node fail after its device is gone
	strict  bool // see RefuseSecondUnplug
	stopped bool // see Stop
}

type node struct {
	name, driver, file string
	readOnly           bool
}

type device struct {
	driver, drive string
	unplugging    bool
}

type descriptor struct {
	file   *os.File
	opaque string
}

// New makes a machine without devices on a server of its own.
func New(t qmptest.T) *Machine {
	m := &Machine{
		Server:  qmptest.NewServer(t, nil),
		devices: map[string]*device{},
		sets:    map[int64][]descriptor{},
	}
	for command, h := range map[string]func(args *arguments) (any, error){
		"query-status":            m.queryStatus,
		"query-version":           m.queryVersion,
		"add-fd":                  m.addFd,
		"remove-fd":               m.removeFd,
		"query-fdsets":            m.queryFdsets,
		"blockdev-add":            m.blockdevAdd,
		"blockdev-del":            m.blockdevDel,
		"query-named-block-nodes": m.queryNodes,
		"query-block":             m.queryBlock,
		"device_add":              m.deviceAdd,
		"device_del":              m.deviceDel,
		"qom-get":                 m.qomGet,
		"system_reset":            m.systemReset,
	} {
		m.Handle(command, func(r *qmptest.Request) (any, error) {
			args, err := decode(r)
			if err != nil {
				return nil, err
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			return h(args)
		})
	}
	t.Cleanup(m.close)
	return m
}

// SetGuest changes what the guest does.
func (m *Machine) SetGuest(g Guest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.guest = g
}

// Linger makes the next n attempts to remove a node fail as if it were in use.
func (m *Machine) Linger(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lingers = n
}

// RefuseSecondUnplug makes device_del fail for a device that the guest has been asked for, as
// PCI Express's own hotplug does.
func (m *Machine) RefuseSecondUnplug() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.strict = true
}

// Stop stops the machine, or lets it run. While it is stopped, sets of descriptors that were
// removed stay, as in QEMU 7.2.
func (m *Machine) Stop(stopped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = stopped
}

// State lists what there is, sorted: "device d1", "fdset 0 qmpkit:d1", "node d1".
func (m *Machine) State() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for id := range m.devices {
		all = append(all, "device "+id)
	}
	for _, n := range m.nodes {
		all = append(all, "node "+n.name)
	}
	for id, set := range m.sets {
		for _, d := range set {
			all = append(all, fmt.Sprintf("fdset %d %s", id, d.opaque))
		}
	}
	slices.Sort(all)
	return all
}

// unplugged tells of the end of a device, as QEMU does: first of its inner part.
func (m *Machine) unplugged(id string) {
	delete(m.devices, id)
	path := "/machine/peripheral/" + id
	m.Event("DEVICE_DELETED", map[string]string{"path": path + "/virtio-backend"})
	m.Event("DEVICE_DELETED", map[string]string{"path": path, "device": id})
}

// close closes the descriptors.
func (m *Machine) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.sets {
		m.dropSet(id)
	}
}

func (m *Machine) dropSet(id int64) {
	for _, d := range m.sets[id] {
		_ = d.file.Close() // the server closes it as well, when it ends
	}
	delete(m.sets, id)
}

// drives returns the ids of the devices that use a node.
func (m *Machine) drives(node string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		if m.devices[id].drive == node {
			ids = append(ids, id)
		}
	}
	return ids
}

func generic(format string, args ...any) error {
	return &qmp.Error{Class: qmp.ErrGeneric, Desc: fmt.Sprintf(format, args...)}
}

// inSet takes the number out of a set's path.
func inSet(filename string) (id int64, ok bool) {
	number, ok := strings.CutPrefix(filename, "/dev/fdset/")
	if !ok {
		return 0, false
	}
	_, err := fmt.Sscan(number, &id)
	return id, err == nil
}
