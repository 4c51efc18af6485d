package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// commands are all of them.
var commands = []command{
	{"list", nil, "lists the devices that have IDs, with their places", plain(list)},
	{"add-disk", []string{"ID", "FILE"}, "adds a file or a block device of this host as a disk", addDisk},
	{"resize-disk", []string{"ID", "BYTES"}, "changes the size of a disk, and of its file", plain(resizeDisk)},
	{"remove-disk", []string{"ID"}, "removes a disk, and its nodes also after moves and snapshots", removeDisk},
	{"add-nic", []string{"ID", "TAP"}, "adds a NIC on a tap of this host, and makes the tap if it does not exist", addNIC},
	{"remove-nic", []string{"ID"}, "removes a NIC", plain(func(ctx context.Context, m machine, args []string) error {
		return m.removed(m.RemoveNIC(ctx, args[0]))
	})},
	{"add-cpu", []string{"ID"}, "adds a virtual CPU at the first free place", plain(addCPU)},
	{"remove-cpu", []string{"ID"}, "removes a virtual CPU", plain(func(ctx context.Context, m machine, args []string) error {
		return m.RemoveCPU(ctx, args[0])
	})},
	{"add-memory", []string{"ID", "BYTES"}, "adds memory", addMemory},
	{"remove-memory", []string{"ID"}, "removes memory", plain(func(ctx context.Context, m machine, args []string) error {
		return m.removed(m.RemoveMemory(ctx, args[0]))
	})},
	{"wait-guest", []string{"ID"}, "waits until the guest uses a device that was added", plain(func(ctx context.Context, m machine, args []string) error {
		return m.WaitGuest(ctx, args[0])
	})},
	{"migrate", []string{"HOST:PORT"}, "sends the machine to a QEMU that listens there", plain(migrate)},
}

// removed prints what a removal left.
func (m machine) removed(kept []hotplug.Kept, err error) error {
	for _, k := range kept {
		fmt.Fprintln(m.out, "kept", k)
	}
	return err
}

func removeDisk(set *flag.FlagSet) func(ctx context.Context, m machine, args []string) error {
	cancel := set.Bool("cancel-jobs", false, "cancel the jobs that run on the disk; without it, the disk stays")
	all := set.Bool("with-backend", false, "also remove the nodes that another program added for the disk")
	return func(ctx context.Context, m machine, args []string) error {
		var opts []hotplug.RemoveOption
		if *cancel {
			opts = append(opts, hotplug.WithJobs())
		}
		if *all {
			opts = append(opts, hotplug.WithBackend())
		}
		return m.removed(m.RemoveDisk(ctx, args[0], opts...))
	}
}

func list(ctx context.Context, m machine, _ []string) error {
	devices, err := qemu.QOMList{Path: "/machine/peripheral"}.Do(ctx, m.client)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.Name == "type" {
			continue
		}
		info, err := m.DeviceInfo(ctx, d.Name)
		if err != nil {
			return err
		}
		place := info.Bus
		if info.PCI != nil {
			place += " " + info.PCI.String()
		}
		if info.DeviceNumber != "" {
			place += " " + info.DeviceNumber
		}
		fmt.Fprintf(m.out, "%-16s %-20s %-12s %s%s\n", info.ID, info.Driver, place, info.Node, info.Netdev)
	}
	return nil
}

// A place is where a device goes, and with which driver.
type place struct{ driver, bus, at *string }

func placeFlags(set *flag.FlagSet) place {
	return place{
		driver: set.String("driver", "", "the `DRIVER` of the device, for example scsi-hd; by default the virtio driver for this machine"),
		bus:    set.String("bus", "", "the `BUS` to plug it into, for example rp1, sc.0; by default the first free one"),
		at:     set.String("at", "", "the place on the bus: `PROPERTIES` such as addr=05.0, devno=fe.0.0007, scsi-id=0,lun=2"),
	}
}

// find returns the bus and the properties of the place. AddDisk and AddNIC find a place if the caller has chosen nothing.
func (p place) find() (bus string, props qmp.Args, err error) {
	props = qmp.Args{}
	for _, property := range strings.FieldsFunc(*p.at, func(c rune) bool { return c == ',' }) {
		name, value, ok := strings.Cut(property, "=")
		if !ok {
			return "", nil, fmt.Errorf("-at has %q, which is not NAME=VALUE", property)
		}
		props[name] = value
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && name != "addr" {
			props[name] = n
		}
	}
	return *p.bus, props, nil
}

// printPlace prints where a device is.
func (m machine) printPlace(ctx context.Context, id string) error {
	info, err := m.DeviceInfo(ctx, id)
	if err == nil && info.PCI != nil {
		fmt.Fprintf(m.out, "at %s/%s\n", info.Bus, info.PCI)
	}
	return err
}

func addDisk(set *flag.FlagSet) func(context.Context, machine, []string) error {
	format := set.String("format", "raw", "the `FORMAT` of the file")
	place := placeFlags(set)
	direct := set.Bool("direct", false, "bypass the host's page cache")
	readOnly := set.Bool("read-only", false, "the guest cannot write to the disk")
	return func(ctx context.Context, m machine, args []string) error {
		bus, props, err := place.find()
		if err != nil {
			return err
		}
		err = m.AddDisk(ctx, hotplug.Disk{
			ID:      args[0],
			Backend: hotplug.File{Path: args[1], Format: qemu.BlockdevDriver(*format), Direct: *direct, ReadOnly: *readOnly},
			Driver:  *place.driver, Bus: bus, Props: props,
		})
		if err != nil {
			return err
		}
		return m.printPlace(ctx, args[0])
	}
}

func resizeDisk(ctx context.Context, m machine, args []string) error {
	size, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	return m.ResizeDisk(ctx, args[0], size)
}

func addNIC(set *flag.FlagSet) func(context.Context, machine, []string) error {
	queues := set.Int("queues", 1, "the number of `QUEUES`")
	mac := set.String("mac", "", "the MAC `ADDRESS`")
	place := placeFlags(set)
	return func(ctx context.Context, m machine, args []string) error {
		taps, err := openTap(args[1], *queues)
		if err != nil {
			return err
		}
		defer closeAll(taps) // QEMU has copies by then
		bus, props, err := place.find()
		if err != nil {
			return err
		}
		err = m.AddNIC(ctx, hotplug.NIC{
			ID: args[0], Backend: hotplug.Tap{Queues: taps}, MAC: *mac,
			Driver: *place.driver, Bus: bus, Props: props,
		})
		if err != nil {
			return err
		}
		return m.printPlace(ctx, args[0])
	}
}

func addCPU(ctx context.Context, m machine, args []string) error {
	added, err := m.AddCPU(ctx, hotplug.CPU{ID: args[0]})
	if err != nil {
		return err
	}
	at, err := json.Marshal(added.Props)
	fmt.Fprintf(m.out, "at %s\n", at)
	return err
}

func addMemory(set *flag.FlagSet) func(context.Context, machine, []string) error {
	driver := set.String("driver", "", "the `DRIVER` of the device, for example virtio-mem-pci; by default pc-dimm, on s390x virtio-mem-ccw")
	bus := set.String("bus", "", "the `BUS` to plug it into, for example rp1; a pc-dimm needs none")
	return func(ctx context.Context, m machine, args []string) error {
		size, err := strconv.ParseUint(args[1], 10, 64)
		if err != nil {
			return err
		}
		memory := hotplug.Memory{ID: args[0], Backend: hotplug.RAM{Size: size}, Driver: *driver, Bus: *bus}
		if strings.HasPrefix(*driver, "virtio-mem") {
			memory.Props = qmp.Args{"requested-size": size}
		}
		return m.AddMemory(ctx, memory)
	}
}

func migrate(ctx context.Context, m machine, args []string) error {
	end, err := migration.Run(ctx, m.client, migration.TCP(args[0]), &migration.Options{
		Progress: func(p migration.Progress) {
			fmt.Fprintf(m.out, "%s: %d of %d bytes to go, %d bytes/s\n", p.Status, p.Remaining, p.Total, p.Rate)
		},
	})
	if err == nil {
		fmt.Fprintln(m.out, "the machine is at the destination; it was stopped for", end.Downtime.Round(time.Millisecond))
	}
	return err
}
