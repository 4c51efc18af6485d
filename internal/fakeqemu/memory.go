package fakeqemu

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Drivers of memory.
const (
	DIMM      = "pc-dimm"
	NVDIMM    = "nvdimm"         // QEMU cannot remove it
	VirtioMem = "virtio-mem-pci" // its size can be changed
)

// A room is what the machine has for memory, in bytes.
type room struct {
	base, max uint64
	slots     int64
	told      bool // the machine has the property "memory", as since QEMU 7.1
}

var defaultRoom = room{base: 1 << 30, max: 1 << 40, slots: 256}

// SetRoom is -m base,slots=slots,maxmem=max of a QEMU that has the property "memory" of the machine.
func (m *Machine) SetRoom(base, max uint64, slots int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = room{base, max, slots, true}
}

// used returns how much of the room the devices take, without the base memory.
func (m *Machine) used() (bytes uint64) {
	for _, d := range m.devices {
		bytes += m.sizes[d.memdev]
	}
	return bytes
}

// slotFor returns the slot for a DIMM, or nil for another device.
func (m *Machine) slotFor(args *arguments) (*int64, error) {
	if args.Memdev == "" {
		return nil, nil
	}
	if m.room.base+m.used()+m.sizes[args.Memdev] > m.room.max {
		return nil, generic("not enough space, currently 0x%x in use", m.used())
	}
	if args.Driver != DIMM && args.Driver != NVDIMM {
		return nil, nil
	}
	taken := map[int64]bool{}
	for _, d := range m.devices {
		if d.slot != nil {
			taken[*d.slot] = true
		}
	}
	if args.Slot != nil {
		if *args.Slot >= m.room.slots {
			return nil, generic("invalid slot# %d specified", *args.Slot)
		}
		if taken[*args.Slot] {
			return nil, generic("slot %d is busy", *args.Slot)
		}
		return args.Slot, nil
	}
	for slot := range m.room.slots {
		if !taken[slot] {
			return new(slot), nil
		}
	}
	return nil, generic("no free slots available")
}

func (m *Machine) queryMemorySummary(*arguments) (any, error) {
	return qemu.MemoryInfo{BaseMemory: m.room.base, PluggedMemory: new(m.used())}, nil
}

// queryMemoryDevices lists the devices in the order of their ids.
func (m *Machine) queryMemoryDevices(*arguments) (any, error) {
	all := []qemu.MemoryDeviceInfo{}
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		d := m.devices[id]
		size := int64(m.sizes[d.memdev])
		switch d.driver {
		case DIMM, NVDIMM:
			kind := map[string]qemu.MemoryDeviceInfoKind{DIMM: qemu.MemoryDeviceInfoKindDIMM, NVDIMM: qemu.MemoryDeviceInfoKindNVDIMM}
			all = append(all, qemu.MemoryDeviceInfo{Type: kind[d.driver], Branch: &qemu.PCDIMMDeviceInfo{
				ID: new(id), Size: size, Slot: *d.slot, Memdev: "/objects/" + d.memdev, Hotplugged: true, Hotpluggable: true}})
		case VirtioMem:
			all = append(all, qemu.MemoryDeviceInfo{Branch: &qemu.VirtioMemDeviceInfo{
				ID: new(id), RequestedSize: d.requested, Size: d.size, MaxSize: uint64(size), BlockSize: 2 << 20, Memdev: "/objects/" + d.memdev}})
		}
	}
	return all, nil
}

// memoryGet reads the property "memory" of the machine, or a property of an object.
func (m *Machine) memoryGet(args *arguments) (value any, err error, ok bool) {
	if args.Path == "/machine" && args.Property == "memory" && m.room.told {
		if m.room.slots == 0 {
			return map[string]uint64{"size": m.room.base}, nil, true
		}
		return map[string]uint64{"size": m.room.base, "max-size": m.room.max, "slots": uint64(m.room.slots)}, nil, true
	}
	id, ok := strings.CutPrefix(args.Path, "/objects/")
	if !ok {
		return nil, nil, false
	}
	if m.objects[id] == "" {
		return nil, deviceNotFound(args.Path), true
	}
	switch args.Property {
	case "type":
		return m.objects[id], nil, true
	case "size":
		return m.sizes[id], nil, true
	}
	return nil, generic("Property '%s.%s' not found", m.objects[id], args.Property), true
}

// sizes returns the properties of a virtio-mem device.
func (d *device) sizes() map[string]uint64 {
	if d.driver != VirtioMem {
		return nil
	}
	return map[string]uint64{"requested-size": d.requested, "size": d.size}
}

// setMemory asks the guest to use size bytes of a device's memory.
func (m *Machine) setMemory(id string, size uint64) {
	d := m.devices[id]
	d.requested = size
	if m.guest != Willing || d.size == size {
		return
	}
	d.size = size
	m.Event(qemu.EventMemoryDeviceSizeChange, map[string]any{
		"id": id, "size": size, "qom-path": "/machine/peripheral/" + id,
	})
}

// qomSet knows one property.
func (m *Machine) qomSet(args *arguments) (any, error) {
	id := strings.TrimPrefix(args.Path, "/machine/peripheral/")
	d := m.devices[id]
	if d == nil {
		return nil, deviceNotFound(args.Path)
	}
	var size uint64
	if args.Property != "requested-size" || d.sizes() == nil || json.Unmarshal(args.Value, &size) != nil {
		return nil, generic("Property '%s.%s' cannot be set", d.driver, args.Property)
	}
	if size%(2<<20) != 0 {
		return nil, generic("'requested-size' has to be multiples of 'block-size' (0x200000)")
	}
	m.setMemory(id, size)
	return nil, nil
}

// queryMemdev lists the memory that the machine was started with.
func (m *Machine) queryMemdev(*arguments) (any, error) {
	return []qemu.Memdev{{ID: new("pc.ram"), HostNodes: []uint16{}, Policy: qemu.HostMemPolicyDefault, Share: new(!m.private)}}, nil
}
