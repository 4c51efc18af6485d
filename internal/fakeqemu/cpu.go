package fakeqemu

import "github.com/qmpkit/qmpkit/qmp/generated/qemu"

// CPUType is the type of the machine's CPUs.
const CPUType = "fake-x86_64-cpu"

// SetPlaces gives the machine n free places for CPUs: sockets with one core each.
func (m *Machine) SetPlaces(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.places = n
}

// cpuIn returns the ID of the CPU in a place, or "" if the place is free.
func (m *Machine) cpuIn(place int64) string {
	for id, d := range m.devices {
		if d.place != nil && *d.place == place {
			return id
		}
	}
	return ""
}

func (m *Machine) placeIsFree(place int64) bool {
	return 0 <= place && place < int64(m.places) && m.cpuIn(place) == ""
}

// queryCPUs lists the places with the first one last, as QEMU does.
func (m *Machine) queryCPUs(*arguments) (any, error) {
	all := []qemu.HotpluggableCPU{}
	for place := int64(m.places) - 1; place >= 0; place-- {
		cpu := qemu.HotpluggableCPU{Type: CPUType, VCPUsCount: 1,
			Props: qemu.CPUInstanceProperties{SocketID: new(place), CoreID: new(int64(0))}}
		if id := m.cpuIn(place); id != "" {
			cpu.QOMPath = new("/machine/peripheral/" + id)
		}
		all = append(all, cpu)
	}
	return all, nil
}

// refusedByACPI sends the event of a guest that keeps a CPU or memory.
func (m *Machine) refusedByACPI(id string) {
	m.Event(qemu.EventACPIDeviceOST, map[string]any{"info": map[string]any{
		"device": id, "slot": "0", "slot-type": "CPU", "source": 3, "status": 0x80,
	}})
}
