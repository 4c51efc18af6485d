package fakeqemu

import (
	"encoding/json"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// VirtioMem is the driver of memory whose size can be changed.
const VirtioMem = "virtio-mem-pci"

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
