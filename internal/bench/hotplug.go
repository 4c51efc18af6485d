package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
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
	vm     *hotplug.VM
	image  string
	disks  int
	set    int64 // the descriptor set of the disk that addDisk has added
}

func (b *bench) hotplugMachine(q *qemutest.QEMU) *hotplugMachine {
	server := must(q.Launch(qemutest.Config{Machine: "q35", Args: []string{
		"-S", // the virtual CPU would only take time
		"-device", "virtio-scsi-pci,id=scsi0", "-device", "qemu-xhci,id=usb0,p2=15,p3=15",
	}}))
	b.cleanup(func() { server.Close() })
	client := b.dial(standIn(server.Socket()), nil)
	m := &hotplugMachine{bench: b, client: client, vm: hotplug.New(client, nil), image: b.file("disk.img")}
	check(os.WriteFile(m.image, nil, 0o600))
	check(os.Truncate(m.image, 1<<20))
	return m
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
	hand, by operation
	of       string
	limit    float64 // 0 for none
}

// measure compares the operations. By hand and by the package, a later operation removes the device that an earlier
// one has added.
func (m *hotplugMachine) measure(disks int) {
	const id = "probe"
	ctx, vm, client := m.ctx, m.vm, m.client
	disk := m.disk(id, disks)
	hub := qemu.NetdevAdd{ID: id, Branch: &qemu.NetdevHubPortOptions{}}
	nic := hotplug.NIC{ID: id, Driver: "usb-net", Bus: "usb0.0", Backend: hotplug.Netdev{Options: qemu.Netdev(hub)}}
	tablet := qemu.DeviceAdd{Driver: "usb-tablet", ID: new(id), Bus: new("usb0.0")}
	addNIC := func() error {
		device := qemu.DeviceAdd{Driver: nic.Driver, ID: new(id), Bus: new(nic.Bus), Props: qmp.Args{"netdev": id}}
		return errors.Join(hub.Do(ctx, client), device.Do(ctx, client))
	}
	removeNIC := func() error { return errors.Join(m.unplug(id), qemu.NetdevDel{ID: id}.Do(ctx, client)) }
	info := func() error { _, err := vm.DeviceInfo(ctx, id); return err }

	var all []comparison
	compare := func(name string, hand, by operation) {
		all = append(all, comparison{name, hand, by, "× the commands by hand", operationLimit})
	}
	compare("AddDisk", func() error { return m.addDisk(disk) }, func() error { return vm.AddDisk(ctx, disk) })
	compare("HasDevice", m.get(id, "type"), func() error { _, err := vm.HasDevice(ctx, id); return err })
	compare("DeviceInfo of a disk", m.get(id, "type", "parent_bus", "hotpluggable", "drive"), info)
	compare("RemoveDisk", func() error { return m.removeDisk(id) }, func() error { return errorOf(vm.RemoveDisk(ctx, id)) })
	compare("AddNIC", addNIC, func() error { return vm.AddNIC(ctx, nic) })
	compare("DeviceInfo of a NIC", m.get(id, "type", "parent_bus", "hotpluggable", "netdev"), info)
	compare("RemoveNIC", removeNIC, func() error { return errorOf(vm.RemoveNIC(ctx, id)) })
	compare("AddDevice", func() error { return tablet.Do(ctx, client) }, func() error { return vm.AddDevice(ctx, hotplug.DeviceOf(tablet)) })
	compare("RemoveDevice", func() error { return m.unplug(id) }, func() error { return errorOf(vm.RemoveDevice(ctx, id)) })

	tree := func(vm *hotplug.VM) error { _, err := vm.PCITree(ctx); return err }
	levels := depth(must(vm.PCITree(ctx)))
	trips := m.get("scsi0", slices.Repeat([]string{"type"}, levels)...)
	of := fmt.Sprintf("× a round trip for each of %d levels", levels)
	all = append(all,
		comparison{"PCITree", trips, func() error { return tree(vm) }, of, treeLimit},
		comparison{"PCITree, the first of a VM", trips, func() error { return tree(hotplug.New(client, nil)) }, of, 0},
		comparison{"FreePCISlot", trips, func() error { _, err := vm.FreePCISlot(ctx, "", 0); return err }, of, treeLimit})

	counts := make([]uint64, len(all))
	var samples []sample
	for _, c := range all {
		samples = append(samples, each(1, c.hand))
	}
	for i, c := range all {
		samples = append(samples, func() float64 {
			before := client.Stats().Commands
			time := each(1, c.by)()
			counts[i] = client.Stats().Commands - before
			return time
		})
	}
	times := m.inTurn(short, samples...)
	for i, c := range all {
		hand, by := times[i], times[len(all)+i]
		verdict := judged(by.over(hand), c.of)
		if c.limit > 0 {
			verdict = atMost(by.over(hand), c.of, c.limit)
		}
		m.row(fmt.Sprintf("%s, %d disks", c.name, disks), by.String(), verdict,
			fmt.Sprintf("%d commands", counts[i]), "by hand: "+hand.String())
	}
}

// depth returns the number of buses that are behind each other.
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
	device := qemu.DeviceAdd{Driver: d.Driver, ID: new(d.ID), Bus: new(d.Bus), Props: qmp.Args{"drive": d.ID}}
	maps.Copy(device.Props, d.Props)
	if err := node.Do(m.ctx, m.client); err != nil {
		return err
	}
	return device.Do(m.ctx, m.client)
}

// removeDisk removes by hand what addDisk has added.
func (m *hotplugMachine) removeDisk(id string) error {
	if err := m.unplug(id); err != nil {
		return err
	}
	for { // QEMU refuses while it still uses the device's memory
		err := qemu.BlockdevDel{NodeName: id}.Do(m.ctx, m.client)
		if err == nil {
			return qemu.RemoveFD{FDSetID: m.set}.Do(m.ctx, m.client)
		}
		if !errors.Is(err, qmp.ErrGeneric) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// unplug removes a device by hand and waits until it is gone.
func (m *hotplugMachine) unplug(id string) error {
	_, err := qmp.AwaitEvent(m.ctx, m.client, func(e qemu.DeviceDeletedEvent) bool { return qmp.Value(e.Device) == id },
		qemu.DeviceDel{ID: id})
	return err
}

// get returns the operation of reading properties of a device by hand.
func (m *hotplugMachine) get(id string, properties ...string) operation {
	return func() error {
		for _, name := range properties {
			if _, err := (qemu.QOMGet{Path: "/machine/peripheral/" + id, Property: name}).Do(m.ctx, m.client); err != nil {
				return err
			}
		}
		return nil
	}
}

// errorOf returns the error of a removal.
func errorOf(_ []hotplug.Kept, err error) error { return err }
