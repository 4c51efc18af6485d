package fakeqemu

import (
	"maps"
	"slices"
	"strings"
)

type device struct {
	driver, drive, netdev, memdev string
	chardev                       string // of vhost-user
	unplugging                    bool
	place                         *int64 // of a CPU
	requested, size               uint64 // of virtio-mem
}

func (m *Machine) deviceAdd(args *arguments) (any, error) {
	if m.devices[args.ID] != nil {
		return nil, generic("Duplicate device ID '%s'", args.ID)
	}
	if args.Drive != "" && !m.hasNode(args.Drive) {
		return nil, generic("Property '%s.drive' can't find value '%s'", args.Driver, args.Drive)
	}
	if _, ok := m.netdevs[args.Netdev]; args.Netdev != "" && !ok {
		return nil, generic("Property '%s.netdev' can't find value '%s'", args.Driver, args.Netdev)
	}
	if args.Memdev != "" && m.objects[args.Memdev] == "" {
		return nil, generic("Device '%s' not found", args.Memdev)
	}
	if args.SocketID != nil && !m.placeIsFree(*args.SocketID) {
		return nil, generic("CPU[%d] exists", *args.SocketID)
	}
	d := &device{driver: args.Driver, drive: args.Drive, netdev: args.Netdev, memdev: args.Memdev, place: args.SocketID}
	if err := m.useChardev(args.Chardev, args.ID); err != nil {
		return nil, err
	}
	d.chardev = args.Chardev
	m.devices[args.ID] = d
	m.setMemory(args.ID, args.Size)
	return nil, nil
}

func (m *Machine) deviceDel(args *arguments) (any, error) {
	d := m.devices[args.ID]
	if d == nil {
		return nil, deviceNotFound(args.ID)
	}
	if d.unplugging && m.strict {
		return nil, generic("Device %s is already in the process of unplug", args.ID)
	}
	if d.size > 0 {
		return nil, generic("virtio-mem device cannot get unplugged while some of its memory is still plugged")
	}
	d.unplugging = true
	switch m.guest {
	case Willing:
		m.unplugged(args.ID)
	case Refusing:
		d.unplugging = false
		if d.place != nil || d.memdev != "" {
			m.refusedByACPI(args.ID)
			break
		}
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
		return nil, deviceNotFound(args.Path)
	case args.Property == "type":
		return d.driver, nil
	case args.Property == "hotpluggable":
		return true, nil
	case args.Property == "chassis" && d.driver == "pcie-root-port":
		return 1, nil
	}
	for name, value := range map[string]string{
		"drive": d.drive, "netdev": d.netdev, "memdev": d.memdev, "chardev": d.chardev,
	} {
		if args.Property == name && value != "" {
			if name == "memdev" {
				value = "/objects/" + value
			}
			return value, nil
		}
	}
	if size, ok := d.sizes()[args.Property]; ok {
		return size, nil
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

// unplugged tells of the end of a device, as QEMU does: first of its inner part.
func (m *Machine) unplugged(id string) {
	cpu := m.devices[id].place != nil
	_ = m.useChardev(m.devices[id].chardev, "") // which it has
	delete(m.devices, id)
	path := "/machine/peripheral/" + id
	if cpu { // of which QEMU tells no more under TCG
		m.Event("DEVICE_DELETED", map[string]string{"path": path + "/lapic"})
		return
	}
	m.Event("DEVICE_DELETED", map[string]string{"path": path + "/virtio-backend"})
	m.Event("DEVICE_DELETED", map[string]string{"path": path, "device": id})
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
