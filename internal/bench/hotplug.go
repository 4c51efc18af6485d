package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The limits for the operations of hotplug.
const (
	operationLimit = 1.5 // × the commands that do the work
	treeLimit      = 3   // × a round trip for each level of the tree
)

// measureHotplug compares the operations of hotplug with the commands that do the same work by hand, on one
// QEMU with few and then many devices.
func measureHotplug(b *bench) {
	q, err := qemutest.Find("10.0")
	if errors.Is(err, qemutest.ErrMissing) {
		check(fmt.Errorf("%w: %w", errNoPlace, err))
	}
	check(err)
	m := b.hotplugMachine(q)
	for _, disks := range []int{0, 50, 400} {
		if b.quick {
			disks /= 50
		}
		m.fill(disks)
		m.measure(disks)
	}
}

// A hotplugMachine is a QEMU with SCSI disks and USB devices, which it removes without a guest.
type hotplugMachine struct {
	*bench
	client *qmp.Client
	counts *counting
	vm     *hotplug.VM
	image  string
	disks  int
	set    int64 // of the disk that was added by hand
}

func (b *bench) hotplugMachine(q *qemutest.QEMU) *hotplugMachine {
	server := must(q.Launch(qemutest.Config{Machine: "q35", Args: []string{
		"-S", // the virtual CPU would only take time
		"-device", "virtio-scsi-pci,id=scsi0", "-device", "qemu-xhci,id=usb0,p2=15,p3=15",
	}}))
	b.cleanup(func() { server.Close() })
	m := &hotplugMachine{bench: b, image: b.file("disk.img")}
	check(os.WriteFile(m.image, nil, 0o600))
	check(os.Truncate(m.image, 1<<20))
	m.client = must(qmp.Dial(b.ctx, server.Socket(), nil))
	b.cleanup(func() { m.client.Close() })
	m.counts = &counting{Client: m.client}
	m.vm = hotplug.New(m.counts, nil)
	return m
}

// counting is a connection that counts commands.
type counting struct {
	*qmp.Client
	commands atomic.Int64
}

func (c *counting) Execute(ctx context.Context, call *qmp.Call) error {
	c.commands.Add(1)
	return c.Client.Execute(ctx, call)
}

// disk returns the disk with a number. It is on the SCSI controller.
func (m *hotplugMachine) disk(id string, number int) hotplug.Disk {
	return hotplug.Disk{ID: id, Backend: hotplug.File{Path: m.image, ReadOnly: true}, Driver: "scsi-hd", Bus: "scsi0.0",
		Props: qmp.Args{"scsi-id": number % 256, "lun": number / 256}}
}

// fill adds disks until the machine has so many.
func (m *hotplugMachine) fill(disks int) {
	for ; m.disks < disks; m.disks++ {
		check(m.vm.AddDisk(m.ctx, m.disk(fmt.Sprintf("disk%d", m.disks), m.disks)))
	}
}

// A comparison is an operation and the commands that do its work by hand.
type comparison struct {
	name     string
	of       string  // the work that the time is compared with
	limit    float64 // or 0
	by, hand func() error

	commands     int64
	times, hands sampled
}

// measure compares the operations. By hand and by the package, the device that one operation adds is the one
// that a later one removes.
func (m *hotplugMachine) measure(disks int) {
	const id = "probe"
	disk, nic, tablet := m.disk(id, disks), usbNIC(id), usbTablet(id)
	tree := must(m.vm.PCITree(m.ctx))
	levels := depth(tree)
	trips := func() error {
		for range levels {
			if _, err := (qemu.QOMGet{Path: tree[0].Path, Property: "hotplug-handler"}).Do(m.ctx, m.client); err != nil {
				return err
			}
		}
		return nil
	}
	info := func() error { _, err := m.vm.DeviceInfo(m.ctx, id); return err }
	const commands = "× the commands by hand"
	all := []*comparison{
		{name: "AddDisk", hand: func() error { return m.addDisk(disk) }, by: func() error { return m.vm.AddDisk(m.ctx, disk) }},
		{name: "HasDevice", hand: func() error { return m.get(id, "type") },
			by: func() error { _, err := m.vm.HasDevice(m.ctx, id); return err }},
		{name: "DeviceInfo of a disk", hand: func() error { return m.get(id, "type", "parent_bus", "hotpluggable", "drive") }, by: info},
		{name: "RemoveDisk", hand: func() error { return m.removeDisk(id) }, by: func() error { return m.vm.RemoveDisk(m.ctx, id) }},
		{name: "AddNIC", hand: func() error {
			add := qemu.NetdevAdd(nic.Backend.(hotplug.Netdev).Options)
			add.ID = id
			device := qemu.DeviceAdd{Driver: nic.Driver, ID: new(id), Bus: new(nic.Bus), Props: qmp.Args{"netdev": id}}
			return errors.Join(add.Do(m.ctx, m.client), device.Do(m.ctx, m.client))
		}, by: func() error { return m.vm.AddNIC(m.ctx, nic) }},
		{name: "DeviceInfo of a NIC", hand: func() error { return m.get(id, "type", "parent_bus", "hotpluggable", "netdev") }, by: info},
		{name: "RemoveNIC", hand: func() error {
			return errors.Join(m.unplug(id), qemu.NetdevDel{ID: id}.Do(m.ctx, m.client))
		}, by: func() error { return m.vm.RemoveNIC(m.ctx, id) }},
		{name: "AddDevice", hand: func() error { return tablet.Do(m.ctx, m.client) },
			by: func() error { return m.vm.AddDevice(m.ctx, hotplug.DeviceOf(tablet)) }},
		{name: "RemoveDevice", hand: func() error { return m.unplug(id) }, by: func() error { return m.vm.RemoveDevice(m.ctx, id) }},
		{name: "PCITree", hand: trips, by: func() error { _, err := m.vm.PCITree(m.ctx); return err }},
		{name: "PCITree, the first of a VM", hand: trips, by: func() error {
			_, err := hotplug.New(m.counts, nil).PCITree(m.ctx)
			return err
		}},
		{name: "FreePCISlot", hand: trips, by: func() error { _, err := m.vm.FreePCISlot(m.ctx, ""); return err }},
	}
	for _, c := range all {
		c.of, c.limit = commands, operationLimit
	}
	for _, c := range all[len(all)-3:] {
		c.of, c.limit = "× a round trip for each of "+number(float64(levels))+" levels", treeLimit
	}
	all[len(all)-2].limit = 0
	rounds := m.few(short)
	for range rounds {
		for _, c := range all {
			c.hands = append(c.hands, timed(c.hand))
		}
		for _, c := range all {
			before := m.counts.commands.Load()
			c.times = append(c.times, timed(c.by))
			c.commands = m.counts.commands.Load() - before
		}
	}
	for _, c := range all {
		ratio := c.times.over(c.hands)
		verdict := judged(ratio, c.of)
		if c.limit > 0 {
			verdict = atMost(ratio, c.of, c.limit)
		}
		m.row(fmt.Sprintf("%s, %d disks", c.name, disks), c.times.String(), verdict,
			fmt.Sprintf("%d commands", c.commands), "by hand: "+c.hands.String())
	}
}

func timed(do func() error) float64 {
	begin := time.Now()
	check(do())
	return time.Since(begin).Seconds()
}

func usbNIC(id string) hotplug.NIC {
	return hotplug.NIC{ID: id, Driver: "usb-net", Bus: "usb0.0",
		Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevHubPortOptions{}}}}
}

func usbTablet(id string) qemu.DeviceAdd {
	return qemu.DeviceAdd{Driver: "usb-tablet", ID: new(id), Bus: new("usb0.0")}
}

// depth returns how many buses are behind each other.
func depth(buses []*hotplug.PCIBus) (levels int) {
	for _, bus := range buses {
		levels = max(levels, 1)
		for _, d := range bus.Devices {
			levels = max(levels, 1+depth(d.Buses))
		}
	}
	return levels
}

// addDisk adds a disk by hand.
func (m *hotplugMachine) addDisk(d hotplug.Disk) error {
	f, err := os.Open(m.image)
	if err != nil {
		return err
	}
	defer f.Close()
	added, err := qemu.AddFD{Opaque: new("by hand")}.Do(m.ctx, m.client, qmp.WithFile(f))
	if err != nil {
		return err
	}
	m.set = added.FDSetID
	node := qemu.BlockdevAdd{
		Driver: qemu.BlockdevDriverFile, NodeName: new(d.ID), ReadOnly: new(true), AutoReadOnly: new(false),
		Cache:  &qemu.BlockdevCacheOptions{Direct: new(false)},
		Branch: &qemu.BlockdevOptionsFile{Filename: fmt.Sprintf("/dev/fdset/%d", m.set)},
	}
	if err := node.Do(m.ctx, m.client); err != nil {
		return err
	}
	device := qemu.DeviceAdd{Driver: d.Driver, ID: new(d.ID), Bus: new(d.Bus), Props: qmp.Args{"drive": d.ID}}
	for name, value := range d.Props {
		device.Props[name] = value
	}
	return device.Do(m.ctx, m.client)
}

// removeDisk removes by hand what addDisk added.
func (m *hotplugMachine) removeDisk(id string) error {
	if err := m.unplug(id); err != nil {
		return err
	}
	for { // while QEMU still has the device's memory in use
		err := qemu.BlockdevDel{NodeName: id}.Do(m.ctx, m.client)
		if err == nil {
			break
		}
		if !errors.Is(err, qmp.ErrGeneric) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return qemu.RemoveFD{FDSetID: m.set}.Do(m.ctx, m.client)
}

// unplug removes a device by hand and waits until it is gone.
func (m *hotplugMachine) unplug(id string) error {
	events := qmp.Subscribe[qemu.DeviceDeletedEvent](m.client)
	defer events.Close()
	if err := (qemu.DeviceDel{ID: id}).Do(m.ctx, m.client); err != nil {
		return err
	}
	for {
		event, err := events.Next(m.ctx)
		if err != nil || qmp.Value(event.Data.Device) == id {
			return err
		}
	}
}

// get reads properties of a device by hand.
func (m *hotplugMachine) get(id string, properties ...string) error {
	for _, name := range properties {
		if _, err := (qemu.QOMGet{Path: "/machine/peripheral/" + id, Property: name}).Do(m.ctx, m.client); err != nil {
			return err
		}
	}
	return nil
}
