package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// commands are all of them.
var commands = []command{
	{"list", nil, "the devices that have ids, and where they are", plain(list)},
	{"add-disk", []string{"ID", "FILE"}, "adds a file or a block device of this host as a disk", addDisk},
	{"resize-disk", []string{"ID", "BYTES"}, "changes the size of a disk, and of its file", plain(resizeDisk)},
	{"remove-disk", []string{"ID"}, "removes a disk", plain(func(ctx context.Context, m machine, args []string) error {
		return m.RemoveDisk(ctx, args[0])
	})},
	{"add-nic", []string{"ID", "TAP"}, "adds a NIC on a tap of this host, which is made if it is not there", addNIC},
	{"remove-nic", []string{"ID"}, "removes a NIC", plain(func(ctx context.Context, m machine, args []string) error {
		return m.RemoveNIC(ctx, args[0])
	})},
	{"add-cpu", []string{"ID"}, "adds a virtual CPU at the first free place", plain(addCPU)},
	{"remove-cpu", []string{"ID"}, "removes a virtual CPU", plain(func(ctx context.Context, m machine, args []string) error {
		return m.RemoveCPU(ctx, args[0])
	})},
	{"add-memory", []string{"ID", "BYTES"}, "adds memory", plain(addMemory)},
	{"remove-memory", []string{"ID"}, "removes memory", plain(func(ctx context.Context, m machine, args []string) error {
		return m.RemoveMemory(ctx, args[0])
	})},
	{"migrate", []string{"HOST:PORT"}, "sends the machine to a QEMU that listens there", plain(migrate)},
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
		fmt.Fprintf(m.out, "%-16s %-20s %-12s %s%s\n", info.ID, info.Driver, place, info.Node, info.Netdev)
	}
	return nil
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
	format := set.String("format", "raw", "the file's `FORMAT`, which is never guessed")
	bus := set.String("bus", "", "the PCI `BUS` to plug it into; if none is given, one is found")
	direct := set.Bool("direct", false, "bypass the host's page cache")
	readOnly := set.Bool("read-only", false, "nobody can write to it")
	return func(ctx context.Context, m machine, args []string) error {
		err := m.AddDisk(ctx, hotplug.Disk{
			ID:      args[0],
			Backend: hotplug.File{Path: args[1], Format: qemu.BlockdevDriver(*format), Direct: *direct, ReadOnly: *readOnly},
			Bus:     *bus,
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
	queues := set.Int("queues", 1, "how many `QUEUES` it has")
	mac := set.String("mac", "", "its `ADDRESS`")
	bus := set.String("bus", "", "the PCI `BUS` to plug it into; if none is given, one is found")
	return func(ctx context.Context, m machine, args []string) error {
		taps, err := openTap(args[1], *queues)
		if err != nil {
			return err
		}
		defer closeAll(taps) // QEMU has copies by then
		err = m.AddNIC(ctx, hotplug.NIC{ID: args[0], Backend: hotplug.Tap{Queues: taps}, MAC: *mac, Bus: *bus})
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

func addMemory(ctx context.Context, m machine, args []string) error {
	size, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	return m.AddMemory(ctx, hotplug.Memory{ID: args[0], Backend: hotplug.RAM{Size: size}})
}

func migrate(ctx context.Context, m machine, args []string) error {
	end, err := migration.Run(ctx, m.client, migration.TCP(args[0]), &migration.Options{
		Progress: func(p migration.Progress) {
			fmt.Fprintf(m.out, "%s: %d of %d bytes to go, %d bytes/s\n", p.Status, p.Remaining, p.Total, p.Rate)
		},
	})
	if err == nil {
		fmt.Fprintln(m.out, "the machine is there; it stood still for", end.Downtime.Round(time.Millisecond))
	}
	return err
}
