package fakeqemu

import "github.com/qmpkit/qmpkit/qmp/generated/qemu"

// CPUType is the type of the machine's CPUs.
const CPUType = "fake-x86_64-cpu"

// A place is a place for a CPU.
type place struct {
	socket, core, thread int64
	threads              bool // cores have several threads, so that places have a thread-id
	boot                 bool // the CPU was there at the start
}

// SetPlaces gives the machine n free places for CPUs: sockets with one core each.
func (m *Machine) SetPlaces(n int) { m.SetTopology(n, 1, 1, 0) }

// SetTopology gives the machine places for CPUs. The first boot places have CPUs that were there at the start.
func (m *Machine) SetTopology(sockets, cores, threads, boot int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.places = nil
	for n := range sockets * cores * threads {
		m.places = append(m.places, place{
			socket: int64(n / threads / cores), core: int64(n / threads % cores), thread: int64(n % threads),
			threads: threads > 1, boot: n < boot,
		})
	}
}

// cpuIn returns the path of the CPU in a place, or "" if the place is free.
func (m *Machine) cpuIn(at *place) string {
	if at.boot {
		return "/machine/unattached/device[0]"
	}
	for id, d := range m.devices {
		if d.place == at {
			return "/machine/peripheral/" + id
		}
	}
	return ""
}

// placeFor returns the place of a CPU that is added, or nil for another device.
func (m *Machine) placeFor(args *arguments) (*place, error) {
	if args.SocketID == nil {
		return nil, nil
	}
	for i := range m.places {
		at := &m.places[i]
		if at.socket != *args.SocketID || args.CoreID != nil && at.core != *args.CoreID ||
			args.ThreadID != nil && at.thread != *args.ThreadID {
			continue
		}
		if m.cpuIn(at) != "" {
			return nil, generic("CPU[%d] exists", i)
		}
		return at, nil
	}
	return nil, generic("Invalid CPU socket-id: %d", *args.SocketID)
}

// queryCPUs lists the places with the first one last, as QEMU does.
func (m *Machine) queryCPUs(*arguments) (any, error) {
	all := []qemu.HotpluggableCPU{}
	for i := len(m.places) - 1; i >= 0; i-- {
		at := &m.places[i]
		cpu := qemu.HotpluggableCPU{Type: CPUType, VCPUsCount: 1,
			Props: qemu.CPUInstanceProperties{SocketID: new(at.socket), CoreID: new(at.core)}}
		if at.threads {
			cpu.Props.ThreadID = new(at.thread)
		}
		if path := m.cpuIn(at); path != "" {
			cpu.QOMPath = new(path)
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
