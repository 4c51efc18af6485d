package fakeqemu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

type device struct {
	driver, drive, netdev, memdev string
	chardev, hostdevice           string
	objects                       map[string]string // by the properties that name them
	unplugging                    bool
	place                         *place // of a CPU
	slot                          *int64 // of a DIMM
	requested, size               uint64 // of virtio-mem
	pci                           *pciPlace
}

// A pciPlace is the slot and function of a device that was added with "addr".
type pciPlace struct {
	bus            string
	slot, function int
	multifunction  bool
}

// readPlace reads "9.1".
func readPlace(args *arguments) *pciPlace {
	p := &pciPlace{bus: args.Bus, multifunction: args.Multifunction}
	if n, _ := fmt.Sscanf(args.Addr, "%x.%x", &p.slot, &p.function); n == 0 {
		return nil
	}
	return p
}

// property returns a property of the device that depends on its place.
func (p *pciPlace) property(name string) (value any, ok bool) {
	switch {
	case p == nil:
	case name == "addr":
		return 8*p.slot + p.function, true
	case name == "multifunction":
		return p.multifunction, true
	case name == "parent_bus":
		return busPath + p.bus, true
	}
	return nil, false
}

func placeOf(d *device) *pciPlace {
	if d == nil {
		return nil
	}
	return d.pci
}

const busPath = "/machine/buses/"

// onBus lists the devices on a bus, in the order of their ids.
func (m *Machine) onBus(bus string) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		if p := m.devices[id].pci; p != nil && busPath+p.bus == bus {
			ids = append(ids, id)
		}
	}
	return ids
}

// busGet reads a link of a bus to a device on it.
func (m *Machine) busGet(args *arguments) (any, error) {
	var n int
	ids := m.onBus(args.Path)
	if got, _ := fmt.Sscanf(args.Property, "child[%d]", &n); got == 0 || n >= len(ids) {
		return nil, generic("Property 'PCI.%s' not found", args.Property)
	}
	return "/machine/peripheral/" + ids[n], nil
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
	objects := map[string]string{}
	for property, object := range map[string]string{
		"rng": args.RNG, "cryptodev": args.CryptoDev, "iothread": args.IOThread, "iommufd": args.IOMMUFD,
	} {
		if object != "" && m.objects[object] == "" {
			return nil, generic("Device '%s' not found", object)
		}
		objects[property] = object
	}
	if id, ok := inSet(args.HostDevice); args.HostDevice != "" && (!ok || len(m.sets[id]) == 0) {
		return nil, generic("failed to open %s: No such file or directory", args.HostDevice)
	}
	if args.Vhostfd != "" && m.named[args.Vhostfd] == nil {
		return nil, generic("File descriptor named '%s' has not been found", args.Vhostfd)
	}
	at, err := m.placeFor(args)
	if err != nil {
		return nil, err
	}
	d := &device{driver: args.Driver, drive: args.Drive, netdev: args.Netdev, memdev: args.Memdev, place: at}
	d.pci = readPlace(args)
	if d.slot, err = m.slotFor(args); err != nil {
		return nil, err
	}
	if err := m.useChardev(args.Chardev, args.ID); err != nil {
		return nil, err
	}
	d.chardev, d.hostdevice, d.objects = args.Chardev, args.HostDevice, objects
	m.takeNamed(args.Vhostfd)
	m.devices[args.ID] = d
	m.setMemory(args.ID, args.Requested)
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
	if d.driver == NVDIMM {
		return nil, generic("nvdimm device hot unplug is not supported yet.")
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
		m.Event(qemu.EventDeviceUnplugGuestError, map[string]string{
			"device": args.ID, "path": "/machine/peripheral/" + args.ID,
		})
	}
	return nil, nil
}

// qomGet knows the properties of disks, and the properties that all devices have.
func (m *Machine) qomGet(args *arguments) (any, error) {
	object := args.Path
	if bus, link, ok := strings.Cut(object, "/child["); ok && strings.HasPrefix(bus, busPath) { // the device at a link
		device, err := m.busGet(&arguments{Path: bus, Property: "child[" + link})
		if err != nil {
			return nil, deviceNotFound(object)
		}
		object = device.(string)
	} else if strings.HasPrefix(object, busPath) {
		return m.busGet(args)
	}
	if value, err, ok := m.memoryGet(args); ok {
		return value, err
	}
	id := strings.TrimPrefix(object, "/machine/peripheral/")
	d := m.devices[id]
	if value, ok := placeOf(d).property(args.Property); ok {
		return value, nil
	}
	switch {
	case d == nil:
		return nil, deviceNotFound(object)
	case args.Property == "type":
		return d.driver, nil
	case args.Property == "hotpluggable":
		return true, nil
	case args.Property == "chassis" && d.driver == "pcie-root-port":
		return 1, nil
	}
	for name, value := range d.links() {
		if args.Property == name && (value != "" || slices.Contains(d.properties(), name)) {
			if _, object := d.objects[name]; value != "" && (object || name == "memdev") {
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

// properties lists the names of the properties that devices of the same driver have.
func (d *device) properties() []string {
	names := []string{"type", "hotpluggable"}
	for name, value := range d.links() {
		if value != "" || slices.ContainsFunc(drivers[name], func(driver string) bool { return strings.HasPrefix(d.driver, driver) }) {
			names = append(names, name)
		}
	}
	if d.pci != nil || strings.HasSuffix(d.driver, "-pci") {
		names = append(names, "addr", "multifunction", "parent_bus")
	}
	return names
}

// drivers are the beginnings of the names of drivers that have a link.
var drivers = map[string][]string{
	"drive":      {"virtio-blk", "scsi-hd", "scsi-cd", "usb-storage", "nvme-ns", "ide-hd"},
	"netdev":     {"virtio-net", "e1000", "usb-net"},
	"memdev":     {"pc-dimm", "virtio-mem", "ivshmem-plain"},
	"chardev":    {"vhost-user", "usb-serial", "virtserialport", "virtconsole"},
	"rng":        {"virtio-rng"},
	"cryptodev":  {"virtio-crypto"},
	"iothread":   {"virtio-blk", "virtio-scsi"},
	"iommufd":    {"vfio-pci"},
	"hostdevice": {"usb-host"},
}

// links returns what a device uses, by the names of properties.
func (d *device) links() map[string]string {
	all := map[string]string{"drive": d.drive, "netdev": d.netdev, "memdev": d.memdev, "chardev": d.chardev, "hostdevice": d.hostdevice}
	maps.Copy(all, d.objects)
	return all
}

// systemReset releases the devices that the guest was asked to release.
func (m *Machine) systemReset(*arguments) (any, error) {
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		if d := m.devices[id]; d != nil && d.unplugging {
			m.unplugged(id)
		}
	}
	return nil, nil
}

// unplugged sends the events at the end of a device, as QEMU does: the event for its inner part comes
// first. All functions of a PCI device's slot go with it, without an event.
func (m *Machine) unplugged(id string) {
	place := m.devices[id].pci
	for other, d := range m.devices {
		if other != id && place != nil && d.pci != nil && d.pci.bus == place.bus && d.pci.slot == place.slot {
			delete(m.devices, other)
		}
	}
	cpu := m.devices[id].place != nil
	_ = m.useChardev(m.devices[id].chardev, "") // which it has
	delete(m.devices, id)
	path := "/machine/peripheral/" + id
	if m.mute {
		return
	}
	if cpu { // under TCG, QEMU reports no more about it
		m.Event(qemu.EventDeviceDeleted, map[string]string{"path": path + "/lapic"})
		return
	}
	m.Event(qemu.EventDeviceDeleted, map[string]string{"path": path + "/virtio-backend"})
	m.Event(qemu.EventDeviceDeleted, map[string]string{"path": path, "device": id})
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
