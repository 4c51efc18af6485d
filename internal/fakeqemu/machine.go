// Package fakeqemu is a fake QEMU, for tests of rare behaviour of guests, and for a demonstration
// without QEMU. It is a qmptest.Server that records block nodes, netdevs, objects, descriptors and
// devices as QEMU does. The test decides what its guest does.
package fakeqemu

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// Guest says what the guest does when it is asked to release a device.
type Guest int

const (
	Willing  Guest = iota // it releases the device at once
	Refusing              // it refuses
	Deaf                  // it does nothing; a reset of the machine releases the device
)

// A Machine is the fake QEMU.
type Machine struct {
	*qmptest.Server
	handlers map[string]qmptest.Handler

	mu      sync.Mutex
	guest   Guest
	nodes   []node
	devices map[string]*device
	objects map[string]string     // their types by their ids
	sizes   map[string]uint64     // of objects with memory, by their ids
	netdevs map[string][]*os.File // with what they were given
	named   map[string]*os.File   // by getfd
	chardev map[string]string     // the netdevs that use them, by their ids
	sets    map[int64][]descriptor
	places  []place // for CPUs
	room    room    // for memory
	exports []qemu.BlockExportInfo
	lingers int  // how many attempts to remove a node fail after its device is gone
	strict  bool // see RefuseSecondUnplug
	mute    bool // see Mute
	stopped bool // see Stop
	private bool // see Private
	target  qemu.SysEmuTarget
}

// New returns a machine without devices, and starts its server. The server checks requests by the schema of
// the bindings.
func New(t qmptest.T) *Machine { return newMachine(t, qmptest.Options{}) }

// NewUnchecked returns a machine whose server does not check requests, for commands that no schema has yet.
func NewUnchecked(t qmptest.T) *Machine { return newMachine(t, qmptest.Options{Unchecked: true}) }

// version is the version in the greeting and in the answer to query-version.
var version = qmp.Version{Major: 11, Minor: 1, Package: "fakeqemu"}

func newMachine(t qmptest.T, opts qmptest.Options) *Machine {
	opts.Version = version
	m := &Machine{
		Server:  qmptest.NewServer(t, &opts),
		devices: map[string]*device{},
		objects: map[string]string{},
		sizes:   map[string]uint64{},
		room:    defaultRoom,
		netdevs: map[string][]*os.File{},
		named:   map[string]*os.File{},
		chardev: map[string]string{},
		sets:    map[int64][]descriptor{},

		target:   qemu.SysEmuTargetX86_64,
		handlers: map[string]qmptest.Handler{},
	}
	for command, h := range map[string]func(args *arguments) (any, error){
		"query-status":            m.queryStatus,
		"query-version":           m.queryVersion,
		"query-target":            m.queryTarget,
		"query-pci":               m.queryPCI,
		"query-acpi-ospm-status":  m.querySlots,
		"qom-list-types":          m.qomListTypes,
		"add-fd":                  m.addFd,
		"remove-fd":               m.removeFd,
		"query-fdsets":            m.queryFdsets,
		"getfd":                   m.getfd,
		"closefd":                 m.closefd,
		"netdev_add":              m.netdevAdd,
		"netdev_del":              m.netdevDel,
		"set_link":                m.setLink,
		"chardev-add":             m.chardevAdd,
		"query-chardev":           m.queryChardev,
		"query-memdev":            m.queryMemdev,
		"chardev-remove":          m.chardevRemove,
		"object-add":              m.objectAdd,
		"object-del":              m.objectDel,
		"blockdev-add":            m.blockdevAdd,
		"blockdev-del":            m.blockdevDel,
		"block_resize":            m.blockResize,
		"query-blockstats":        m.queryStats,
		"query-block":             m.queryBlock,
		"query-jobs":              m.queryJobs,
		"query-block-exports":     m.queryExports,
		"device_add":              m.deviceAdd,
		"device_del":              m.deviceDel,
		"query-hotpluggable-cpus": m.queryCPUs,
		"query-memory-devices":    m.queryMemoryDevices,

		"query-memory-size-summary": m.queryMemorySummary,
		"qom-get":                   m.qomGet,
		"qom-set":                   m.qomSet,
		"qom-list":                  m.qomList,
		"system_reset":              m.systemReset,
	} {
		m.handlers[command] = func(r *qmptest.Request) (any, error) {
			args, err := decode(r)
			if err != nil {
				return nil, err
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			return h(args)
		}
		m.Handle(command, m.handlers[command])
	}
	t.Cleanup(m.close)
	return m
}

// SetTarget makes the machine an s390x, for example. It changes only what query-target answers, and that only an x86_64
// has slots for memory.
func (m *Machine) SetTarget(target qemu.SysEmuTarget) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.target = target
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

// RefuseSecondUnplug makes a second device_del for a device fail while the guest has not answered the first
// one, as PCI Express hotplug does.
func (m *Machine) RefuseSecondUnplug() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.strict = true
}

// Intercept makes h answer a command. machine is the machine's own handler.
func (m *Machine) Intercept(command string, h func(r *qmptest.Request, machine qmptest.Handler) (any, error)) {
	m.Handle(command, func(r *qmptest.Request) (any, error) { return h(r, m.handlers[command]) })
}

// Mute turns the events of removed devices off or on.
func (m *Machine) Mute(mute bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mute = mute
}

// Stop stops the machine, or continues it. As in QEMU 7.2, a stopped machine keeps the sets of descriptors
// that were removed.
func (m *Machine) Stop(stopped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = stopped
}

// Private makes the machine's memory private, or shared again, as vhost-user needs it.
func (m *Machine) Private(private bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.private = private
}

// State lists the things in the machine, sorted: "chardev c1", "device d1", "fd tap0", "fdset 0 qmpkit:d1",
// "netdev nic1", "node d1", "object secret1". It cuts an opaque text at its second colon.
func (m *Machine) State() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for id := range m.devices {
		all = append(all, "device "+id)
	}
	for id := range m.objects {
		all = append(all, "object "+id)
	}
	for id := range m.netdevs {
		all = append(all, "netdev "+id)
	}
	for id := range m.chardev {
		all = append(all, "chardev "+id)
	}
	for name := range m.named {
		all = append(all, "fd "+name)
	}
	for _, n := range m.nodes {
		all = append(all, "node "+n.name)
	}
	for id, set := range m.sets {
		for _, d := range set {
			whose := strings.SplitN(d.opaque, ":", 3)
			all = append(all, fmt.Sprintf("fdset %d %s", id, strings.Join(whose[:min(len(whose), 2)], ":")))
		}
	}
	slices.Sort(all)
	return all
}

// close closes the descriptors.
func (m *Machine) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.sets {
		m.dropSet(id)
	}
	for _, file := range m.named {
		_ = file.Close()
	}
	for _, files := range m.netdevs {
		for _, file := range files {
			_ = file.Close()
		}
	}
}

func generic(format string, args ...any) error {
	return &qmp.Error{Class: qmp.ErrGeneric, Desc: fmt.Sprintf(format, args...)}
}

func deviceNotFound(id string) error {
	return &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "Device '" + id + "' not found"}
}
